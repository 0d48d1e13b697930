"""Mails of recovery: an intent first, then the send under its key, then its end in one transaction.

A worker that dies in between leaves the intent. Whoever takes the task up sends the same mail under
the same key, which the mail service takes once; past the time it remembers keys nothing is sent.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import Update, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core import messages
from mealquest.core.messages import Message, MessageKind
from mealquest.recovery import plans, resend_gateway, usage
from mealquest.recovery.case_models import DunningGap, RecoveryMail
from mealquest.recovery.domain import BILLABLE, MailState, new_number
from mealquest.recovery.errors import MailAway
from mealquest.recovery.letters import Letter

# Resend remembers a key for a day.
KEY_LIVES = timedelta(hours=23)
OUT = (MailState.INTENDED, MailState.SENT)  # what may be in somebody's mailbox


@dataclass(frozen=True, slots=True)
class Intent:
    """A mail that is to be sent. `began_at` is the same for every try under its key.

    `is_sure`: no earlier try can have brought it out.
    """

    merchant_id: str
    mail_id: int
    task_id: int
    usage_log_id: int
    key: str
    began_at: datetime
    is_sure: bool


def of_task(session: Session, merchant_id: str, task_id: int) -> RecoveryMail | None:
    return session.scalar(
        select(RecoveryMail).where(
            RecoveryMail.merchant_id == merchant_id, RecoveryMail.task_id == task_id
        )
    )


def of_invoice(
    session: Session, merchant_id: str, invoice_id: str, *, but: int
) -> list[RecoveryMail]:
    """Mails of an invoice that are out, or may be, oldest first; without the one of task `but`."""
    found = session.scalars(
        select(RecoveryMail)
        .where(
            RecoveryMail.merchant_id == merchant_id,
            RecoveryMail.invoice_id == invoice_id,
            RecoveryMail.task_id != but,
            RecoveryMail.state.in_(OUT),
        )
        .order_by(RecoveryMail.created_at, RecoveryMail.id)
    )
    return list(found)


def last_to(session: Session, merchant_id: str, payer_id: str) -> datetime | None:
    """When a payer was last mailed. Until the transaction ends nobody else mails them."""
    session.execute(
        insert(DunningGap)
        .values(merchant_id=merchant_id, stripe_customer_id=payer_id)
        .on_conflict_do_nothing(index_elements=["merchant_id", "stripe_customer_id"])
    )
    return session.scalar(
        select(DunningGap.last_mail_at)
        .where(DunningGap.merchant_id == merchant_id, DunningGap.stripe_customer_id == payer_id)
        .with_for_update()
    )


def intend(
    session: Session,
    merchant_id: str,
    task_id: int,
    *,
    kind: str,
    payer_id: str,
    invoice_id: str | None = None,
    step: int = 0,
    is_last: bool = False,
) -> Intent:
    """Write the intent of a task's one mail, over one that certainly never went out."""
    values = {
        "invoice_id": invoice_id,
        "stripe_customer_id": payer_id,
        "kind": kind,
        "step": step,
        "is_last": is_last,
        "state": MailState.INTENDED,
        "why": None,
        "created_at": func.now(),
    }
    row = session.scalars(
        insert(RecoveryMail)
        .values(
            merchant_id=merchant_id,
            id=new_number(),
            task_id=task_id,
            usage_log_id=new_number(),
            idempotency_key=f"dunning/{task_id}",
            **values,
        )
        .on_conflict_do_update(index_elements=["merchant_id", "task_id"], set_=values)
        .returning(RecoveryMail)
        .execution_options(populate_existing=True)
    ).one()
    _mark_gap(session, merchant_id, payer_id)
    return intent_of(row, is_sure=True)


def intent_of(row: RecoveryMail, *, is_sure: bool) -> Intent:
    """An intent that was written before."""
    return Intent(
        merchant_id=row.merchant_id,
        mail_id=row.id,
        task_id=row.task_id,
        usage_log_id=row.usage_log_id or row.id,
        key=row.idempotency_key,
        began_at=row.created_at,
        is_sure=is_sure,
    )


def hand_over(letter: Letter, key: str) -> str:
    """Send one mail; the id the mail service gave it, empty when there is none to tell.

    MailAway, MailRefused. Without a mail service in development the mail is only shown in the
    outbox, which `sent` writes, and counts as sent.
    """
    if resend_gateway.has_edge():
        return resend_gateway.send(letter, key)
    if current_app.config["SETTINGS"].is_development:
        return ""
    raise MailAway("no mail service is configured")


def shown(session: Session, letter: Letter) -> None:
    """Put a copy into the development outbox, in the transaction that notes the mail as sent."""
    if not current_app.config["SETTINGS"].is_development:
        return
    headers = {"From": letter.sender, **letter.headers}
    if letter.reply_to:
        headers["Reply-To"] = letter.reply_to
    message = Message(letter.to, letter.subject, letter.text, letter.html, headers)
    messages.post(session, MessageKind.EMAIL, message, has_edge=False)


def sent(session: Session, intent: Intent, letter: Letter, provider_id: str) -> bool:
    """Note a mail as sent, and bill it. False: that was done before."""
    values = {"state": MailState.SENT, "sent_at": func.now(), "provider_id": provider_id or None}
    noted = session.execute(
        _row(intent)
        .where(RecoveryMail.state == MailState.INTENDED)
        .values(**values)
        .returning(RecoveryMail.stripe_customer_id)
    ).first()
    if noted is None:
        return False
    if noted.stripe_customer_id:
        _mark_gap(session, intent.merchant_id, noted.stripe_customer_id)
    usage.log(
        session,
        intent.merchant_id,
        BILLABLE,
        task_id=intent.task_id,
        number=intent.usage_log_id,
    )
    shown(session, letter)
    return True


def not_sent(session: Session, intent: Intent, why: str, state: MailState) -> None:
    """Note that a mail certainly did not go out: it takes none of the month, and no gap."""
    ended = session.scalar(
        _row(intent)
        .where(RecoveryMail.state == MailState.INTENDED)
        .values(state=state, why=why)
        .returning(RecoveryMail.stripe_customer_id)
    )
    if ended is None:
        return
    _mark_gap(session, intent.merchant_id, ended)
    plans.give_back(session, intent.merchant_id)


def _row(intent: Intent) -> Update:
    return update(RecoveryMail).where(
        RecoveryMail.merchant_id == intent.merchant_id, RecoveryMail.id == intent.mail_id
    )


def _mark_gap(session: Session, merchant_id: str, payer_id: str) -> None:
    """Set a payer's gap by the newest mail that is out, or may be."""
    newest = (
        select(func.max(func.coalesce(RecoveryMail.sent_at, RecoveryMail.created_at)))
        .where(
            RecoveryMail.merchant_id == merchant_id,
            RecoveryMail.stripe_customer_id == payer_id,
            RecoveryMail.state.in_(OUT),
        )
        .scalar_subquery()
    )
    session.execute(
        update(DunningGap)
        .where(DunningGap.merchant_id == merchant_id, DunningGap.stripe_customer_id == payer_id)
        .values(last_mail_at=newest)
        .execution_options(synchronize_session=False)
    )
