"""A snapshot of two merchants comes in whole, once, and to the cent; and the shop goes on."""

import json
from decimal import Decimal

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from mealquest.alliance import service as alliances
from mealquest.audit import service as audit
from mealquest.campaigns import service as campaigns
from mealquest.core.db import transaction
from mealquest.core.errors import AppError
from mealquest.identity import service as identity
from mealquest.identity.forms import CustomersForm
from mealquest.invoices import service as invoices
from mealquest.invoices.forms import InvoicesForm
from mealquest.legacy import service as legacy
from mealquest.legacy.service import LegacyRefused
from mealquest.payments import service as payments
from mealquest.payments.domain import PaymentStatus
from mealquest.payments.refund_forms import RefundForm
from mealquest.strategy import service as strategy
from mealquest.strategy.forms import ConfirmForm
from mealquest.suppliers import service as suppliers
from mealquest.suppliers.forms import OrderPathForm
from mealquest.tenancy import service as tenancy
from mealquest.wallet.domain import VoucherStatus
from tests.factories.http import bearer, client_of, customer_token, staff_token
from tests.factories.outside import told
from tests.factories.requests import MANAGER, OWNER, keyed
from tests.factories.threads import run_together
from tests.factories.wallet import wallet_of
from tests.legacy import books
from tests.legacy.old_server import BISTRO, STORE, OldServer
from tests.legacy.shops import GUEST_PHONE, OWNER_PHONE, PENDING_ORDER, busy_day

GUEST, FRIEND = "u_fixture_001", "u_fixture_002"


@pytest.fixture
def old(keep) -> OldServer:
    made = busy_day()
    keep(made.document())
    return made


def the(old: OldServer, order: float) -> dict:
    """The payment of that order."""
    kinds = old.state["paymentsByMerchant"].values()
    (found,) = (one for kind in kinds for one in kind.values() if one["orderAmount"] == order)
    return found


def test_everything_comes_in_to_the_cent_and_the_doctor_finds_nothing(old):
    report = legacy.bring_in()

    assert report.done
    for merchant_id in (STORE, BISTRO):
        assert books.sums(merchant_id) == books.held_by(old.state, merchant_id)
    books.is_sound(STORE, BISTRO)
    for merchant_id in (STORE, BISTRO):
        assert audit.seal(merchant_id) > 0
        assert audit.check_chain(merchant_id).holds
    totals = report.as_json()["totals"]
    assert totals["sums"]["payments.PAID"] == 52 + 33.3 + 300.5 + 9
    assert totals["sums"]["refunded"] == 20
    assert totals["rows"]["payments"] == 6


def test_each_feature_knows_what_came(old):
    legacy.bring_in()

    shop = tenancy.settings(STORE)
    assert (shop.name, shop.budget_cap_minor) == ("Fixture Merchant", 30_000)
    assert identity.works_at(STORE, OWNER_PHONE)
    (found,) = identity.customers(STORE, CustomersForm(query=GUEST_PHONE)).items
    assert (found.uid, found.display_name) == (GUEST, f"Guest {GUEST}")
    with transaction(STORE) as session:
        assert [one["id"] for one in campaigns.state_rows(session, STORE)] == ["campaign_welcome"]
    order = OrderPathForm(partner_id="partner_coffee", order_id="ext_order_1001")
    assert suppliers.detail(BISTRO, order).status == "PAID"
    chat = strategy.current(STORE, None)
    assert (chat.session_id, chat.message_count) == ("sc_1_a", 2)
    assert chat.pending_review.proposal_id == "proposal_rainy"
    assert tenancy.contract_status(STORE, OWNER).application.contact_phone == "+8613911111111"
    assert tenancy.merchant_policy(BISTRO).policy.limits["PAYMENT_VERIFY"].limit == 40
    page = audit.logs(STORE, audit.AuditForm(action="CONTRACT_APPLY"))
    assert [row.details for row in page.items] == [{}]  # a phone was in it


