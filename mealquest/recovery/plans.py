"""What a merchant's plan includes: mails in a month, and places in the queue.

The row of a month is locked before anything is counted, so that of two who ask at once the second
one counts what the first one took. An error while counting lets nothing through.
"""

from dataclasses import dataclass
from datetime import date

from flask import current_app
from flask_babel import force_locale, gettext
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core import mail, messages, outbox
from mealquest.core.errors import PaymentRequired, TooManyRequests
from mealquest.core.messages import Message, MessageKind
from mealquest.recovery import usage
from mealquest.recovery.domain import BILLABLE, OF_MERCHANTS, Metric, Plan, TaskStatus
from mealquest.recovery.models import DailyMetric, ScheduledTask, UsageLog, UsageMonth
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantAccount

UNPLANNED_PLACES = 1_000
TRY_AGAIN_S = 3_600  # a place is free when a reminder has gone out, which takes hours at best
# The month in UTC, as an index of times can be asked for it.
_MONTH = func.date_trunc("month", func.now(), "UTC")


@dataclass(frozen=True, slots=True)
class Limits:
    """Mails in a calendar month (UTC), and tasks that may wait at once."""

    mails: int
    places: int


PLANS = {
    Plan.FREE: Limits(20, 5),
    Plan.GROWTH: Limits(1_000, 100),
    Plan.PRO: Limits(10_000, 1_000),
}


@dataclass(frozen=True, slots=True)
class Used:
    current: int
    limit: int

    @property
    def is_up(self) -> bool:
        return self.current >= self.limit


class MonthUsedUp(PaymentRequired):
    code = "MONTHLY_LIMIT_REACHED"

    def __init__(self, used: Used) -> None:
        super().__init__(
            "the monthly limit is reached, upgrade the plan to send more",
            usage={"current": used.current, "limit": used.limit},
        )


class NoPlaceLeft(TooManyRequests):
    code = "QUEUE_FULL"

    def __init__(self) -> None:
        super().__init__(
            "the queue holds as many tasks as the plan includes, upgrade it for more",
            retry_after=TRY_AGAIN_S,
        )


def limits_of(account: MerchantAccount) -> Limits:
    """A plan that is not known, like none, is what the product is configured for."""
    known = {plan.value: limits for plan, limits in PLANS.items()}
    usual = Limits(current_app.config["SETTINGS"].monthly_limit, UNPLANNED_PLACES)
    return known.get(account.subscription_plan_id or "", usual)


def used(session: Session, merchant_id: str) -> Used:
    """Mails of this month against the limit. Changes nothing and waits for nobody."""
    month = select(UsageMonth.sent).where(
        UsageMonth.merchant_id == merchant_id, UsageMonth.month == func.date(_MONTH)
    )
    limits = limits_of(tenancy.account_of(session, merchant_id))
    logged = _logged(session, merchant_id, limits.mails)
    return Used(max(session.scalar(month) or 0, logged), limits.mails)


def check_month(session: Session, merchant_id: str) -> None:
    """MonthUsedUp: not another mail this month."""
    now = used(session, merchant_id)
    if now.is_up:
        raise MonthUsedUp(now)


def check_places(session: Session, merchant_id: str) -> None:
    """NoPlaceLeft: as many tasks wait as the plan includes. Until the transaction ends nobody else
    takes a place."""
    _locked(session, merchant_id)
    waiting = session.scalar(
        select(func.count())
        .select_from(ScheduledTask)
        .where(
            ScheduledTask.merchant_id == merchant_id,
            ScheduledTask.status == TaskStatus.PENDING,
            ScheduledTask.task_type.in_(OF_MERCHANTS),
        )
    )
    if (waiting or 0) >= limits_of(tenancy.account_of(session, merchant_id)).places:
        raise NoPlaceLeft


