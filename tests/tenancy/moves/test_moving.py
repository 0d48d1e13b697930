"""A merchant moves to another server while it works, comes back, stays, or is given up."""

from contextlib import ExitStack
from functools import partial

import psycopg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from mealquest.core.db import databases, transaction
from mealquest.core.errors import AppError
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.moves import owner, servers
from tests.factories.requests import OWNER
from tests.factories.threads import run_together
from tests.tenancy.moves.leftovers import objects, rows
from tests.tenancy.moves.shop import Shop

pytestmark = pytest.mark.xdist_group("moves")


def ours(connection: psycopg.Connection, merchant_id: str) -> set[str]:
    return {name for name in objects(connection) if "mq_" in name or merchant_id in name}


def test_there_and_back_while_it_works(pair, shop) -> None:
    merchant_id = shop.merchant_id
    with shop.busy(pair.app):
        there = tenancy.cutover(merchant_id, "hot", OWNER)
        with pytest.raises(tenancy.AlreadyApart):
            tenancy.cutover(merchant_id, "", OWNER)
        assert tenancy.verify_move(merchant_id).holds  # the old copy gets what is written now
        back = tenancy.rollback(merchant_id, OWNER)
    shop.require_complete()
    assert there.report.holds
    assert there.report.source == there.report.target
    assert there.report.target.users == 3
    assert there.move.figures["pauseMs"] > 0
    assert (there.migration.phase, there.migration.step) == ("CUTOVER", "UNFREEZE_WRITE")
    assert (there.migration.note, there.address) == ("hot", back.address)
    assert (back.migration.phase, back.move.state) == ("ROLLBACK", "rolled_back")
    with transaction(merchant_id) as session:
        told = text(
            "SELECT action FROM audit_log WHERE merchant_id = :merchant"
            " AND action LIKE 'MIGRATION%' ORDER BY occurred_at, id"
        )
        actions = session.scalars(told, {"merchant": merchant_id}).all()
    assert actions == ["MIGRATION_CUTOVER", "MIGRATION_ROLLBACK"]
    with pair.at_home() as at_home, pair.at_own() as at_own:
        assert ours(at_home, merchant_id) == {f"gate {merchant_id} open"}
        assert ours(at_own, merchant_id) == {f"gate {merchant_id} away"}
        assert rows(at_own, merchant_id) == {}


def test_two_move_at_once_and_nobody_else_waits(pair) -> None:
    shops = [Shop.opened(pair.merchant()) for _ in range(2)]
    other = Shop.opened(f"{shops[0].merchant_id}_stays")
    with ExitStack() as stack:
        for shop in (*shops, other):
            stack.enter_context(shop.busy(pair.app, threads=1))
        for act in (
            lambda merchant_id: tenancy.cutover(merchant_id, "", OWNER),
            lambda merchant_id: tenancy.rollback(merchant_id, OWNER),
        ):
            done = run_together(pair.app, [partial(act, shop.merchant_id) for shop in shops])
            assert [one.report.holds for one in done] == [True, True]
    for shop in (*shops, other):
        shop.require_complete()


def test_a_slot_of_a_move_that_has_ended_is_found_and_dropped(pair, shop) -> None:
    slot = "mq_move_01m80000000000000000000000"
    with pair.at_home() as at_home:
        servers.make_slot(at_home, slot)
        tenancy.measure_moves()
        assert REGISTRY.get_sample_value("mealquest_move_slots_orphaned") == 1
        wanting = [one for one in tenancy.preflight(shop.merchant_id) if not one.ok]
        assert [(one.found, one.remedy) for one in wanting] == [
            (slot, "flask --app app doctor --fix")
        ]
        (check,) = [one for one in tenancy.MOVE_CHECKS if one.name == "move_slots"]
        assert check.fix is not None
        assert [check.fix(finding) for finding in check.find("")] == ["dropped"]
        assert check.find("") == []
        assert objects(at_home) & {f"slot {slot}"} == set()


def test_a_way_back_given_up_leaves_no_old_row_and_it_can_come_home_again(pair, shop) -> None:
    merchant_id, other = shop.merchant_id, Shop.opened(f"{shop.merchant_id}_stays")
    other.work()
    tenancy.cutover(merchant_id, "", OWNER)
    shop.work()
    assert tenancy.waive_rollback(merchant_id, OWNER).state == "finished"
    with pair.at_home() as at_home, pair.at_own() as at_own:
        assert ours(at_home, merchant_id) == {f"gate {merchant_id} away"}
        assert ours(at_own, merchant_id) == {f"gate {merchant_id} open"}
        assert rows(at_home, merchant_id) == {"merchants": 1}  # the directory
    with pytest.raises(tenancy.NoWayBack):
        tenancy.rollback(merchant_id, OWNER)
    with shop.busy(pair.app):
        owner.bring_home(merchant_id, OWNER)
    tenancy.waive_rollback(merchant_id, OWNER)
    shop.require_complete()
    other.require_complete()
    assert tenancy.migration_status(merchant_id).is_apart is False
    with pair.at_own() as at_own:
        assert rows(at_own, merchant_id) == {}