def test_a_proposal_that_came_in_is_approved(old):
    legacy.bring_in()
    shown = strategy.detail(STORE, "proposal_rainy")
    done = strategy.confirm(
        STORE, ConfirmForm(proposal_id="proposal_rainy", hash=shown.hash), OWNER
    )
    assert done.campaign_id == "campaign_rainy_hot_soup"


def test_a_dry_run_writes_nothing_and_tells_the_same(old, owner):
    before = books.everything(owner)
    dry = legacy.bring_in(dry_run=True)
    assert (dry.done, books.everything(owner)) == (False, before)

    real = legacy.bring_in()
    assert real.as_json()["totals"] == dry.as_json()["totals"]
    told_twice = [
        {key: one.as_json()[key] for key in ("changed", "leftOut", "warnings")}
        for one in (dry, real)
    ]
    assert told_twice[0] == told_twice[1]
    assert any("m_bistro: nobody can sign in" in line for line in real.warnings)


def test_a_second_time_changes_nothing(old, owner):
    legacy.bring_in()
    before = books.everything(owner)
    again = legacy.bring_in()
    assert not again.done
    assert "there are merchants here already" in again.headline
    assert books.everything(owner) == before
    assert legacy.at_start() is None


def test_of_two_at_once_one_brings_it_in(app, old):
    done = run_together(app, [legacy.bring_in] * 2)
    assert sorted(report.done for report in done) == [False, True]
    assert books.sums(STORE) == books.held_by(old.state, STORE)


@pytest.mark.parametrize("table", ["wallets", "idempotency_keys"])
def test_a_crash_in_the_middle_leaves_nothing(old, owner, table):
    """The connection is killed by the server while it writes."""
    owner.execute(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END$$"
    )
    owner.execute(
        f"CREATE TRIGGER die AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION die()"
    )
    try:
        with pytest.raises((DBAPIError, psycopg.Error, AppError)):
            legacy.bring_in()
    finally:
        owner.execute("DROP FUNCTION die CASCADE")
    assert books.everything(owner).keys() <= {"lookup_keys"}

    assert legacy.bring_in().done
    books.is_sound(STORE, BISTRO)


# --- the shop goes on -------------------------------------------------------------------------


def test_the_rest_of_an_order_is_refunded(old):
    paid = the(old, 52)
    legacy.bring_in()
    form = RefundForm(payment_txn_id=paid["paymentTxnId"], refund_amount=Decimal(32))
    done = payments.refund(STORE, form, MANAGER, keyed(form, "rest", MANAGER))

    assert (done.total_refunded, done.parts.voucher, done.parts.bonus) == (
        52,
        Decimal("11.08"),
        Decimal("20.92"),
    )
    assert (done.clawback.from_bonus, done.clawback.from_principal) == (0, Decimal("20.92"))
    assert done.voucher.id == "voucher_soon"
    assert wallet_of(STORE, GUEST).principal_minor == 12_892
    books.is_sound(STORE)


def test_an_invoice_stays_as_it_was_and_has_the_credit_note_it_lacked(old):
    legacy.bring_in()
    page = invoices.listed(STORE, InvoicesForm(), OWNER)
    amounts = {row.invoice_no: row.amount for row in page.items}
    assert sorted(amounts.values()) == [-20, Decimal("33.3"), 52]
    assert [number for number in amounts if number.startswith("CRN")] == ["CRN000001"]


def test_an_order_that_waited_waits_on_with_a_hold_and_is_paid(old):
    waiting = the(old, PENDING_ORDER)
    legacy.bring_in()
    payment_id, outside = waiting["paymentTxnId"], waiting["deduction"]["external"]
    row = books.payment_row(STORE, payment_id)
    assert row.status is PaymentStatus.PENDING_EXTERNAL
    assert books.held(STORE, GUEST) == books.wallet(STORE, GUEST) != (0, 0, 0)
    statuses = {one.id: one.status for one in books.voucher_rows(STORE, GUEST)}
    assert statuses == {"voucher_soon": VoucherStatus.USED, "voucher_big": VoucherStatus.HELD}

    amount = Decimal(str(outside))
    done = payments.callback(told(wallet_of(STORE, GUEST), payment_id, amount))
    assert done.status is PaymentStatus.PAID
    assert books.wallet(STORE, GUEST) == (0, 0, 0)
    books.is_sound(STORE)


