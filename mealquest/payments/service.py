"""Payments: taken, settled from outside, and looked at. The door to this package.

`taking` quotes and verifies, `outside` settles what waits for outside money, `refunds` sends back
what came in vain, `one` and `listing` show.
"""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.paging import DEFAULT_LIMIT
from mealquest.core.principal import Principal
from mealquest.payments import queries
from mealquest.payments.domain import PaymentStatus
from mealquest.payments.errors import PaymentNotFound
from mealquest.payments.forms import (
    CallbackForm,
    PaymentIdForm,
    PaymentsForm,
    QuoteForm,
    VerifyForm,
)
from mealquest.payments.gateway import SIGNATURE, signature
from mealquest.payments.listing import every, listed
from mealquest.payments.one import payment
from mealquest.payments.outside import callback, cancel, expire_due, require_signature
from mealquest.payments.receipts import ReceiptView, receipt
from mealquest.payments.receipts import behind_link as receipt_behind_link
from mealquest.payments.receipts import link_ends as receipt_link_ends
from mealquest.payments.receipts import link_token as receipt_token
from mealquest.payments.refunds import has_due, send_again, send_due
from mealquest.payments.replies import (
    OutsideView,
    PaymentRowView,
    PaymentsPage,
    PaymentView,
    QuoteView,
    TodayView,
    VerifyView,
)
from mealquest.payments.taking import quote, taken_under, verify
from mealquest.payments.takings import desk
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation
from mealquest.wallet.service import major

__all__ = [
    "SIGNATURE",
    "CallbackForm",
    "Operation",
    "OutsideView",
    "PaymentIdForm",
    "PaymentNotFound",
    "PaymentRowView",
    "PaymentStatus",
    "PaymentView",
    "PaymentsForm",
    "PaymentsPage",
    "QuoteForm",
    "QuoteView",
    "ReceiptView",
    "TodayView",
    "VerifyForm",
    "VerifyView",
    "callback",
    "cancel",
    "desk",
    "every",
    "expire_due",
    "has_due",
    "listed",
    "payment",
    "quote",
    "receipt",
    "receipt_behind_link",
    "receipt_link_ends",
    "receipt_token",
    "recent",
    "require_signature",
    "send_again",
    "send_due",
    "signature",
    "taken_under",
    "today",
    "verify",
]


def recent(
    merchant_id: str, by: Principal, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> PaymentsPage:
    """The newest payments. Invalid: not a cursor of ours."""
    return listed(merchant_id, PaymentsForm(limit=limit, cursor=cursor), by)


def today(merchant_id: str) -> TodayView:
    """Payments of the running day in the merchant's time zone; refunds are not taken off."""
    with transaction(merchant_id) as session:
        settings = tenancy.settings_of(session, merchant_id)
        since, until = day_of(utc_now(), ZoneInfo(settings.time_zone))
        count, taken = queries.taken_between(session, merchant_id, since, until)
    return TodayView(
        day=since.date(),
        count=count,
        taken=major(taken, settings.currency),
        currency=settings.currency,
    )


def day_of(moment: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The bounds of the day `moment` falls on there; it may be 23 or 25 hours long."""
    day = moment.astimezone(zone).date()
    return (
        datetime.combine(day, time.min, zone),
        datetime.combine(day + timedelta(days=1), time.min, zone),
    )
