"""The payer's page: what is due now, and the way to Stripe's own page where it is paid.

Looking changes nothing that counts, because programs look at mails before people do; going on to
Stripe's page is what a person does. Stripe is asked outside every transaction, at most once a
minute for an invoice, and always before somebody is sent there: addresses of its pages grow old.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.recovery import cases, payer_links, tracking
from mealquest.recovery.case_models import RecoveryCase, RecoveryMail
from mealquest.recovery.domain import Closed
from mealquest.recovery.errors import StripeAway, StripeFailed, StripeRefused
from mealquest.recovery.gateway import Invoice, StripeGateway
from mealquest.recovery.payer_brand import account_of, branded
from mealquest.recovery.payer_links import PayLink
from mealquest.recovery.payer_replies import DueState, GoneView, PayView
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantAccount

FRESH = timedelta(minutes=1)
TIMEOUT_S = (2.0, 6.0)  # a person waits

_STATES = {"open": DueState.DUE, "paid": DueState.PAID}
# Of an invoice that left recovery; by what is not here it may still be open.
_STATUSES = {
    Closed.PAID: "paid",
    Closed.PAID_OUT_OF_BAND: "paid",
    Closed.VOIDED: "void",
    Closed.UNCOLLECTIBLE: "uncollectible",
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """An invoice as Stripe last told it, in minor units of `currency`."""

    status: str
    remaining: int
    currency: str
    at: datetime
    next_attempt: datetime | None

    @property
    def is_fresh(self) -> bool:
        return utc_now() - self.at < FRESH


def page(token: str) -> PayView:
    """What is due by a link. LinkNotFound: no link of ours, or of a merchant that is gone."""
    link = payer_links.pay_link(token)
    with transaction(link.merchant_id) as session:
        account = account_of(session, link.merchant_id)
        shop = tenancy.place_of(session, link.merchant_id)
        case = _case(session, link)
    brand = branded(account, token)
    if link.is_over:
        return PayView(state=DueState.OVER, **brand)
    zone = ZoneInfo(shop.time_zone)
    about = {
        "failed_on": case.last_failed_at.astimezone(zone).date() if case else None,
        "can_pay": account.is_connected,
        **brand,
    }
    seen = _seen(case)
    if seen and seen.is_fresh:
        return _view(seen, about, zone)
    try:
        return _view(_look(link, account), about, zone)
    except StripeRefused:
        return PayView(state=DueState.NOTHING, **about)
    except StripeFailed as failure:
        log.warning("invoice not seen", merchant_id=link.merchant_id, error=str(failure))
    known = seen or _of_case(case)
    if known is None:
        return PayView(state=DueState.AWAY, is_stale=True, **about)
    return _view(known, about | {"is_stale": True}, zone)


def go_on(token: str) -> GoneView:
    """Stripe's page of the invoice as it is now, noted as visited. LinkNotFound."""
    link = payer_links.pay_link(token)
    nowhere = GoneView(token=token, url=None)
    if link.is_over:
        return nowhere
    with transaction(link.merchant_id) as session:
        account = account_of(session, link.merchant_id)
    try:
        invoice = _ask(link, account)
    except StripeFailed as failure:
        log.warning("no page to pay at", merchant_id=link.merchant_id, error=str(failure))
        return nowhere
    with transaction(link.merchant_id) as session:
        _remember(session, link, invoice)
        if invoice.status != "open" or invoice.hosted_url is None:
            return nowhere
        _note_visit(session, link)
    return GoneView(token=token, url=invoice.hosted_url)


def _look(link: PayLink, account: MerchantAccount) -> Seen:
    invoice = _ask(link, account)
    with transaction(link.merchant_id) as session:
        _remember(session, link, invoice)
    return _of_invoice(invoice)


def _ask(link: PayLink, account: MerchantAccount) -> Invoice:
    if account.stripe_connect_id is None:
        raise StripeAway("the merchant is not connected")
    gateway = StripeGateway.for_account(account.stripe_connect_id, TIMEOUT_S)
    return gateway.invoice(link.invoice_id)


def _remember(session: Session, link: PayLink, invoice: Invoice) -> None:
    session.execute(
        update(RecoveryCase)
        .where(*_is(link))
        .values(
            seen_at=func.now(),
            seen_status=invoice.status,
            seen_remaining=max(0, invoice.amount_remaining),
        )
    )


def _note_visit(session: Session, link: PayLink) -> None:
    """The last visit is what a payment is put down to; the timeline has the first after a mail."""
    case = cases.locked(session, link.merchant_id, link.invoice_id)
    if case is not None:
        before = case.page_opened_at
        case.page_opened_at = session.scalar(select(func.now()))
        session.flush()
        if before is None or (case.last_mail_at is not None and before < case.last_mail_at):
            details = {"mailId": str(link.mail_id)} if link.mail_id else {}
            cases.note(session, link.merchant_id, link.invoice_id, "page_opened", details)
    log_id = session.scalar(
        select(RecoveryMail.usage_log_id).where(
            RecoveryMail.merchant_id == link.merchant_id,
            RecoveryMail.id == link.mail_id,
            RecoveryMail.invoice_id == link.invoice_id,
        )
    )
    if log_id is not None:
        tracking.note_click(session, link.merchant_id, log_id)


def _case(session: Session, link: PayLink) -> RecoveryCase | None:
    return session.scalar(select(RecoveryCase).where(*_is(link)))


def _is(link: PayLink) -> tuple[ColumnElement[bool], ...]:
    return (
        RecoveryCase.merchant_id == link.merchant_id,
        RecoveryCase.invoice_id == link.invoice_id,
    )


def _seen(case: RecoveryCase | None) -> Seen | None:
    if case is None or case.seen_at is None or case.seen_status is None:
        return None
    if case.closed_at is not None and case.seen_at < case.closed_at:
        return None  # what was seen is older than what became of it
    left = case.seen_remaining or 0
    return Seen(case.seen_status, left, case.currency, case.seen_at, case.next_payment_attempt)


def _of_case(case: RecoveryCase | None) -> Seen | None:
    """What events told, where Stripe was never asked for this page."""
    if case is None:
        return None
    at = case.closed_at or case.last_event_at
    status = _STATUSES.get(case.closed_why, "open") if case.closed_why else "open"
    return Seen(status, case.amount_due, case.currency, at, case.next_payment_attempt)


def _of_invoice(invoice: Invoice) -> Seen:
    return Seen(
        invoice.status,
        max(0, invoice.amount_remaining),
        invoice.currency,
        utc_now(),
        invoice.next_payment_attempt,
    )


def _view(seen: Seen, about: dict[str, object], zone: ZoneInfo) -> PayView:
    attempt = seen.next_attempt
    return PayView.model_validate(
        {
            "state": _STATES.get(seen.status, DueState.NOTHING),
            "minor": seen.remaining,
            "currency": seen.currency,
            "seen_at": seen.at,
            "next_attempt": attempt.astimezone(zone).date() if attempt else None,
            **about,
        }
    )
