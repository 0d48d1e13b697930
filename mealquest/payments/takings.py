"""The owner's figures of a day: what was taken, from which source, at which hour, against before.

Every figure is a sum over rows that a list shows with the same filter; none is a counter.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.core.paging import Span, span_of_days
from mealquest.payments import paid_again, receivables, refund_listing
from mealquest.payments.desk_replies import (
    AttentionView,
    DayView,
    DeskView,
    HourView,
    SourcesView,
)
from mealquest.payments.domain import PaymentStatus
from mealquest.tenancy import service as tenancy
from mealquest.wallet import service as wallets
from mealquest.wallet.service import major

WEEK = timedelta(days=7)
SOON = timedelta(days=3)  # a voucher that expires within this needs a word to its owner
LATELY = timedelta(days=1)
NOTICED = timedelta(days=7)  # how long a payment that was paid twice is told of


@dataclass(frozen=True, slots=True)
class Takings:
    """Settled payments of a span: how many, their sum and its parts, minor units.

    `refunds` and `refunded` are what was given back in that span.
    """

    count: int
    taken: int
    voucher: int
    bonus: int
    principal: int
    silver: int
    external: int
    refunds: int
    refunded: int


_TAKINGS = text(
    """
    SELECT count(*), CAST(coalesce(sum(order_minor), 0) AS bigint),
           CAST(coalesce(sum(voucher_minor), 0) AS bigint),
           CAST(coalesce(sum(bonus_minor), 0) AS bigint),
           CAST(coalesce(sum(principal_minor), 0) AS bigint),
           CAST(coalesce(sum(silver_minor), 0) AS bigint),
           CAST(coalesce(sum(external_minor), 0) AS bigint)
      FROM payments
     WHERE merchant_id = :merchant AND created_at >= :since AND created_at < :until
       AND status = 'PAID'
    """
)
_BY_HOUR = text(
    """
    SELECT CAST(extract(hour FROM created_at AT TIME ZONE :zone) AS integer) AS hour,
           CAST(sum(order_minor) AS bigint) AS taken
      FROM payments
     WHERE merchant_id = :merchant AND created_at >= :since AND created_at < :until
       AND status = 'PAID'
     GROUP BY 1
    """
)
_OPEN = text(
    """
    SELECT status, count(*) FROM payments
     WHERE merchant_id = :merchant
       AND (status = 'PENDING_EXTERNAL'
            OR (status IN ('EXTERNAL_FAILED', 'EXTERNAL_EXPIRED') AND created_at >= :since))
     GROUP BY status
    """
)
_GOING_BACK = text(
    """
    SELECT count(DISTINCT payment_id) FROM gateway_refunds
     WHERE merchant_id = :merchant AND state <> 'DONE'
    """
)


def desk(merchant_id: str) -> DeskView:
    """Today so far, beside the same weekday of last week up to the same time of day."""
    now = _to_the_millisecond(utc_now())  # as addresses of lists say it
    with transaction(merchant_id) as session:
        settings = tenancy.settings_of(session, merchant_id)
        zone, currency = ZoneInfo(settings.time_zone), settings.currency
        day = now.astimezone(zone).date()
        today = span_of_days(day, day, zone)
        week_ago = span_of_days(day - WEEK, day - WEEK, zone)
        so_far = Span(week_ago.since, _same_time(now, zone))
        taken = _takings(session, merchant_id, today)
        before = _takings(session, merchant_id, so_far)
        return DeskView(
            currency=currency,
            lately=now - LATELY,
            soon=now + SOON,
            same_time=_same_time(now, zone),
            today=_day(taken, day, currency),
            before=_day(before, day - WEEK, currency),
            sources=_sources(taken, currency),
            hours=_hours(session, merchant_id, (today, week_ago), zone, currency),
            owed=wallets.owed(session, merchant_id, currency),
            attention=_attention(session, merchant_id, now),
        )


def _to_the_millisecond(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _same_time(now: datetime, zone: ZoneInfo) -> datetime:
    """The same clock time a week ago there, also when the clocks were changed in between."""
    here = now.astimezone(zone)
    return (here.replace(tzinfo=None) - WEEK).replace(tzinfo=zone)


def _takings(session: Session, merchant_id: str, span: Span) -> Takings:
    values = {"merchant": merchant_id, "since": span.since, "until": span.until}
    back = refund_listing.refunded_between(session, merchant_id, span.since, span.until)
    sums: list[int] = [*session.execute(_TAKINGS, values).one(), *back]
    return Takings(*sums)


def _day(taken: Takings, day: date, currency: Currency) -> DayView:
    return DayView(
        day=day,
        count=taken.count,
        taken=major(taken.taken, currency),
        refunds=taken.refunds,
        refunded=major(taken.refunded, currency),
        net=major(taken.taken - taken.refunded, currency),
    )


def _sources(taken: Takings, currency: Currency) -> SourcesView:
    return SourcesView(
        voucher=major(taken.voucher, currency),
        bonus=major(taken.bonus, currency),
        principal=major(taken.principal, currency),
        silver=major(taken.silver, currency),
        external=major(taken.external, currency),
    )


def _hours(
    session: Session,
    merchant_id: str,
    spans: tuple[Span, Span],
    zone: ZoneInfo,
    currency: Currency,
) -> list[HourView]:
    today, before = (_by_hour(session, merchant_id, span, zone) for span in spans)
    return [
        HourView(
            hour=hour,
            taken=major(today.get(hour, 0), currency),
            before=major(before.get(hour, 0), currency),
        )
        for hour in range(24)
    ]


def _by_hour(session: Session, merchant_id: str, span: Span, zone: ZoneInfo) -> dict[int, int]:
    values = {"merchant": merchant_id, "since": span.since, "until": span.until}
    rows = session.execute(_BY_HOUR, values | {"zone": zone.key})
    return {row.hour: row.taken for row in rows}


def _attention(session: Session, merchant_id: str, now: datetime) -> AttentionView:
    values = {"merchant": merchant_id, "since": now - LATELY}
    open_ones = {PaymentStatus(row[0]): row[1] for row in session.execute(_OPEN, values)}
    return AttentionView(
        waiting=open_ones.get(PaymentStatus.PENDING_EXTERNAL, 0),
        going_back=session.execute(_GOING_BACK, values).scalar_one(),
        paid_again=paid_again.how_many_since(session, merchant_id, now - NOTICED),
        receivables=receivables.how_many_open(session, merchant_id),
        failed=open_ones.get(PaymentStatus.EXTERNAL_FAILED, 0),
        expired=open_ones.get(PaymentStatus.EXTERNAL_EXPIRED, 0),
        expiring_vouchers=wallets.expiring_vouchers(session, merchant_id, now + SOON),
        blocked=audit.blocked_since(session, merchant_id, now - LATELY),
    )
