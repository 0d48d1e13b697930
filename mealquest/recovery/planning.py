"""Whether a reminder may go out now: the invoice as Stripe has it, the rules, and who said stop.

What is decided here is decided under the case's lock, which a payment takes too, and ends in the
intent of one mail or in the reason why there is none.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mealquest.core.db import transaction
from mealquest.recovery import (
    attempts,
    cases,
    declines,
    mailing,
    own_words,
    plans,
    queue_queries,
    schedule,
    suppressions,
)
from mealquest.recovery.case_models import DunningSettings, RecoveryCase, RecoveryMail
from mealquest.recovery.declines import Decline
from mealquest.recovery.domain import CaseStatus, MailState, TaskType
from mealquest.recovery.gateway import Invoice
from mealquest.recovery.letters import Brand
from mealquest.recovery.mailing import Intent
from mealquest.recovery.own_words import Words
from mealquest.recovery.queue_queries import Task
from mealquest.recovery.running import Done, Later, Never, Outcome
from mealquest.recovery.schedule import Rules, Situation, Skip, Wait
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantAccount, Place

# Of a task that has another owner, or an end, nothing is written; a late one is taken up again.
LOST = Later("the lease ran out", wait_s=1.0)


@dataclass(frozen=True, slots=True)
class Shop:
    """The merchant a reminder is for, as it is set up now."""

    account: MerchantAccount
    place: Place
    rules: Rules
    is_paused: bool

    @property
    def brand(self) -> Brand:
        return brand_of(self.account, self.place)


@dataclass(frozen=True, slots=True)
class Planned:
    """A mail that may go out now, and what it says of its place in the sequence."""

    intent: Intent
    step: int
    is_last: bool
    own: Words | None


def brand_of(account: MerchantAccount, place: Place) -> Brand:
    """How a merchant's mails look and who they are from."""
    return Brand(
        merchant_id=account.merchant_id,
        name=account.from_name or account.name,
        color=account.brand_color,
        logo_url=account.logo_url,
        support_email=account.support_email or account.email,
        locale=place.locale,
    )


def rules_of(row: DunningSettings | None, zone: str) -> Rules:
    """A merchant's settings, or the product's own where there are none."""
    usual = current_app.config["SETTINGS"].dunning_delays
    if row is None:
        return Rules(schedule.steps_of(None, usual), ZoneInfo(zone))
    return Rules(
        steps=schedule.steps_of(row.steps, usual),
        zone=ZoneInfo(zone),
        quiet_from=row.quiet_from,
        quiet_until=row.quiet_until,
        gap=timedelta(hours=row.gap_hours),
        most_mails=row.most_mails,
    )


def pointless(invoice: Invoice) -> str:
    """Why nobody is to be reminded of an invoice as it is now; empty when somebody is."""
    ended = {
        "paid": "invoice_paid",
        "void": "invoice_voided",
        "uncollectible": "invoice_uncollectible",
    }
    if invoice.status != "open":
        return ended.get(invoice.status, f"invoice_{invoice.status}")
    if invoice.amount_remaining <= 0:
        return "nothing_due"
    return "" if invoice.customer_email else "no_customer_email"


def shop_of(merchant_id: str) -> Shop:
    with transaction(merchant_id) as session:
        account = tenancy.account_of(session, merchant_id)
        place = tenancy.place_of(session, merchant_id)
        row = session.get(DunningSettings, merchant_id)
        return Shop(account, place, rules_of(row, place.time_zone), bool(row and row.is_paused))


