"""Payments: taken, settled from outside, and looked at. The door to this package.

`taking` quotes and verifies, `outside` settles what waits for outside money, `refunding` gives a
payment back, `refunds` sends outside money back, `gifts` notes what a payment earned and
`receivables` what customers owe; `one` and the listings show.
"""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.paging import DEFAULT_LIMIT
from mealquest.core.principal import Principal
from mealquest.payments import old_answers, queries, receivables, refund_listing, restoring
from mealquest.payments.bands import CustomerBands, customer_bands
from mealquest.payments.checks import CHECKS
from mealquest.payments.domain import ExternalStatus, GiftKind, PaymentStatus
from mealquest.payments.errors import PaymentNotFound
from mealquest.payments.forms import (
    CallbackForm,
    PaymentIdForm,
    PaymentsForm,
    QuoteForm,
    VerifyForm,
)
from mealquest.payments.gateway import SIGNATURE, signature
from mealquest.payments.gifts import Earned, may_earn, note_gift
from mealquest.payments.kept_callbacks import KIND as CALLBACK_KIND
from mealquest.payments.kept_callbacks import take_callback, take_kept_callback
from mealquest.payments.listing import every, listed
from mealquest.payments.one import payment
from mealquest.payments.outside import (
    callback,
    cancel,
    cancel_all_of,
    expire_due,
    require_signature,
)
from mealquest.payments.partings import partings
from mealquest.payments.past import (
    PastOrder,
    PastRefund,
    Taken,
    absences,
    average_spent,
    paid_with,
    past_orders,
    past_refunds,
    taken_by_week,
)
from mealquest.payments.receipts import ReceiptView, receipt
from mealquest.payments.receipts import behind_link as receipt_behind_link
from mealquest.payments.receipts import link_ends as receipt_link_ends
from mealquest.payments.receipts import link_token as receipt_token
from mealquest.payments.refund_preview import preview_refund
from mealquest.payments.refunding import refund
from mealquest.payments.refunds import has_due, send_again, send_due
from mealquest.payments.regulars import (
    OrderFacts,
    Quiet,
    Usual,
    order_facts,
    quiet_customers,
    spent_on_average,
    usual_orders,
)
from mealquest.payments.replies import (
    DeductionView,
    OutsideView,
    PaymentRowView,
    PaymentsPage,
    PaymentView,
    QuoteView,
    TodayView,
    VerifyView,
)
from mealquest.payments.settled import (
    PaymentOnPaper,
    RefundOnPaper,
    payment_on_paper,
    refund_ids,
    refund_on_paper,
)
from mealquest.payments.spending import Spending, spending
from mealquest.payments.taken_back import taken_back
from mealquest.payments.taking import quote, taken_under, verify
from mealquest.payments.takings import desk
from mealquest.payments.waiting import of_customer as waiting_of
from mealquest.payments.waiting import wallet_keeper
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation
from mealquest.wallet.service import major

__all__ = [
    "CALLBACK_KIND",
    "CHECKS",
    "SIGNATURE",
    "CallbackForm",
    "CustomerBands",
    "DeductionView",
    "Earned",
    "ExternalStatus",
    "GiftKind",
    "Operation",
    "OrderFacts",
    "OutsideView",
    "PastOrder",
    "PastRefund",
    "PaymentIdForm",
    "PaymentNotFound",
    "PaymentOnPaper",
    "PaymentRowView",
    "PaymentStatus",
    "PaymentView",
    "PaymentsForm",
    "PaymentsPage",
    "Quiet",
    "QuoteForm",
    "QuoteView",
    "ReceiptView",
    "RefundOnPaper",
    "Spending",
    "Taken",
    "TodayView",
    "Usual",
    "VerifyForm",
    "VerifyView",
    "absences",
    "average_spent",
    "callback",
    "cancel",
    "cancel_all_of",
    "customer_bands",
    "desk",
    "every",
    "expire_due",
    "has_due",
    "listed",
    "may_earn",
    "note_gift",
    "old_answers",
    "order_facts",
    "paid_with",
    "past_orders",
    "past_refunds",
    "payment",
    "payment_on_paper",
    "preview_refund",
    "quiet_customers",
    "quote",
    "receipt",
    "receipt_behind_link",
    "receipt_link_ends",
    "receipt_token",
    "receivables",
    "recent",
    "refund",
    "refund_ids",
    "refund_listing",
    "refund_on_paper",
    "require_signature",
    "restoring",
    "send_again",
    "send_due",
    "signature",
    "spending",
    "spent_on_average",
    "take_callback",
    "take_kept_callback",
    "taken_back",
    "taken_by_week",
    "taken_under",
    "today",
    "usual_orders",
    "verify",
    "waiting_of",
    "wallet_keeper",
]

tenancy.ask_before_moves(partings)


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
