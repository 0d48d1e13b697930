"""A connected merchant whose payers' cards are refused, with Stripe and a mail service at hand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import func, select, text, update

from mealquest.core import messages
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.recovery import running, webhooks, working
from mealquest.recovery.case_models import RecoveryCase, RecoveryMail
from mealquest.recovery.domain import BILLABLE, TaskStatus
from mealquest.recovery.events import Event
from mealquest.recovery.models import ScheduledTask, UsageLog, UsageMonth
from mealquest.recovery.running import Task
from mealquest.recovery.tasks import claim
from mealquest.tenancy import service as tenancy
from tests.factories.merchants import make_merchant
from tests.fakes.mail import MailEdge
from tests.fakes.stripe import StripeFake


@dataclass
class Dunned:
    """`edge` is None where no mail service is configured."""

    stripe: StripeFake
    edge: MailEdge
    merchant_id: str
    account: str

    @classmethod
    def begin(cls, stripe: StripeFake, edge: MailEdge, **account: Any) -> "Dunned":
        merchant_id, account_id = make_merchant(), stripe.connect()
        with transaction(merchant_id) as session:
            known = {"stripe_connect_id": account_id, **account}
            tenancy.set_account(session, merchant_id, **known)
        return cls(stripe, edge, merchant_id, account_id)

    def fails(self, code: str = "insufficient_funds", **wish: Any) -> str:
        """A renewal fails, and Stripe tells; the invoice."""
        invoice = str(self.stripe.fails(self.account, code, **wish)["id"])
        self.tells("invoice.payment_failed")
        return invoice

    def tells(self, kind: str) -> None:
        """The newest event of a kind arrives."""
        found = self.stripe.events(self.account, kind)[0]
        webhooks.take_in(Event.of({**found, "account": self.account}))

    def subscription(self, invoice: str) -> str:
        parent = self.stripe.invoice(self.account, invoice)["parent"]
        return str(parent["subscription_details"]["subscription"])

    def tells_of(self, kind: str, about: dict[str, Any]) -> None:
        """An event arrives that the sandbox does not make by itself."""
        said = {"id": f"evt_{kind}", "type": kind, "account": self.account, "livemode": False}
        now = int(utc_now().timestamp()) + 1
        webhooks.take_in(Event.of({**said, "created": now, "data": {"object": about}}))

    def is_paid(self, invoice: str) -> None:
        self.stripe.is_paid(self.account, invoice)
        self.tells("invoice.paid")

    def now(self) -> None:
        """Whatever waits is due, and every lease has run out."""
        with transaction(self.merchant_id) as session:
            session.execute(
                update(ScheduledTask)
                .where(ScheduledTask.merchant_id == self.merchant_id)
                .where(ScheduledTask.status == TaskStatus.PENDING)
                .values(run_at=func.now())
            )

    def works(self, most: int = 1) -> None:
        """So many rounds of a worker, each with everything due."""
        for _ in range(most):
            self.now()
            working.work()

    def claim(self) -> Task:
        self.now()
        (one,) = claim("me", most=1, lease_s=60)[0]
        return one

    def dies(self) -> Task:
        """A worker does a task's work and dies before it notes that."""
        one = self.claim()
        running.outcome_of(one)
        self.lets_go()
        return one

    def lets_go(self) -> None:
        """The lease of what runs is over, and the janitor sees that."""
        with transaction(self.merchant_id) as session:
            session.execute(
                text(
                    "UPDATE scheduled_tasks SET lease_until = now() - interval '1 s'"
                    " WHERE merchant_id = :m AND status = 'running'"
                ),
                {"m": self.merchant_id},
            )
        working.rescue()

    def tasks(self) -> list[ScheduledTask]:
        return self._all(ScheduledTask, ScheduledTask.id)

    def task(self) -> ScheduledTask:
        (one,) = self.tasks()
        return one

    def mails(self) -> list[RecoveryMail]:
        return self._all(RecoveryMail, RecoveryMail.id)

    def case(self, invoice: str) -> RecoveryCase:
        with transaction(self.merchant_id) as session:
            return session.get_one(RecoveryCase, (self.merchant_id, invoice))

    def billed(self) -> list[UsageLog]:
        return [one for one in self._all(UsageLog, UsageLog.id) if one.metric_type is BILLABLE]

    def taken(self) -> int:
        """Mails of this month, as the limit counts them."""
        return sum(one.sent for one in self._all(UsageMonth, UsageMonth.month))

    def _all(self, model: Any, order: Any) -> list[Any]:
        with transaction(self.merchant_id) as session:
            found = select(model).where(model.merchant_id == self.merchant_id).order_by(order)
            return list(session.scalars(found))


def outbox() -> list[messages.Message]:
    return [stored.message for stored in messages.newest()]


def with_settings(**said: Any) -> Callable[[Any], None]:
    def change(monkeypatch: Any) -> None:
        changed = current_app.config["SETTINGS"].model_copy(update=said)
        monkeypatch.setitem(current_app.config, "SETTINGS", changed)

    return change