def test_an_order_that_waited_for_what_is_gone_has_expired(keep):
    old = OldServer(busy_day().now)
    old.open(STORE, "Fixture Merchant", 300)
    user = old.add(STORE, GUEST, (50, 0, 0))
    waits = old.pay(STORE, GUEST, 80, "key-80")
    user["wallet"]["principal"] = 20  # spent meanwhile: nothing had been reserved
    keep(old.document())
    report = legacy.bring_in()
    row = books.payment_row(STORE, waits["paymentTxnId"])
    assert row.status is PaymentStatus.EXTERNAL_EXPIRED
    assert any("has expired: the wallet does not hold" in line for line in report.changed)

    late = payments.callback(told(wallet_of(STORE, GUEST), waits["paymentTxnId"], Decimal(30)))
    assert late.status is PaymentStatus.EXTERNAL_REFUND_DUE
    books.is_sound(STORE)


def test_an_old_key_answers_what_it_answered_and_takes_nothing(app, old, owner):
    first = the(old, 52)
    legacy.bring_in()
    browser, before = client_of(app), books.everything(owner)

    def verify(token: str, key: str, user_id: str = GUEST):
        return browser.post(
            "/api/payment/verify",
            json={"merchantId": STORE, "userId": user_id, "orderAmount": 41},
            headers=bearer(token) | {"Idempotency-Key": key},
        )

    clerk = staff_token(STORE, "staff_clerk")
    again = verify(clerk, "key-52")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    answer = again.get_json()
    assert answer["paymentTxnId"] == first["paymentTxnId"]
    assert answer["quote"]["deduction"]["bonus"] == 34
    assert answer["wallet"]["principal"] == 120
    assert verify(customer_token(STORE, GUEST), "key-52").get_json() == answer
    waits = verify(clerk, "key-500").get_json()
    assert (waits["status"], waits["wallet"]["silver"]) == ("PENDING_EXTERNAL", 88)
    # Somebody else's key, and one of somebody who left, tell nothing and do nothing either.
    assert verify(customer_token(STORE, FRIEND), "key-52", FRIEND).status_code == 409
    assert verify(clerk, "key-52", FRIEND).get_json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert verify(clerk, "key-gone").status_code == 409
    after = books.everything(owner)
    assert after["payments"] == before["payments"]
    assert after["idempotency_keys"] == before["idempotency_keys"]

    refund = browser.post(
        "/api/payment/refund",
        json={"paymentTxnId": first["paymentTxnId"], "refundAmount": 20},
        headers=bearer(staff_token(STORE, "staff_manager")) | {"Idempotency-Key": "refund-20"},
    )
    assert refund.headers["Idempotent-Replayed"] == "true", refund.text
    assert refund.get_json()["clawback"]["fromPrincipal"] == 11.08
    assert books.everything(owner)["refunds"] == before["refunds"]


def test_whoever_left_leaves_money_and_no_name(old):
    legacy.bring_in()
    (gone,) = (p for p in payments.recent(STORE, OWNER, 50).items if p.order_amount == 9)
    assert gone.user_id == f"DELETED_{STORE}_u_gone"
    found = {one.uid for one in identity.customers(STORE, CustomersForm(limit=50)).items}
    assert found == {GUEST, FRIEND}
    assert books.wallet(STORE, "u_erased") == (750, 0, 0)


def test_gifts_that_shared_an_id_get_ids_and_an_end(old):
    legacy.bring_in()
    rows = [v for v in books.voucher_rows(STORE, FRIEND) if v.value_minor == 500]
    assert len({one.id for one in rows}) == 2
    assert all((one.expires_at - one.created_at).days >= 29 for one in rows)


