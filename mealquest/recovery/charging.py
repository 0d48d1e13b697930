"""A merchant charges an open invoice by hand: rarely, within the networks' rules, once.

Never after a hard decline, never while Stripe has an attempt of its own to come, never past what
the card's network lets pass. The attempt is written before Stripe is asked, under a key of its
invoice and number; until it is known what became of it, whoever asks again asks under that key.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import idempotency
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.idempotency import KeyedRequest
from mealquest.core.principal import Principal
from mealquest.recovery import attempts, cases, networks
from mealquest.recovery.case_models import ChargeAttempt, RecoveryCase
from mealquest.recovery.charging_replies import ChargedView, ChargeResult
from mealquest.recovery.declines import DeclineClass, decline_of, may_charge
from mealquest.recovery.domain import CaseStatus
from mealquest.recovery.errors import (
    ChargeRefused,
    NoSuchCase,
    NotConnected,
    StripeDidNot,
    StripeFailed,
    StripeRefused,
)
from mealquest.recovery.gateway import Decline, Invoice, StripeGateway
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation

KEY_LIVES = timedelta(hours=23)  # Stripe remembers a key for a day


@dataclass(frozen=True, slots=True)
class Attempt:
    """`key` is Stripe's idempotency key, and the row's id."""

    key: str
    invoice: Invoice


def charge(merchant_id: str, invoice_id: str, by: Principal, request: KeyedRequest) -> ChargedView:
    """Charge an invoice of the merchant's payer now; a repeat of the request answers the same.

    Raises:
        NoSuchCase: no such invoice in recovery at this merchant.
        ChargeRefused: it may not be charged; `code` says which rule is in the way.
        NotConnected, StripeDidNot: nothing is known to be charged; the same request may be sent
            again, and charges once.
    """
    with transaction(merchant_id) as session:
        stored = idempotency.answer_under(session, merchant_id, request, ChargedView)
        if stored:
            return stored
        account_id = _account(session, merchant_id, invoice_id)
    gateway = StripeGateway.for_account(account_id)
    try:
        invoice = gateway.invoice(invoice_id)
        with transaction(merchant_id) as session:
            attempt = _begin(session, merchant_id, invoice)
        result, decline = _pay(gateway, attempt)
    except StripeFailed as failure:
        raise StripeDidNot(f"Stripe did not answer: {failure}") from failure
    with transaction(merchant_id) as session:
        return _settle(session, merchant_id, attempt, result, decline, by, request)


def refusal(invoice: Invoice) -> ChargeRefused | None:
    """Why an invoice, as it is now, may not be charged by hand; None when it may be."""
    if invoice.status != "open" or invoice.amount_remaining <= 0:
        return ChargeRefused("the invoice is not open", code="INVOICE_NOT_OPEN")
    if invoice.next_payment_attempt is not None:
        return ChargeRefused("Stripe will try by itself; wait for that", code="STRIPE_WILL_RETRY")
    found = invoice.decline
    if found is None or not found.card:
        return ChargeRefused("there is no card to charge", code="NO_CARD")
    kind = _class_of(found)
    if kind is DeclineClass.AUTHENTICATION:
        return ChargeRefused(
            "the bank wants the customer to confirm the payment", code="NEEDS_CUSTOMER"
        )
    if not may_charge(kind):
        return ChargeRefused(
            "this card will not be accepted; ask for another method", code="HARD_DECLINE"
        )
    return None


def _account(session: Session, merchant_id: str, invoice_id: str) -> str:
    case = session.get(RecoveryCase, (merchant_id, invoice_id))
    if case is None:
        raise NoSuchCase
    if case.status is not CaseStatus.OPEN:
        raise ChargeRefused("the invoice is not open", code="INVOICE_NOT_OPEN")
    account = tenancy.account_of(session, merchant_id)
    if account.stripe_connect_id is None:
        raise NotConnected
    return account.stripe_connect_id


def _begin(session: Session, merchant_id: str, invoice: Invoice) -> Attempt:
    """Write the attempt under the locks of its invoice and its card, if every rule lets it pass."""
    case = cases.locked(session, merchant_id, invoice.id)
    if case is None:
        raise NoSuchCase
    if case.status is not CaseStatus.OPEN:
        raise ChargeRefused("the invoice is not open", code="INVOICE_NOT_OPEN")
    if waiting := _waiting(session, merchant_id, invoice.id):
        return Attempt(waiting, invoice)
    if refused := refusal(invoice):
        raise refused
    found = invoice.decline
    card, network = (found.card or "", found.network or "") if found else ("", "")
    if found and found.charge_id:
        _note(session, case, found.charge_id, card, network)
    untold = networks.untold(session, merchant_id, invoice.id, invoice.attempt_count)
    if not networks.has_room(session, merchant_id, card, network, untold=untold):
        raise ChargeRefused(
            "the card's network allows no further attempt for now", code="NETWORK_LIMIT"
        )
    key = f"charge/{invoice.id}/{_number(session, merchant_id, invoice.id)}"
    _note(session, case, key, card, network, by_hand=True)
    # Stripe tells times in whole seconds; the payment is not to seem older than its charge.
    case.charged_by_hand_at = session.scalar(select(func.date_trunc("second", func.now())))
    session.flush()
    return Attempt(key, invoice)


def _waiting(session: Session, merchant_id: str, invoice_id: str) -> str | None:
    """The key of an attempt that nobody knows the end of; too old a key is given up."""
    unknown = (
        ChargeAttempt.merchant_id == merchant_id,
        ChargeAttempt.invoice_id == invoice_id,
        ChargeAttempt.by_hand.is_(True),
        ChargeAttempt.settled_at.is_(None),
    )
    session.execute(
        update(ChargeAttempt)
        .where(*unknown, ChargeAttempt.attempted_at < func.now() - KEY_LIVES)
        .values(settled_at=func.now())
        .execution_options(synchronize_session=False)
    )
    return session.scalar(select(ChargeAttempt.id).where(*unknown).limit(1))


def _number(session: Session, merchant_id: str, invoice_id: str) -> int:
    done = session.scalar(
        select(func.count())
        .select_from(ChargeAttempt)
        .where(
            ChargeAttempt.merchant_id == merchant_id,
            ChargeAttempt.invoice_id == invoice_id,
            ChargeAttempt.by_hand.is_(True),
        )
    )
    return (done or 0) + 1


def _pay(gateway: StripeGateway, attempt: Attempt) -> tuple[ChargeResult, Decline | None]:
    """What became of it. StripeAway and StripeUnauthorized: nobody knows."""
    try:
        gateway.pay(attempt.invoice.id, attempt.key)
    except StripeRefused as failure:
        now = gateway.invoice(attempt.invoice.id)
        if now.status == "paid":
            return ChargeResult.PAID, None
        if now.status != "open":
            return ChargeResult.NOT_OPEN, None
        found = now.decline or Decline(failure.code, None, None, None, None, needs_action=False)
        return ChargeResult.DECLINED, found
    return ChargeResult.PAID, None


def _settle(
    session: Session,
    merchant_id: str,
    attempt: Attempt,
    result: ChargeResult,
    decline: Decline | None,
    by: Principal,
    request: KeyedRequest,
) -> ChargedView:
    if stored := idempotency.claim(session, merchant_id, request, ChargedView):
        return stored
    invoice_id = attempt.invoice.id
    case = cases.locked(session, merchant_id, invoice_id)
    view = ChargedView(
        invoice_id=invoice_id,
        result=result,
        decline_class=_class_of(decline) if decline else None,
        attempted_at=utc_now(),
    )
    if _settled(session, merchant_id, attempt, decline):
        if case is not None and result is not ChargeResult.PAID:
            case.charged_by_hand_at = None
        if case is not None and decline is not None:
            case.decline_code = decline.decline_code or decline.code
            case.decline_class = _class_of(decline)
        details = {"result": result.value, "by": by.subject}
        cases.note(session, merchant_id, invoice_id, "charged_by_hand", details)
        told = {"invoiceId": invoice_id, "result": result.value}
        audit.record(session, merchant_id, Operation.RECOVERY_CHARGE, by, told)
    idempotency.store(session, merchant_id, request, view)
    return view


def _settled(session: Session, merchant_id: str, attempt: Attempt, decline: Decline | None) -> bool:
    """Note the end of an attempt, under the charge's own id where Stripe tells it, so that its
    event counts nothing again. False: another request did so before."""
    mine = (ChargeAttempt.merchant_id == merchant_id, ChargeAttempt.id == attempt.key)
    ended = session.scalar(
        update(ChargeAttempt)
        .where(*mine, ChargeAttempt.settled_at.is_(None))
        .values(settled_at=func.now())
        .returning(ChargeAttempt.id)
        .execution_options(synchronize_session=False)
    )
    if ended is None:
        return False
    charge_id = decline.charge_id if decline else None
    before = attempt.invoice.decline
    if decline and charge_id and not (before and before.charge_id == charge_id):
        session.execute(
            delete(ChargeAttempt).where(
                ChargeAttempt.merchant_id == merchant_id, ChargeAttempt.id == charge_id
            )
        )
        session.execute(
            update(ChargeAttempt)
            .where(*mine)
            .values(id=charge_id)
            .execution_options(synchronize_session=False)
        )
    return True


def _note(
    session: Session,
    case: RecoveryCase,
    attempt_id: str,
    card: str,
    network: str,
    *,
    by_hand: bool = False,
) -> None:
    attempts.note(
        session,
        case.merchant_id,
        attempt_id,
        card=card,
        network=network,
        invoice_id=case.invoice_id,
        at=utc_now() if by_hand else case.last_failed_at,
        by_hand=by_hand,
    )


def _class_of(found: Decline) -> DeclineClass:
    if found.needs_action:
        return DeclineClass.AUTHENTICATION
    return decline_of(found.decline_code, found.code).kind
