"""Payments: taken, settled from outside, and looked at. The door to this package.

`taking` quotes and verifies, `outside` settles what waits for outside money.
"""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.principal import Principal, Role
from mealquest.payments import queries
from mealquest.payments.domain import PaymentStatus
from mealquest.payments.errors import PaymentNotFound
from mealquest.payments.forms import DEFAULT_LIMIT, MAX_LIMIT, QuoteForm, VerifyForm
from mealquest.payments.outside import callback, cancel, expire_due, require_signature
from mealquest.payments.queries import PaymentFacts
from mealquest.payments.refunds import has_due, send_due
from mealquest.payments.replies import (
    DeductionView,
    PaymentRowView,
    PaymentsPage,
    PaymentView,
    QuoteView,
    TodayView,
    VerifyView,
)
from mealquest.payments.taking import quote, taken_under, verify
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation
from mealquest.wallet import service as wallets
from mealquest.wallet.service import PostingView, major

__all__ = [
    "Operation",
    "PaymentNotFound",
    "PaymentRowView",
    "PaymentStatus",
    "PaymentView",
    "PaymentsPage",
    "QuoteForm",
    "QuoteView",
    "TodayView",
    "VerifyForm",
    "VerifyView",
    "callback",
    "cancel",
    "expire_due",
    "has_due",
    "payment",
    "quote",
    "recent",
    "require_signature",
    "send_due",
    "taken_under",
    "today",
    "verify",
]


def payment(merchant_id: str, payment_id: str, by: Principal) -> PaymentView:
    """One payment with its postings. PaymentNotFound also for another customer's own payment."""
    with transaction(merchant_id) as session:
        found = queries.one(session, merchant_id, payment_id)
        if found is None or _own(by) not in {None, found.customer_id}:
            raise PaymentNotFound
        postings = wallets.postings_of(session, merchant_id, payment_id)
    return PaymentView(
        **_row(found),
        postings=[PostingView.of(posting, found.currency) for posting in postings],
    )


def recent(
    merchant_id: str, by: Principal, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> PaymentsPage:
    """Payments newest first; a customer sees own ones only. Invalid: not a cursor of ours."""
    limit = max(1, min(limit, MAX_LIMIT))
    with transaction(merchant_id) as session:
        found, following = queries.page(
            session, merchant_id, customer_id=_own(by), limit=limit, cursor=cursor
        )
    return PaymentsPage(
        items=[PaymentRowView(**_row(facts)) for facts in found], next_cursor=following
    )


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


def _own(by: Principal) -> str | None:
    """The one customer whose payments the caller may see; None for staff, who see all."""
    return by.subject if by.role is Role.CUSTOMER else None


def _row(facts: PaymentFacts) -> dict[str, Any]:
    def shown(minor: int) -> Any:
        return major(minor, facts.currency)

    return {
        "payment_txn_id": facts.id,
        "user_id": facts.customer_id,
        "display_name": facts.display_name,
        "status": facts.status,
        "order_amount": shown(facts.parts.order),
        "currency": facts.currency,
        "deduction": DeductionView.of(facts.parts, facts.currency),
        "refunded_amount": shown(facts.refunded_minor),
        "voucher_name": facts.voucher_name,
        "taken_by": facts.taken_by,
        "created_at": facts.created_at,
    }
