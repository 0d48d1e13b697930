"""The tenant policy gate, and the audit rows that refusals leave."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from mealquest.application import FEATURES
from mealquest.audit.models import AuditRow
from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Limit, Operation, TenantPolicy
from tests.factories.http import assert_problem, bearer, client_of, minted, signed_in

GATED = [e for f in FEATURES for e in f.endpoints if e.gate and e.mutates]


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


def test_a_limit_opens_again_when_its_window_has_passed(client, shop, owner, app, monkeypatch):
    now = [1_790_000_000_000]
    monkeypatch.setattr(app.extensions["quotas"], "_clock", lambda: now[0])
    set_policy(shop.merchant_id, limits=limits(CUSTOMER_CREATE=(1, 60_000)))
    body = {"phone": "+8613912345678"}
    assert client.post("/api/customers", json=body, headers=owner).status_code == 201
    now[0] += 59_100
    refused = client.post("/api/customers", json=body, headers=owner)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")

    now[0] += 900
    assert client.post("/api/customers", json=body, headers=owner).status_code == 200
    assert client.post("/api/customers", json=body, headers=owner).status_code == 429


def test_what_is_refused_or_fails_does_not_count(client, shop, owner, monkeypatch) -> None:
    set_policy(shop.merchant_id, limits=limits(CUSTOMER_CREATE=(1, 60_000)))
    good = {"phone": "+8613912345678"}

    def create(body, headers=owner):
        return client.post("/api/customers", json=body, headers=headers).status_code

    def fail(*_args: object) -> None:
        raise RuntimeError("secret")

    for _ in range(3):
        assert create({"phone": "x"}) == 400
        assert create(good, bearer(shop.tokens[Role.CUSTOMER])) == 403
        with monkeypatch.context() as broken:
            broken.setattr("mealquest.web.pipeline._handle", fail)
            assert create(good) == 500
        set_policy(
            shop.merchant_id, write_enabled=False, limits=limits(CUSTOMER_CREATE=(1, 60_000))
        )
        assert create(good) == 403
        set_policy(shop.merchant_id, limits=limits(CUSTOMER_CREATE=(1, 60_000)))
    assert [create(good), create(good)] == [201, 429]


def test_a_replay_costs_nothing_and_is_answered_when_the_limit_is_used_up(client, shop, owner):
    set_policy(shop.merchant_id, limits=limits(PAYMENT_VERIFY=(2, 60_000)))
    order = {"userId": shop.customer, "orderAmount": 5, "voucherId": "NONE"}

    def verify(key: str, **other):
        headers = owner | {"Idempotency-Key": key}
        return client.post("/api/payment/verify", json=order | other, headers=headers)

    first = verify("one")
    assert first.status_code == 200
    for _ in range(3):
        assert verify("one").data == first.data
    assert verify("one", orderAmount=6).status_code == 409  # the key of another order
    assert verify("two").status_code == 200

    assert verify("three").status_code == 429
    again = verify("one")
    assert (again.status_code, again.data) == (200, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert verify("one", orderAmount=6).status_code == 429
    assert verify("one", orderAmount=-6).status_code == 429


def test_of_many_at_once_as_many_as_the_limit_succeed(app, shop, owner) -> None:
    set_policy(shop.merchant_id, limits=limits(PAYMENT_VERIFY=(4, 60_000)))
    order = {"userId": shop.customer, "orderAmount": 1, "voucherId": "NONE"}
    start = threading.Barrier(10)

    def verify(number: int) -> int:
        headers = owner | {"Idempotency-Key": f"k-{number}"}
        start.wait(10)
        answer = client_of(app).post("/api/payment/verify", json=order, headers=headers)
        return answer.status_code

    with ThreadPoolExecutor(10) as threads:
        statuses = list(threads.map(verify, range(10)))
    assert sorted(statuses) == [200] * 4 + [429] * 6


def test_what_is_read_can_be_limited_too_and_leaves_no_row(client, shop, owner, rows) -> None:
    set_policy(shop.merchant_id, limits=limits(AUDIT_QUERY=(1, 60_000)))

    assert client.get("/api/audit/logs", headers=owner).status_code == 200
    refused = client.get("/api/audit/logs", headers=owner)

    assert_problem(refused, 429, f"AUDIT_QUERY quota exceeded for merchant {shop.merchant_id}")
    assert rows() == []


def test_limits_do_not_depend_on_the_throttles_being_on(app) -> None:
    assert app.extensions["throttles"].enabled is False


def test_an_operation_that_can_be_limited_is_one_that_somebody_asks_about() -> None:
    asked = {e.gate for f in FEATURES for e in f.endpoints if e.gate}
    in_the_handler = {Operation.CUSTOMER_SIGN_IN}
    assert set(Operation) - asked - in_the_handler <= {
        Operation.ALLIANCE_CONFIG_SET,
        Operation.ALLIANCE_SYNC_USER,
    }


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
