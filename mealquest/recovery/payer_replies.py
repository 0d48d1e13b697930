"""What a payer is shown behind the link of a mail."""

from datetime import date, datetime
from enum import StrEnum

from mealquest.core.wire import View


class BrandedView(View):
    """A page that a merchant's payers see: whose it is, and how that looks."""

    token: str
    shop: str
    brand_color: str
    logo_url: str | None
    support_email: str | None


class DueState(StrEnum):
    DUE = "due"
    PAID = "paid"
    NOTHING = "nothing"  # voided, or otherwise nothing that could be paid
    AWAY = "away"  # Stripe does not answer, and nothing is known of it yet
    OVER = "over"  # the link is too old


class PayView(BrandedView):
    """`minor`: what is still to be paid, in minor units of `currency`, where that is known.

    `seen_at`: when Stripe said so; `is_stale`: it does not answer now.
    Days are the shop's. `can_pay`: the merchant is connected to Stripe.
    """

    state: DueState
    minor: int | None = None
    currency: str = ""
    seen_at: datetime | None = None
    is_stale: bool = False
    next_attempt: date | None = None
    failed_on: date | None = None
    can_pay: bool = True


class GoneView(View):
    """Where the payer goes on; None: Stripe had no page to go to."""

    token: str
    url: str | None


class LeaveView(BrandedView):
    has_left: bool
