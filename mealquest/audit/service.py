"""Write audit rows: inside the act's own transaction, or alone for an act that did not happen."""

from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.audit.models import AuditRow, AuditStatus
from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from mealquest.core.principal import Principal
from mealquest.core.telemetry import request_id

__all__ = ["AuditStatus", "record", "record_alone"]


def record(
    session: Session,
    merchant_id: str,
    action: str,
    by: Principal,
    details: dict[str, Any],
    status: AuditStatus = AuditStatus.SUCCESS,
) -> None:
    """Add a row that commits with the act it tells of."""
    session.execute(
        insert(AuditRow).values(
            merchant_id=merchant_id,
            id=new_id("audit"),
            action=action,
            status=status,
            role=by.role,
            operator_id=by.subject,
            details=details,
            request_id=request_id.get(),
        )
    )


def record_alone(
    merchant_id: str, action: str, by: Principal, details: dict[str, Any], status: AuditStatus
) -> None:
    """Tell of an act that was refused or failed, after its own transaction was rolled back."""
    with transaction(merchant_id) as session:
        record(session, merchant_id, action, by, details, status)