def plan(session: Session, task: Task, shop: Shop, invoice: Invoice) -> Planned | Outcome:
    """Decide under the case's lock, which a payment takes too, and write the intent."""
    merchant_id = task.merchant_id
    case = cases.locked(session, merchant_id, invoice.id)
    if not queue_queries.is_mine(session, task):
        return LOST
    if case is not None and case.status is CaseStatus.OPEN:
        _take_facts(session, case, invoice)
    before = mailing.of_task(session, merchant_id, task.id)
    if before is not None and before.state is MailState.SENT:
        return Done("sent")
    if why := _stopped(session, merchant_id, case, invoice):
        return Done(why)
    payer = invoice.customer_id or invoice.id
    last = mailing.last_to(session, merchant_id, payer)
    resumed = before is not None and before.state is MailState.INTENDED
    situation = _situation(session, task, case, invoice)
    if not resumed:
        situation = replace(situation, last_to_payer=last)
    decision = schedule.decide(situation, shop.rules, _now(session))
    if isinstance(decision, Skip):
        return Done(decision.why)
    if isinstance(decision, Wait):
        wait_s = (decision.until - _now(session)).total_seconds()
        return Later(f"held by {decision.why}", wait_s=max(1.0, wait_s), planned=True)
    if resumed and before is not None:
        return _resumed(session, task, before)
    if not plans.take_one(session, merchant_id):
        return Never("quota_exceeded")
    intent = mailing.intend(
        session,
        merchant_id,
        task.id,
        kind=task.type,
        payer_id=payer,
        invoice_id=invoice.id,
        step=decision.number,
        is_last=decision.is_last,
    )
    return Planned(intent, decision.number, decision.is_last, _own(session, task))


def _resumed(session: Session, task: Task, before: RecoveryMail) -> Planned | Outcome:
    """Go on with an intent whose mail may be out, as long as its key is remembered."""
    if _now(session) - before.created_at > mailing.KEY_LIVES:
        return Never("the mail may have gone out, and it is too late to find out")
    intent = mailing.intent_of(before, is_sure=False)
    return Planned(intent, before.step, before.is_last, _own(session, task))


def _stopped(
    session: Session, merchant_id: str, case: RecoveryCase | None, invoice: Invoice
) -> str:
    """Why this payer is not to be mailed about this invoice; empty when they may be."""
    if case is not None and case.status is not CaseStatus.OPEN and case.closed_why:
        return cases.OUTCOMES[case.closed_why]
    if case is not None and case.reminders_stopped_at is not None:
        return "reminders_stopped"
    held_out = (
        case.holdout if case else cases.is_held_out(session, merchant_id, invoice.customer_id)
    )
    if held_out:
        return "held_out"
    address = invoice.customer_email or ""
    return "suppressed" if suppressions.is_suppressed(session, merchant_id, address) else ""


def _take_facts(session: Session, case: RecoveryCase, invoice: Invoice) -> None:
    """What Stripe tells only when it is asked: why the payment failed, and with which card."""
    found = invoice.decline
    case.next_payment_attempt = invoice.next_payment_attempt
    if found is None:
        return
    case.decline_code = found.decline_code or found.code
    case.decline_class = declines.decline_of(found.decline_code, found.code).kind
    if found.card and found.charge_id:
        attempts.note(
            session,
            case.merchant_id,
            found.charge_id,
            card=found.card,
            network=found.network or "",
            invoice_id=invoice.id,
            at=case.last_failed_at,
        )


def _situation(
    session: Session, task: Task, case: RecoveryCase | None, invoice: Invoice
) -> Situation:
    mails = mailing.of_invoice(session, task.merchant_id, invoice.id, but=task.id)
    return Situation(
        attempt=attempt_of(task),
        failed_at=case.last_failed_at if case else None,
        wait_s=decline_of(invoice).wait_s,
        next_attempt=invoice.next_payment_attempt,
        mails_sent=len(mails),
        had_last=any(one.is_last for one in mails),
        asks_for_action=task.type == TaskType.NOTIFY_ACTION_REQUIRED,
    )


def decline_of(invoice: Invoice) -> Decline:
    """Why the last attempt at an invoice failed, as far as Stripe says."""
    found = invoice.decline
    if found is None:
        return declines.UNKNOWN
    if found.needs_action:
        return declines.DECLINES["authentication_required"]
    return declines.decline_of(found.decline_code, found.code)


def attempt_of(task: Task) -> int:
    """Which failed attempt a task reminds of."""
    said = task.payload.get("attemptCount")
    return max(1, said) if isinstance(said, int) else 1


def _own(session: Session, task: Task) -> Words | None:
    if task.type != TaskType.DUNNING_RETRY:
        return None
    return own_words.words_of(session, task.merchant_id, attempt_of(task))


def _now(session: Session) -> datetime:
    return session.execute(select(func.now())).scalar_one()
