"""What a charge by hand answers."""

from enum import StrEnum

from mealquest.core.wire import Timestamp, View


class ChargeResult(StrEnum):
    PAID = "paid"
    DECLINED = "declined"
    NOT_OPEN = "not_open"  # it was voided or written off meanwhile


class ChargedView(View):
    """`declineClass`: hard, soft, authentication or unknown; null unless it was declined."""

    invoice_id: str
    result: ChargeResult
    decline_class: str | None
    attempted_at: Timestamp
