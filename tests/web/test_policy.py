"""The tenant policy gate, and the audit rows that refusals leave."""

import time
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from mealquest.application import FEATURES
from mealquest.audit.models import AuditRow
from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Limit, Operation, TenantPolicy
from mealquest.web.policy import _window
from tests.factories.http import assert_problem, bearer, minted, signed_in
from tests.web.samples import sample_of, send

GATED = [e for f in FEATURES for e in f.endpoints if e.gate and e.mutates]
PASSES = {"KILL_SWITCH_SET"}  # process.md 8: what a frozen merchant may still do


def set_policy(merchant_id: str, **policy) -> None:
    with transaction(merchant_id) as session:
        tenancy.set_policy(session, merchant_id, TenantPolicy(**policy))


def limits(**by_operation) -> dict[str, Limit]:
    return {name: Limit(*limit) for name, limit in by_operation.items()}


@pytest.fixture
def rows(shop, stranger):
    """Audit rows of both shops since the test began, oldest first."""

    def read() -> list[AuditRow]:
        found = []
        for merchant_id in (shop.merchant_id, stranger.merchant_id):
            with transaction(merchant_id) as session:
                found += session.scalars(
                    select(AuditRow)
                    .where(AuditRow.merchant_id == merchant_id)
                    .order_by(AuditRow.id)
                ).all()
        return found

    before = {row.id for row in read()}
    return lambda: [row for row in read() if row.id not in before]


def told(row: AuditRow) -> tuple:
    return row.merchant_id, row.action, row.status.value, row.role, row.operator_id, row.details


# --- frozen -------------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", GATED, ids=lambda e: e.full_name)
def test_a_frozen_merchant_changes_nothing(client, shop, stranger, rows, endpoint) -> None:
    set_policy(shop.merchant_id, write_enabled=False)

    for face, _ in endpoint.urls:
        answer = send(client, endpoint, face, sample_of(endpoint, shop), shop)
        if endpoint.gate in PASSES:
            assert answer.status_code < 400
            continue
        assert answer.status_code == 403, answer.text
        (row,) = rows()[-1:]
        held_back = {
            "reason": "merchant is read-only during migration",
            "policyCode": "TENANT_WRITE_DISABLED",
        }
        assert (row.merchant_id, row.action, row.status) == (
            shop.merchant_id,
            endpoint.action,
            "BLOCKED",
        )
        assert row.details == held_back
        assert row.request_id == answer.headers["X-Request-Id"]


def test_a_frozen_merchants_app_is_told_why(client, shop, owner) -> None:
    set_policy(shop.merchant_id, write_enabled=False)

    answer = client.post("/api/customers", json={"phone": "+8613912345678"}, headers=owner)

    assert_problem(answer, 403, "merchant is read-only during migration", "TENANT_WRITE_DISABLED")


def test_a_freeze_lets_reading_quoting_and_signing_in_pass(app, client, shop, owner) -> None:
    set_policy(shop.merchant_id, write_enabled=False)
    order = {"userId": shop.customer, "orderAmount": 5}

    assert client.post("/api/payment/quote", json=order, headers=owner).status_code == 200
    assert client.get(f"/api/customers/{shop.customer}", headers=owner).status_code == 200
    browser = signed_in(app, shop.phones[Role.CLERK], shop.merchant_id)
    assert browser.get("/console/").status_code == 200


def test_a_freeze_is_one_merchants_only(client, shop, stranger) -> None:
    set_policy(stranger.merchant_id, write_enabled=False)

    answer = client.post(
        "/api/customers",
        json={"phone": "+8613912345678"},
        headers=bearer(shop.tokens[Role.OWNER]),
    )

    assert answer.status_code == 201


# --- limits -------------------------------------------------------------------------------


def test_a_limit_refuses_what_is_over_it(client, shop, stranger, rows) -> None:
    set_policy(shop.merchant_id, limits=limits(CUSTOMER_CREATE=(2, 60_000)))
    clerk, manager = (bearer(shop.tokens[role]) for role in (Role.CLERK, Role.MANAGER))

    def create(number: int, headers: dict[str, str]):
        return client.post(
            "/api/customers", json={"phone": f"+861391234567{number}"}, headers=headers
        )

    # counted by the merchant, whoever calls
    assert [create(1, clerk).status_code, create(2, manager).status_code] == [201, 201]
    refused = create(3, clerk)

    assert_problem(
        refused,
        429,
        f"CUSTOMER_CREATE quota exceeded for merchant {shop.merchant_id}",
        "TENANT_RATE_LIMITED",
    )
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    (row,) = [row for row in rows() if row.status == "BLOCKED"]
    assert row.action == "CUSTOMER_CREATE"
    assert row.details == {
        "reason": f"CUSTOMER_CREATE quota exceeded for merchant {shop.merchant_id}",
        "policyCode": "TENANT_RATE_LIMITED",
    }
    # nobody else has less for it, and other operations of the same merchant have not either
    assert create(4, bearer(stranger.tokens[Role.OWNER])).status_code == 201
    order = {"userId": shop.customer, "orderAmount": 5}
    paid = client.post("/api/payment/verify", json=order, headers=clerk | {"Idempotency-Key": "k"})
    assert paid.status_code == 200


