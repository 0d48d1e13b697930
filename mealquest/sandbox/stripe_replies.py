"""What the page of the sandbox Stripe shows."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

from mealquest.core.wire import Amount, Timestamp, View
from mealquest.sandbox.stripe_forms import ChargedIn


class SandboxInvoice(View):
    """An invoice as the sandbox has it; `next_attempt` is when it tries by itself again."""

    invoice_id: str
    status: str
    amount: Amount
    currency: str
    email: str | None
    decline_code: str | None
    attempts: int
    next_attempt: Timestamp | None
    hosted_url: str

    @classmethod
    def of(cls, bill: dict[str, Any]) -> Self:
        try:
            exponent = ChargedIn(bill["currency"]).exponent
        except ValueError:  # made by other means than the page
            exponent = 2
        due = bill["next_payment_attempt"]
        return cls(
            invoice_id=bill["id"],
            status=bill["status"],
            amount=Decimal(bill["total"]).scaleb(-exponent),
            currency=bill["currency"].upper(),
            email=bill["customer_email"],
            decline_code=bill["decline_code"],
            attempts=bill["attempt_count"],
            next_attempt=datetime.fromtimestamp(due, UTC) if due else None,
            hosted_url=bill["hosted_invoice_url"],
        )


class SceneView(View):
    """`account` is null while nothing is connected; `url` is the sandbox's own page, null beside a
    real Stripe."""

    account: str | None
    url: str | None
    invoices: list[SandboxInvoice]


class SceneStepView(View):
    invoice_id: str
    status: str