def test_a_table_that_a_migration_makes_meanwhile_is_followed_as_well(pair, shop) -> None:
    merchant_id = shop.merchant_id
    move = tenancy.prepare_move(merchant_id, OWNER)
    tenancy.drive_moves()
    with pair.at_home() as at_home, pair.at_own() as at_own:
        at_home.execute(
            f"ALTER PUBLICATION {move.forward} DROP TABLE payments"
        )  # as if it were new
        refresh = "REFRESH PUBLICATION WITH (copy_data = false)"
        at_own.execute(f"ALTER SUBSCRIPTION {move.forward} {refresh}")
        at_home.execute("UPDATE tenant_moves SET due_at = now() WHERE ended_at IS NULL")
        tenancy.drive_moves()
    shop.work()
    assert tenancy.cutover(merchant_id, "", OWNER).report.holds
    shop.require_complete()
    tenancy.rollback(merchant_id, OWNER)


def test_a_copy_that_differs_is_not_switched_to(pair, shop) -> None:
    merchant_id = shop.merchant_id
    shop.work()
    tenancy.prepare_move(merchant_id, OWNER)
    tenancy.drive_moves()
    with pair.at_own() as at_own:
        changed = at_own.execute(
            "UPDATE wallets SET principal_minor = principal_minor + 1 WHERE merchant_id = %s"
            " AND customer_id = %s",
            [merchant_id, shop.customers[0]],
        )
        assert changed.rowcount == 1
    with pytest.raises(AppError, match="migration snapshot verify failed: wallets"):
        tenancy.cutover(merchant_id, "", OWNER)
    status = tenancy.migration_status(merchant_id)
    assert (status.is_apart, status.migration.phase) == (False, "ROLLBACK")
    assert status.move is not None
    assert status.move.state == "failed"
    shop.work()
    shop.require_complete()
    with pair.at_home() as at_home, pair.at_own() as at_own:
        assert ours(at_home, merchant_id) | ours(at_own, merchant_id) == set()
        assert rows(at_own, merchant_id) == {}


def test_one_without_an_entry_gets_a_database_beside_home(pair) -> None:
    shop = Shop.opened("m_beside")
    try:
        with shop.busy(pair.app):
            there = tenancy.cutover(shop.merchant_id, "", OWNER)
            assert there.address.endswith("/mealquest_m_beside")
            tenancy.rollback(shop.merchant_id, OWNER)
        shop.require_complete()
    finally:
        databases().named("m_beside").engine.dispose()
        with pair.at_home() as at_home:
            for name in ("mq_move", "mq_back"):
                for slot in [one for one in objects(at_home) if f"slot {name}" in one]:
                    servers.drop_slot(at_home, slot.removeprefix("slot "))
            at_home.execute("DROP DATABASE mealquest_m_beside WITH (FORCE)")


def test_steps_by_hand_say_only_what_is_so(pair, shop) -> None:
    merchant_id = shop.merchant_id

    def step(name: str) -> tuple[str, str]:
        found = tenancy.migration_step(merchant_id, name, "", OWNER)
        return found.phase, found.step

    assert tenancy.migration_status(merchant_id).migration == tenancy.Migration()
    with pytest.raises(tenancy.UnknownStep, match="unsupported migration step: fly"):
        step("fly")
    with pytest.raises(tenancy.StepRefused):
        step("MARK_VERIFYING")
    assert step("freeze_write") == ("FROZEN", "FREEZE_WRITE")
    assert step("DISABLE_WS") == ("FROZEN", "DISABLE_WS")
    assert step("MARK_VERIFYING") == ("VERIFYING", "MARK_VERIFYING")
    with pytest.raises(tenancy.StepRefused):
        step("MARK_CUTOVER")
    assert step("UNFREEZE_WRITE") == ("RUNNING", "UNFREEZE_WRITE")
    assert step("MARK_ROLLBACK") == ("ROLLBACK", "MARK_ROLLBACK")
    assert step("ENABLE_WS") == ("ROLLBACK", "ENABLE_WS")
    with pytest.raises(tenancy.NoDedicatedRoute, match="merchant has no dedicated route"):
        tenancy.rollback(merchant_id, OWNER)
    with pytest.raises(tenancy.MerchantNotFound):
        tenancy.cutover("m_nobody", "", OWNER)
    with pair.at_home() as at_home:
        assert rows(at_home, "m_nobody") == {}