def test_wallets_that_two_stores_shared_are_shared_on(keep):
    old = busy_day()
    for config in old.state["allianceConfigs"].values():
        config["walletShared"] = True
    keep(old.document())
    report = legacy.bring_in()
    with transaction(BISTRO) as session:
        scope = alliances.scope_of(session, BISTRO)
    assert (scope.wallet_shared, scope.wallet_merchant_id) == (True, STORE)
    assert any("has expired: its wallet was shared" in line for line in report.changed)
    assert books.sums(BISTRO) == books.held_by(old.state, BISTRO)
    books.is_sound(STORE, BISTRO)


# --- other sources ----------------------------------------------------------------------------


def test_a_merchant_that_was_moved_comes_from_its_own_snapshot(keep):
    main, moved = busy_day(), OldServer(busy_day().now)
    moved.open(BISTRO, "Bistro Harbor", 220)
    moved.add(BISTRO, GUEST, (1.25, 0, 0))
    main.state["tenantRouteFiles"] = {BISTRO: f"main.tenant.{BISTRO}"}
    keep(main.document())
    keep(moved.document(), f"main.tenant.{BISTRO}")
    legacy.bring_in()
    assert books.wallet(BISTRO, GUEST) == (125, 0, 0)
    assert books.sums(STORE) == books.held_by(main.state, STORE)


def test_a_table_of_other_names_with_the_state_as_text_is_read(owner):
    old = busy_day()
    owner.execute("CREATE TABLE mealquest_state_snapshots (id varchar(40), state text, at date)")
    wrapped = json.dumps(json.dumps({"state": old.state, "savedAt": "2026-01-01T00:00:00Z"}))
    owner.execute("INSERT INTO mealquest_state_snapshots VALUES ('other', %s, now())", [wrapped])
    assert legacy.bring_in(key="other").done
    assert books.sums(STORE) == books.held_by(old.state, STORE)


def test_what_cannot_be_understood_is_refused_with_all_of_it(keep, owner):
    old = busy_day()
    state, first = old.state, the(old, 52)
    first["deduction"]["bonus"] = 33
    state["merchants"][BISTRO]["budgetCap"] = "many"
    state["merchantUsers"][STORE][GUEST]["wallet"]["silver"] = -1
    state["merchantUsers"][STORE][FRIEND]["vouchers"][0]["type"] = "COUPON"
    state["ledger"][0]["merchantId"] = "m_nobody"
    state["giftCards"] = [{"id": 1, "value": 50}]
    state["idempotencyMap"]["top-up:m_store_001:x"] = {}
    keep(old.document())
    before = books.everything(owner)
    with pytest.raises(LegacyRefused) as refused:
        legacy.bring_in()
    for told_of in (
        "deduction: its parts do not sum to orderAmount",
        f"merchants.{BISTRO}.budgetCap: must be a number",
        f"merchantUsers.{STORE}.{GUEST}.wallet.silver: -1 is not an amount that can be kept",
        "vouchers[0].type: 'COUPON' is none of ITEM_WARRANT",
        "of a merchant that is not there (m_nobody)",
        "giftCards: is not known",
        "idempotencyRecords.top-up:m_store_001:x: is no key",
    ):
        assert told_of in refused.value.message, refused.value.message
    assert books.everything(owner) == before


def test_a_source_that_is_not_there_is_said(app, keep, owner):
    with pytest.raises(LegacyRefused, match="there is no such table"):
        legacy.bring_in(table="elsewhere")
    keep(json.dumps({"merchants": {}}), "other")
    with pytest.raises(LegacyRefused, match="no snapshot 'main'; there is: other"):
        legacy.bring_in()
    with pytest.raises(LegacyRefused, match="there are none"):
        legacy.bring_in(key="other")
    assert legacy.at_start() is None