def take_one(session: Session, merchant_id: str) -> bool:
    """Take one mail of this month, right before it is sent. False: none is left, and the merchant
    hears of it, once a month."""
    month, sent, was_told = _locked(session, merchant_id)
    account = tenancy.account_of(session, merchant_id)
    limit = limits_of(account).mails
    now = Used(max(sent, _logged(session, merchant_id, limit)), limit)
    if now.is_up:
        if not was_told:
            _tell(session, account, month, now)
        return False
    _set(session, merchant_id, month, sent=now.current + 1)
    return True


def give_back(session: Session, merchant_id: str) -> None:
    """Return what was taken for a mail that did not go out after all."""
    month, sent, _ = _locked(session, merchant_id)
    _set(session, merchant_id, month, sent=max(0, sent - 1))


def _locked(session: Session, merchant_id: str) -> tuple[date, int, bool]:
    """This month, mails taken in it, and whether the merchant was told that they are used up."""
    session.execute(
        insert(UsageMonth)
        .values(merchant_id=merchant_id, month=func.date(_MONTH))
        .on_conflict_do_nothing(index_elements=["merchant_id", "month"])
    )
    row = session.execute(
        select(UsageMonth.month, UsageMonth.sent, UsageMonth.told_at)
        .where(UsageMonth.merchant_id == merchant_id, UsageMonth.month == func.date(_MONTH))
        .with_for_update()
    ).one()
    return row.month, row.sent, row.told_at is not None


def _set(session: Session, merchant_id: str, month: date, **values: object) -> None:
    session.execute(
        update(UsageMonth)
        .where(UsageMonth.merchant_id == merchant_id, UsageMonth.month == month)
        .values(**values)
    )


def _logged(session: Session, merchant_id: str, limit: int) -> int:
    """Mails of this month by the figures of its days, or by the logs, which operators may add to.

    Logs are counted only until the limit is passed: what that costs depends on the plan, not on how
    much is logged.
    """
    days = select(func.sum(DailyMetric.emails_sent)).where(
        DailyMetric.merchant_id == merchant_id, DailyMetric.metric_date >= func.date(_MONTH)
    )
    newest = (
        select(UsageLog.amount)
        .where(
            UsageLog.merchant_id == merchant_id,
            UsageLog.metric_type == BILLABLE,
            UsageLog.created_at >= _MONTH,
        )
        .order_by(UsageLog.created_at.desc())
        .limit(limit + 1)
        .subquery()
    )
    of_days, of_logs = session.scalar(days), session.scalar(select(func.sum(newest.c.amount)))
    return max(int(of_days or 0), int(of_logs or 0))


def _tell(session: Session, account: MerchantAccount, month: date, now: Used) -> None:
    merchant_id = account.merchant_id
    _set(session, merchant_id, month, told_at=func.now())
    usage.log(session, merchant_id, Metric.QUOTA_EXCEEDED)
    outbox.publish(
        session, merchant_id, "RECOVERY_CHANGED", {"invoiceId": None, "what": "quota_exceeded"}
    )
    if account.email:
        shop = tenancy.place_of(session, merchant_id)
        with force_locale(shop.locale.replace("-", "_")):
            message = _message(account, account.email, now)
        messages.post(session, MessageKind.EMAIL, message, has_edge=mail.has_edge())


def _message(account: MerchantAccount, address: str, now: Used) -> Message:
    url = f"{current_app.config['SETTINGS'].base_url}/console/recovery/usage"
    said = [
        gettext("Hello,"),
        gettext(
            "%(shop)s has sent all %(limit)s reminders of this month. No more go out until the next"
            " one begins, or until you take a larger plan.",
            shop=account.name,
            limit=now.limit,
        ),
        url,
    ]
    return Message(
        to=address,
        subject=mail.one_line(gettext("This month's reminders are used up")),
        text="\n\n".join(said),
        headers={"X-Entity-Ref-ID": account.merchant_id},
        about={"kind": "quota", "merchantId": account.merchant_id},
    )
