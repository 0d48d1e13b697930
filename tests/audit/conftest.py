"""A shop with people, and rows of the audit written at chosen times."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import insert, text

from mealquest.audit import service as audit
from mealquest.audit.models import AuditRow, AuditStatus
from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from mealquest.core.principal import Role
from mealquest.identity import service as identity
from tests.factories.customers import make_customer
from tests.factories.http import Client, bearer, client_of, customer_token, staff_token
from tests.factories.merchants import make_merchant

MERCHANT, OTHER = "m_audited", "m_neighbour"
STAFF = {
    "staff_owner": (Role.OWNER, "Olga"),
    "staff_manager": (Role.MANAGER, "Mina"),
    "staff_clerk": (Role.CLERK, "Carl"),
}


@dataclass(frozen=True)
class Desk:
    """Headers by role; every shop has the same people."""

    owner: dict[str, str]
    manager: dict[str, str]
    clerk: dict[str, str]
    customer: dict[str, str]
    neighbour: dict[str, str]


def write(
    merchant_id: str,
    at: datetime,
    *,
    audit_id: str | None = None,
    action: str = "PAYMENT_VERIFY",
    status: AuditStatus = AuditStatus.SUCCESS,
    by: str = "staff_clerk",
    details: dict | None = None,
    request_id: str = "req_fixture",
) -> str:
    audit_id = audit_id or new_id("audit")
    with transaction(merchant_id) as session:
        session.execute(
            insert(AuditRow).values(
                merchant_id=merchant_id,
                id=audit_id,
                occurred_at=at,
                action=action,
                status=status,
                role="CLERK",
                operator_id=by,
                details=details or {},
                request_id=request_id,
            )
        )
    return audit_id


def seal_all(merchant_id: str = MERCHANT) -> None:
    """Tests beside this one have transactions open too, and what is newer waits for them."""
    rows = text(
        "SELECT count(*) FROM audit_log a WHERE merchant_id = :m AND NOT EXISTS"
        " (SELECT FROM audit_seals s WHERE s.merchant_id = a.merchant_id AND s.audit_id = a.id)"
    )
    give_up = time.monotonic() + 20
    while True:
        audit.seal(merchant_id)
        with transaction(merchant_id) as session:
            if not session.execute(rows, {"m": merchant_id}).scalar_one():
                return
        assert time.monotonic() < give_up, "rows stay unsealed"
        time.sleep(0.02)


@pytest.fixture
def client(app: Flask) -> Client:
    return client_of(app)


@pytest.fixture
def desk(app: Flask) -> Desk:
    for merchant_id in (MERCHANT, OTHER):
        make_merchant(merchant_id)
        with transaction(merchant_id) as session:
            for staff_id, (role, name) in STAFF.items():
                identity.add_staff(session, merchant_id, staff_id=staff_id, role=role, name=name)
    guest = make_customer(MERCHANT, "u_guest", display_name="Gerda")
    headers = {role: bearer(staff_token(MERCHANT, f"staff_{role}")) for role in _ROLES}
    return Desk(
        **headers,
        customer=bearer(customer_token(MERCHANT, guest)),
        neighbour=bearer(staff_token(OTHER)),
    )


_ROLES = ("owner", "manager", "clerk")


@pytest.fixture
def ids(client: Client, desk: Desk) -> Callable[..., list[str]]:
    """The ids that a query of the clerk's answers, in order."""

    def ask(query: str = "") -> list[str]:
        answer = client.get(f"/api/audit/logs?{query}", headers=desk.clerk)
        assert answer.status_code == 200, answer.text
        return [item["auditId"] for item in answer.get_json()["items"]]

    return ask
