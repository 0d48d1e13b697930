"""The audit of another server: rows added with their own times, and sealed by the ordinary job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from mealquest.audit.models import AuditRow, AuditStatus

AT_ONCE = 500  # rows of one statement


@dataclass(frozen=True, slots=True)
class OldRow:
    id: str
    occurred_at: datetime
    action: str
    status: AuditStatus
    role: str
    operator_id: str
    details: Mapping[str, Any]


def restore(session: Session, merchant_id: str, rows: Sequence[OldRow]) -> None:
    own = {"merchant_id": merchant_id, "request_id": ""}
    values = [own | {name: getattr(row, name) for name in row.__slots__} for row in rows]
    for start in range(0, len(values), AT_ONCE):
        session.execute(insert(AuditRow), values[start : start + AT_ONCE])