def test_a_limit_of_none_closes_the_operation(client, shop, owner) -> None:
    set_policy(shop.merchant_id, limits=limits(CUSTOMER_CREATE=(0, 60_000)))

    answer = client.post("/api/customers", json={"phone": "+8613912345678"}, headers=owner)

    assert_problem(answer, 429, code="TENANT_RATE_LIMITED")
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_limit_opens_again_when_its_window_has_passed(client, shop, owner, monkeypatch) -> None:
    set_policy(shop.merchant_id, limits=limits(CUSTOMER_CREATE=(1, 60_000)))
    body = {"phone": "+8613912345678"}
    assert client.post("/api/customers", json=body, headers=owner).status_code == 201
    assert client.post("/api/customers", json=body, headers=owner).status_code == 429

    in_a_minute = SimpleNamespace(time=lambda: time.time() + 60)
    monkeypatch.setattr("limits.storage.redis.time", in_a_minute)

    assert client.post("/api/customers", json=body, headers=owner).status_code == 200
    assert client.post("/api/customers", json=body, headers=owner).status_code == 429


@pytest.mark.parametrize(
    ("window_ms", "seconds"), [(1, 1), (300, 1), (1000, 1), (1001, 2), (60_000, 60)]
)
def test_a_window_is_never_shorter_than_it_says(window_ms, seconds) -> None:
    """Policies count in milliseconds, the store in whole seconds."""
    assert _window(Limit(1, window_ms)).get_expiry() == seconds


def test_limits_do_not_depend_on_the_throttles_being_on(app) -> None:
    assert app.extensions["throttles"].enabled is False


# --- refusals and failures in the audit ----------------------------------------------------


def test_a_refused_role_is_on_record(client, shop, rows) -> None:
    customer = bearer(shop.tokens[Role.CUSTOMER])

    answer = client.post("/api/customers", json={"phone": "+8613912345678"}, headers=customer)

    assert_problem(answer, 403, "permission denied")
    (row,) = rows()
    assert told(row) == (
        shop.merchant_id,
        "CUSTOMER_CREATE",
        "DENIED",
        "CUSTOMER",
        shop.customer,
        {"error": "permission denied", "route": "identity.create_customer"},
    )
    assert row.request_id == answer.headers["X-Request-Id"]


def test_a_refused_scope_is_on_record_at_the_callers_merchant(client, shop, rows, owner) -> None:
    client.get("/api/customers?merchantId=m_beta", headers=owner)

    (row,) = rows()
    assert told(row)[:5] == (shop.merchant_id, "ACCESS", "DENIED", "OWNER", "staff_owner")
    assert row.details == {"error": "merchant scope denied", "route": "identity.customers"}


def test_a_forged_form_is_on_record(app, shop, rows) -> None:
    browser = signed_in(app, shop.phones[Role.CLERK], shop.merchant_id)

    browser.post("/console/customers", data={"phone": "+8613912345678"})

    (row,) = [row for row in rows() if row.status == "DENIED"]
    assert row.action == "CUSTOMER_CREATE"
    assert row.operator_id == "staff_clerk"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"userId": "u_nobody", "orderAmount": 5}, "user not found"),
        ({"userId": "u_same", "orderAmount": -5}, "orderAmount must be a positive number"),
        ({"userId": "u_same"}, "orderAmount must be a positive number"),
    ],
)
def test_a_failed_act_is_on_record(client, shop, rows, owner, body, error) -> None:
    client.post("/api/payment/verify", json=body, headers=owner | {"Idempotency-Key": "k"})

    (row,) = rows()
    assert told(row)[:5] == (
        shop.merchant_id,
        "PAYMENT_VERIFY",
        "FAILED",
        "OWNER",
        "staff_owner",
    )
    assert row.details == {"error": error}


def test_an_error_of_ours_is_on_record_as_a_failure(client, shop, rows, owner, monkeypatch) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("mealquest.web.pipeline._handle", fail)

    client.post("/api/customers", json={"phone": "+8613912345678"}, headers=owner)

    (row,) = rows()
    assert (row.action, row.status.value) == ("CUSTOMER_CREATE", "FAILED")
    assert "secret" not in str(row.details)


def test_strangers_and_readers_leave_no_rows(client, shop, rows, owner) -> None:
    client.get("/api/customers")
    client.post("/api/customers", json={}, headers=bearer("x"))
    client.post("/api/customers", json={}, headers=bearer(minted(merchantId=shop.merchant_id)))
    gone = minted(merchantId=shop.merchant_id, operatorId="staff_nobody")
    client.post("/api/customers", json={}, headers=bearer(gone))
    client.get("/api/customers/u_nobody", headers=owner)  # not found is no refusal
    client.get("/api/nope", headers=owner)
    client.post("/api/payment/quote", json={}, headers=owner)

    assert rows() == []


def test_every_operation_a_policy_can_name_is_an_operation() -> None:
    assert {e.gate for e in GATED} <= set(Operation)
