"""What privacy answers."""

from typing import Literal, Self

from mealquest.core.wire import Amount, Page, Timestamp, View
from mealquest.privacy.domain import UNFINISHED, ExportState
from mealquest.privacy.models import PrivacyExport


class DeletedView(View):
    merchant_id: str
    user_id: str
    deleted: Literal[True] = True
    deleted_at: Timestamp


class CancelledView(DeletedView):
    anonymized_user_id: str


class ExportView(View):
    """A file on its way or ready; `rows_total` was counted at the start."""

    export_id: str
    user_id: str
    state: ExportState
    rows_done: int
    rows_total: int
    requested_by: str
    created_at: Timestamp
    ready_at: Timestamp | None
    expires_at: Timestamp

    @classmethod
    def of(cls, row: PrivacyExport) -> Self:
        return cls(
            export_id=row.id,
            user_id=row.customer_id,
            state=row.state,
            rows_done=row.rows_done,
            rows_total=max(row.rows_total, row.rows_done),
            requested_by=row.requested_by,
            created_at=row.created_at,
            ready_at=row.ready_at,
            expires_at=row.expires_at,
        )

    @property
    def is_ready(self) -> bool:
        return self.state is ExportState.READY

    @property
    def is_unfinished(self) -> bool:
        return self.state in UNFINISHED

    @property
    def percent(self) -> int:
        return 100 * self.rows_done // self.rows_total if self.rows_total else 0


class ExportsPage(Page):
    merchant_id: str
    items: list[ExportView]


class LeavingView(View):
    """What erasing a customer would take, and what would stay."""

    user_id: str
    display_name: str
    phone_masked: str | None
    principal: Amount
    bonus: Amount
    silver: Amount
    vouchers: int  # that can still be used, or are held
    waiting: int  # payments that wait for money from outside
    is_deleted: bool

    @property
    def is_owed(self) -> bool:
        return bool(self.principal or self.bonus or self.silver)
