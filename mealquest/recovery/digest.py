"""The weekly digest: what one merchant got back, for seven days after seven days.

A digest carries the days it is about; the next one begins where it ends. The mail is a message of
the transaction that ends the task and writes the next one: it goes out once, or the task comes
again. Without an address the chain ends; setting one begins it anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

from flask import current_app
from flask_babel import format_date, gettext, ngettext
from sqlalchemy.orm import Session

from mealquest.core import mail, messages
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.messages import Message, MessageKind
from mealquest.recovery import figures, letters, money_words, payer_links, suppressions, tasks
from mealquest.recovery.domain import TaskType, chain_key
from mealquest.recovery.figures import Days, Money
from mealquest.recovery.letters import Brand, Letter, Parts
from mealquest.recovery.queue_queries import Task
from mealquest.recovery.running import Done, processor
from mealquest.recovery.tasks import NewTask
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantAccount, MerchantNotFound

DAY, WEEK = timedelta(days=1), timedelta(days=7)
SLACK = timedelta(minutes=10)  # between the database's clock and ours


@dataclass(frozen=True, slots=True)
class Period:
    """UTC days from `first` on and before `until`, and when their digest is due."""

    first: date
    until: date
    due_at: datetime

    @classmethod
    def starting(cls, now: datetime) -> Self:
        """The first one of a merchant, due an interval from now."""
        interval = _interval()
        if interval < DAY:
            return cls._to_try(now + interval)
        return cls(now.date(), (now + interval).date(), now + interval)

    @classmethod
    def of(cls, payload: dict[str, Any], now: datetime) -> Self:
        """What a task says; the last seven days, today included, where it says nothing, or where
        somebody has brought it forward, so that its days are not over."""
        try:
            said = cls(
                date.fromisoformat(payload["from"]),
                date.fromisoformat(payload["until"]),
                datetime.fromisoformat(payload["dueAt"]).astimezone(UTC),
            )
        except (KeyError, TypeError, ValueError):
            return cls._to_try(now)
        return cls._to_try(now) if (now + SLACK).date() < said.until else said

    def following(self, now: datetime) -> Self:
        """The next one: where this one ends, whenever this one was sent."""
        interval = _interval()
        if interval < DAY:
            return self._to_try(now + interval)
        due_at = self.due_at + interval
        return type(self)(self.until, max(self.until, due_at.date()), due_at)

    @classmethod
    def _to_try(cls, due_at: datetime) -> Self:
        """An interval of less than a day is for trying it out: its periods overlap."""
        until = due_at.date() + DAY
        return cls(until - WEEK, until, due_at)

    def task_of(self, merchant_id: str) -> NewTask:
        return NewTask(
            type=TaskType.SEND_WEEKLY_DIGEST,
            merchant_id=merchant_id,
            payload={
                "from": self.first.isoformat(),
                "until": self.until.isoformat(),
                "dueAt": self.due_at.isoformat(),
            },
            run_at=self.due_at,
            dedupe_key=chain_key(TaskType.SEND_WEEKLY_DIGEST),
        )


def first_task(merchant_id: str) -> NewTask:
    """What a merchant's chain of digests begins with: due one interval from now."""
    return Period.starting(utc_now()).task_of(merchant_id)


def begin(session: Session, merchant_id: str) -> int | None:
    """Begin a merchant's chain of digests. None: one is live already."""
    return tasks.add(session, first_task(merchant_id))


@processor(TaskType.SEND_WEEKLY_DIGEST)
def send(task: Task) -> Done:
    now = utc_now()
    period = Period.of(task.payload, now)
    try:
        with transaction(task.merchant_id) as session:
            account = tenancy.account_of(session, task.merchant_id)
            if not account.email:
                return Done("no_email")
            left = suppressions.is_suppressed(session, task.merchant_id, account.email)
            locale = tenancy.place_of(session, task.merchant_id).locale
            days = figures.of_days(session, task.merchant_id, period.first, period.until)
            sums = figures.recovered(session, task.merchant_id, period.first, period.until)
    except MerchantNotFound:
        return Done("no_such_merchant")
    following = period.following(now).task_of(task.merchant_id)
    if left:
        return Done("suppressed", next=following)
    sums = figures.with_the_rest(sums, days.recovered_cents)
    letter = _letter(account, account.email, locale, period, days, sums, task.id)
    return Done("sent", effects=lambda session: _post(session, letter, task), next=following)


def _post(session: Session, letter: Letter, task: Task) -> None:
    message = Message(
        to=letter.to,
        subject=letter.subject,
        text=letter.text,
        html=letter.html,
        headers=letter.headers,
        about={"kind": "digest", "merchantId": task.merchant_id, "taskId": str(task.id)},
    )
    messages.post(session, MessageKind.EMAIL, message, has_edge=mail.has_edge())


def _letter(
    account: MerchantAccount,
    to: str,
    locale: str,
    period: Period,
    days: Days,
    sums: Sequence[Money],
    task_id: int,
) -> Letter:
    merchant_id = account.merchant_id
    brand = Brand(merchant_id, account.name, color=account.brand_color, locale=locale)
    leave = payer_links.leave_url(merchant_id, suppressions.hashed(merchant_id, to))
    with letters.in_language_of(brand):
        parts = _words(locale, period, days, sums)
    return letters.written(brand, parts, to, task_id=task_id, unsubscribe_url=leave)


def _words(locale: str, period: Period, days: Days, sums: Sequence[Money]) -> Parts:
    amounts = [money_words.money(one.amount_minor, one.currency, locale) for one in sums]
    total = " + ".join(amounts) or money_words.money(0, "usd", locale)
    last = max(period.first, period.until - DAY)
    page = f"{current_app.config['SETTINGS'].base_url}/console/recovery"
    return Parts(
        subject=gettext("Weekly Report: %(amount)s recovered", amount=total),
        heading=gettext("Weekly Report"),
        amount=total,
        paragraphs=(
            gettext(
                "recovered from %(first)s to %(last)s",
                first=format_date(period.first, "long"),
                last=format_date(last, "long"),
            ),
            ngettext("%(num)s email was sent.", "%(num)s emails were sent.", days.emails_sent),
            gettext(
                "Opened: %(opens)s (%(open_rate)s%%). Followed: %(clicks)s (%(ctr)s%%).",
                opens=days.opens,
                open_rate=days.open_rate,
                clicks=days.clicks,
                ctr=days.ctr,
            ),
            gettext(
                "%(recoveries)s of %(ended)s invoices that left recovery were paid.",
                recoveries=days.recoveries,
                ended=days.ended,
            ),
        ),
        button=gettext("Open the dashboard"),
        button_url=page,
        text_url=page,
    )


def _interval() -> timedelta:
    return timedelta(seconds=current_app.config["SETTINGS"].digest_interval_s)
