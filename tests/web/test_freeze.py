"""A frozen merchant: every endpoint that changes something is refused and changes nothing."""

from collections.abc import Iterator

import pytest

from mealquest import models
from mealquest.core.db import TableKind, transaction
from mealquest.core.principal import Role
from mealquest.tenancy import service as tenancy
from mealquest.web.frame import Endpoint, Face
from tests.conftest import _owner
from tests.factories.http import assert_problem
from tests.web.samples import ENDPOINTS, NAME_OF, OPERATOR_KEY, sample_of, send

MUTATING = [endpoint for endpoint in ENDPOINTS if endpoint.mutates]
REFUSAL = ("merchant is read-only during migration", "TENANT_WRITE_DISABLED")
# Written by refusing, and by being there: none of them is the shop's business.
BESIDE = {"audit_log", "audit_seals", "audit_chains", "staff_sessions"}
TENANT = sorted(
    mapper.local_table.name
    for mapper in models.Base.registry.mappers
    if mapper.class_.table_kind is TableKind.TENANT
)

# What a frozen merchant lets pass, each for a reason.
ENDS_IT = {
    "tenant_policy.change",
    "tenant_policy.remove_limit",
    "tenant_policy.set_limit",
    "tenant_policy.set_realtime",
    "tenant_policy.set_writing",
}
MOVES_THE_SHOP = {e.full_name for e in MUTATING if e.feature == "migration"}  # while it is frozen
STOPS_CAMPAIGNS = {"campaign_stops.set_kill_switch"}
SETTLES_MOVED_MONEY = {"payments.callback", "webhooks.stripe", "webhooks.stripe_plainly"}
COMES_AND_GOES = {
    "identity.request_code",
    "identity.sign_in",
    "identity.sign_out",
    "realtime.ticket",
    "social.alipay",  # new customers are held back: tests/identity/test_social.py
    "social.wechat",
    "staff.end_session",
    "staff.end_session_by_page",
}
ONLY_READS = {
    "audit.check_chain",
    "customer_codes.resolve",
    "payments.quote",
    "sequence.preview",
}
OF_NO_MERCHANT = {
    "board.delete_job",
    "board.requeue",
    "board.retry_parked",
    "board.sign_in",
    "board.sign_out",
    "merchants.create",
    "onboarding.onboard",
    "onboarding.open_shop",
    "sandbox_model.complete",
    "workers.claim",
    "workers.complete",
}
ASKED_OF_SOMEBODY_BEFORE = {"payer.go_on", "payer.leave"}
BY_LAW = {"merchants.erase"}
PLAYS_ANOTHER = {"sandbox.decide", "sandbox.refund", "sandbox_stripe.fail", "sandbox_stripe.step"}
PASSES = (
    ENDS_IT
    | MOVES_THE_SHOP
    | STOPS_CAMPAIGNS
    | SETTLES_MOVED_MONEY
    | COMES_AND_GOES
    | ONLY_READS
    | OF_NO_MERCHANT
    | ASKED_OF_SOMEBODY_BEFORE
    | BY_LAW
    | PLAYS_ANOTHER
)
BEHIND_AN_ACCOUNT = {"merchants.change"}  # refused by its service, tests/recovery


def freeze(merchant_id: str, *, on: bool = True) -> None:
    with transaction(merchant_id) as session:
        tenancy.set_switches(session, merchant_id, write_enabled=not on)


@pytest.fixture
def rows(app, shop):
    """Everything there is of the shop, table by table, as one hash each."""
    one = (
        "SELECT '{table}', md5(coalesce(string_agg(row::text, E'\\n' ORDER BY row::text), ''))"
        " FROM {table} AS row WHERE merchant_id = %(merchant)s"
    )
    query = " UNION ALL ".join(one.format(table=table) for table in TENANT if table not in BESIDE)
    return lambda: dict(_owner(app).execute(query, {"merchant": shop.merchant_id}).fetchall())


def refused() -> Iterator[tuple[Endpoint, Face]]:
    """By one face: both go through the same gate."""
    for endpoint in MUTATING:
        if endpoint.full_name not in PASSES | BEHIND_AN_ACCOUNT:
            yield endpoint, next(face for face, _ in endpoint.urls)


def test_whatever_passes_is_listed_and_whatever_is_not_is_gated() -> None:
    names = {endpoint.full_name for endpoint in MUTATING}
    assert names >= PASSES
    ungated = {endpoint.full_name for endpoint in MUTATING if not endpoint.gate}
    assert ungated == (PASSES - STOPS_CAMPAIGNS) | BEHIND_AN_ACCOUNT


def test_nothing_of_a_frozen_merchant_changes(client, shop, rows, subtests) -> None:
    for endpoint, face in refused():
        with subtests.test(NAME_OF[endpoint, face]):
            freeze(shop.merchant_id, on=False)
            sample = sample_of(endpoint, shop)
            freeze(shop.merchant_id)
            before = rows()

            answer = send(client, endpoint, face, sample, shop)

            assert answer.status_code == 403, answer.text[:300]
            if face is Face.API:
                assert_problem(answer, 403, *REFUSAL)
            after = rows()
            assert {table for table in after if after[table] != before[table]} == set()


def test_operators_write_as_little_as_anybody(client, shop, app, rows, monkeypatch) -> None:
    monkeypatch.setattr(app.config["SETTINGS"], "admin_api_key", OPERATOR_KEY)
    theirs = [e for e in MUTATING if e.gate and e.api and e.roles and Role.OPERATOR in e.roles]
    assert theirs
    for endpoint in theirs:
        freeze(shop.merchant_id, on=False)
        sample = sample_of(endpoint, shop)
        freeze(shop.merchant_id)
        before = rows()
        sample.fields["merchantId"] = shop.merchant_id

        answer = send(client, endpoint, Face.API, sample, shop, headers={"X-Api-Key": OPERATOR_KEY})

        assert answer.status_code == 403, (endpoint.full_name, answer.text[:300])
        assert_problem(answer, 403, *REFUSAL)
        assert rows() == before


@pytest.mark.parametrize("name", sorted(ENDS_IT | STOPS_CAMPAIGNS | {"payments.callback"}))
def test_what_has_to_pass_a_freeze_passes_it(client, shop, name) -> None:
    (endpoint,) = [endpoint for endpoint in MUTATING if endpoint.full_name == name]
    sample = sample_of(endpoint, shop)
    for face, _ in endpoint.urls:
        freeze(shop.merchant_id)
        assert send(client, endpoint, face, sample, shop).status_code < 400
