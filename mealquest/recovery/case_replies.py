"""What the pages about invoices in recovery are drawn from. Amounts are minor units."""

from typing import Any

from mealquest.core.wire import Page, Timestamp, View
from mealquest.recovery.case_models import RecoveryCase


class CaseRowView(View):
    """An invoice whose payment failed. `next_at`: when the next reminder of ours is due."""

    invoice_id: str
    status: str
    closed_why: str | None
    closed_at: Timestamp | None
    customer_id: str | None
    currency: str
    amount_due: int
    attempt_count: int
    decline_class: str | None
    decline_code: str | None
    needs_action: bool
    is_held_out: bool
    are_reminders_stopped: bool
    mails_sent: int
    first_failed_at: Timestamp
    next_payment_attempt: Timestamp | None
    next_at: Timestamp | None = None

    @classmethod
    def values(cls, row: RecoveryCase) -> dict[str, Any]:
        return {
            "invoice_id": row.invoice_id,
            "status": row.status.value,
            "closed_why": row.closed_why.value if row.closed_why else None,
            "closed_at": row.closed_at,
            "customer_id": row.stripe_customer_id,
            "currency": row.currency,
            "amount_due": row.amount_due,
            "attempt_count": row.attempt_count,
            "decline_class": row.decline_class,
            "decline_code": row.decline_code,
            "needs_action": row.needs_action,
            "is_held_out": row.holdout,
            "are_reminders_stopped": row.reminders_stopped_at is not None,
            "mails_sent": row.mails_sent,
            "first_failed_at": row.first_failed_at,
            "next_payment_attempt": row.next_payment_attempt,
        }


class CasesView(Page):
    items: list[CaseRowView]


class EntryView(View):
    """A line of the timeline; `details` holds ids, amounts and codes."""

    kind: str
    at: Timestamp
    details: dict[str, Any]


class OpenTaskView(View):
    id: int
    task_type: str
    status: str
    run_at: Timestamp
    attempts: int
    last_error: str | None


class RecoveredView(View):
    amount_minor: int
    currency: str
    brought_by: str
    step: int
    at: Timestamp


class CaseView(CaseRowView):
    """One invoice with all that happened to it. `is_over`: nothing more will."""

    subscription_id: str | None
    billing_reason: str | None
    last_failed_at: Timestamp
    entries: list[EntryView]
    tasks: list[OpenTaskView]
    recovered: RecoveredView | None
    may_charge: bool
    is_connected: bool

    @property
    def is_over(self) -> bool:
        return self.status != "open"


class ChangedCaseView(View):
    invoice_id: str
    changed: bool
