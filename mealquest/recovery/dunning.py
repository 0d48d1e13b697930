"""The processors of reminders: look at the invoice now, decide, send once, bill once.

Stripe and the mail service are asked outside every transaction. What stops a mail is asked again
right before it is handed over: a payment ends the invoice's tasks, and who runs one has lost it.
"""

from functools import partial
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mealquest.core.db import transaction
from mealquest.recovery import cases, mailing, payer_links, planning, reminders
from mealquest.recovery.declines import DeclineClass
from mealquest.recovery.domain import LIVE, MailState, TaskType
from mealquest.recovery.errors import MailAway, MailRefused, StripeFailed, StripeRefused
from mealquest.recovery.gateway import Invoice, StripeGateway
from mealquest.recovery.letters import Letter, in_language_of, written
from mealquest.recovery.mailing import Intent
from mealquest.recovery.models import ScheduledTask
from mealquest.recovery.planning import LOST, Planned, Shop
from mealquest.recovery.queue_queries import Task
from mealquest.recovery.reminders import Reminder
from mealquest.recovery.running import Done, Later, Never, Outcome, processor, still_mine
from mealquest.tenancy.service import MerchantNotFound

PAUSED_S = 3600.0  # until a paused sequence is looked at again


@processor(TaskType.DUNNING_RETRY)
def dunning_retry(task: Task) -> Outcome:
    """Remind a payer of a failed payment."""
    return _remind(task)


@processor(TaskType.NOTIFY_ACTION_REQUIRED)
def notify_action_required(task: Task) -> Outcome:
    """Ask a payer to authenticate a payment."""
    return _remind(task)


def _remind(task: Task) -> Outcome:
    invoice_id = task.payload.get("invoiceId")
    if not isinstance(invoice_id, str) or not invoice_id:
        return Never("the payload names no invoice")
    try:
        shop = planning.shop_of(task.merchant_id)
    except MerchantNotFound:
        return Done("merchant_gone")
    if shop.account.stripe_connect_id is None:
        return Done("disconnected")
    if shop.is_paused:
        return Later("paused", wait_s=PAUSED_S, planned=True)
    try:
        invoice = StripeGateway.for_account(shop.account.stripe_connect_id).invoice(invoice_id)
    except StripeRefused as failure:
        return Never(str(failure))
    except StripeFailed as failure:
        return Later(str(failure), wait_s=getattr(failure, "wait_s", None))
    if why := planning.pointless(invoice):
        return Done(why)
    with transaction(task.merchant_id) as session:
        planned = planning.plan(session, task, shop, invoice)
    return planned if isinstance(planned, Outcome) else send(task, shop, invoice, planned)


def send(task: Task, shop: Shop, invoice: Invoice, planned: Planned) -> Outcome:
    """Hand the mail over, unless it was stopped since; what became of it ends the task."""
    intent = planned.intent
    letter = _letter(task, shop, invoice, planned)
    if not still_mine(task):
        with transaction(task.merchant_id) as session:
            _let_go_if_ended(session, task, intent)
        return LOST
    try:
        provider_id = mailing.hand_over(letter, intent.key)
    except MailRefused as failure:
        why = str(failure)
        return Never(why, effects=_undone(intent, why))
    except MailAway as failure:
        why = str(failure)
        is_sure = intent.is_sure and not failure.may_be_out
        return Later(why, wait_s=failure.wait_s, effects=_undone(intent, why) if is_sure else None)
    note = partial(_sent, task, invoice, planned, letter, provider_id)
    lock = partial(_lock_case, task.merchant_id, invoice.id)
    return Done("sent", effects=note, locks=lock, though_lost=note)


def _letter(task: Task, shop: Shop, invoice: Invoice, planned: Planned) -> Letter:
    brand, intent = shop.brand, planned.intent
    since = intent.began_at
    link = tracked = None
    if invoice.hosted_url:
        link = payer_links.link_for(task.merchant_id, invoice.id, intent.mail_id, since=since)
        tracked = payer_links.click_url(task.merchant_id, intent.usage_log_id, link, since=since)
    about = Reminder(
        invoice_id=invoice.id,
        amount_minor=invoice.amount_remaining,
        currency=invoice.currency,
        attempt=planning.attempt_of(task),
        ask=planning.decline_of(invoice).ask,
        link=link,
        tracked_link=tracked,
        pixel_url=payer_links.open_url(task.merchant_id, intent.usage_log_id, since=since),
        hosted_url=invoice.hosted_url,
        next_attempt=invoice.next_payment_attempt,
        zone=shop.rules.zone,
        is_last=planned.is_last,
        own=planned.own,
    )
    asks = _asks_for_action(task, invoice)
    words = reminders.to_authenticate if asks else reminders.failed_payment
    with in_language_of(brand):
        parts = words(brand, about)
    return written(brand, parts, invoice.customer_email or "", task_id=task.id)


def _asks_for_action(task: Task, invoice: Invoice) -> bool:
    """Asked for by the task, or by why the payment failed."""
    is_authentication = planning.decline_of(invoice).kind is DeclineClass.AUTHENTICATION
    return task.type == TaskType.NOTIFY_ACTION_REQUIRED or is_authentication


def _sent(
    task: Task,
    invoice: Invoice,
    planned: Planned,
    letter: Letter,
    provider_id: str,
    session: Session,
) -> None:
    if not mailing.sent(session, planned.intent, letter, provider_id):
        return
    case = cases.locked(session, task.merchant_id, invoice.id)
    if case is None:
        return
    case.mails_sent += 1
    case.last_mail_at = session.scalar(select(func.now()))
    case.last_step = planned.step
    session.flush()
    details: dict[str, Any] = {
        "step": planned.step,
        "kind": task.type,
        "isLast": planned.is_last,
        "mailId": str(planned.intent.mail_id),
    }
    cases.note(session, task.merchant_id, invoice.id, "mail_sent", details)


def _undone(intent: Intent, why: str) -> Any:
    def note(session: Session) -> None:
        mailing.not_sent(session, intent, why, MailState.FAILED)

    return note


def _lock_case(merchant_id: str, invoice_id: str, session: Session) -> None:
    """Before the task's own row, as a payment does."""
    cases.locked(session, merchant_id, invoice_id)


def _let_go_if_ended(session: Session, task: Task, intent: Intent) -> None:
    """A task that was stopped sends nothing more; one that another worker has goes on there."""
    status = session.scalar(
        select(ScheduledTask.status).where(
            ScheduledTask.merchant_id == task.merchant_id, ScheduledTask.id == task.id
        )
    )
    if intent.is_sure and status not in LIVE:
        mailing.not_sent(session, intent, "stopped", MailState.HELD)
