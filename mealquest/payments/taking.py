"""Quote an order, and take its payment: at once from the wallet, or held until the rest comes."""

from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import idempotency, outbox
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.idempotency import KeyedRequest
from mealquest.core.ids import new_id
from mealquest.core.money import Money
from mealquest.core.principal import Principal
from mealquest.core.wire import number
from mealquest.identity import service as identity
from mealquest.identity.service import UserNotFound
from mealquest.payments import queries
from mealquest.payments.domain import ExternalStatus, PaymentStatus
from mealquest.payments.errors import QuoteChanged
from mealquest.payments.forms import QuoteForm, VerifyForm
from mealquest.payments.replies import ExternalPaymentView, KeptAnswer, QuoteView, VerifyView
from mealquest.state import service as states
from mealquest.state.service import WalletScopeView
from mealquest.wallet import service as wallets
from mealquest.wallet.service import Balances, Checkout, Hold, LockedWallet, WalletRow, WalletView

PROVIDER = "MOCK_GATEWAY"
KEPT = "idempotency_keys.answer"  # the place of an answer that is sealed


def quote(merchant_id: str, form: QuoteForm) -> QuoteView:
    """How an order would be paid at this moment. Locks nothing and changes nothing.

    Raises UserNotFound, VoucherNotFound and VoucherNotUsable.
    """
    now = utc_now()
    with transaction(merchant_id) as session:
        wallet = wallets.read_shared(session, merchant_id, form.user_id)
        planned = _checkout(session, wallet, form, now)
    return QuoteView.of(planned, wallet.currency, now)


def verify(merchant_id: str, form: VerifyForm, by: Principal, request: KeyedRequest) -> VerifyView:
    """Take an order's payment, once per request key.

    What voucher and wallet do not cover is to be paid outside; until it comes, what they do cover
    is held. At most 12 statements, 14 where another store keeps the wallet, and until the very end
    no lock on a row that other customers' payments need.

    Raises:
        UserNotFound, WalletBusy, VoucherNotFound, VoucherNotUsable, KeyReused, StillRunning;
        QuoteChanged when less, or more, is to be paid outside than the caller expects;
        where another store keeps the wallet PolicyBlocked, MerchantUnavailable, ExposureExceeded.
        In every case nothing has changed, and the key may be used again.
    """
    with transaction(merchant_id) as session:
        before = idempotency.claim(session, merchant_id, request, KeptAnswer)
        if before is not None:
            return _again(session, merchant_id, before)
        wallet = wallets.lock_shared(session, merchant_id, form.user_id)
        now = utc_now()  # after the wait for the lock: what expired meanwhile pays nothing
        planned = _checkout(session, wallet, form, now)
        shown = QuoteView.of(planned, wallet.currency, now)
        _require_as_shown(form, shown)
        settle = _hold if planned.deduction.external else _settle
        view = settle(session, wallet, planned, shown, by)
        _tell(session, wallet, view, by)
        if form.include_state:
            view = _with_state(session, wallet, view, by)
        kept = _sealed(session, wallet, view) if view.state else view
        whose = wallet.customer_id
        idempotency.store(session, merchant_id, request, kept, customer_id=whose)
    return view


def taken_under(merchant_id: str, request: KeyedRequest) -> VerifyView | None:
    """The payment that a key has taken, whatever its order; None when it has taken none."""
    with transaction(merchant_id) as session:
        kept = idempotency.answer_under(session, merchant_id, request, KeptAnswer)
        return _again(session, merchant_id, kept) if kept else None


def _with_state(
    session: Session, wallet: LockedWallet, view: VerifyView, by: Principal
) -> VerifyView:
    """The answer with what the payment has left, as this transaction sees it."""
    shown = states.state_in(session, wallet.store_id, wallet.customer_id, by)
    return view.model_copy(update={"state": shown})


def _sealed(session: Session, wallet: LockedWallet, view: VerifyView) -> KeptAnswer:
    """The answer as it is kept when it tells of a customer: it ends with the customer's key."""
    key = identity.personal_key(session, wallet.store_id, wallet.customer_id)
    return KeptAnswer(sealed=key.seal(view.as_json(), KEPT), sealed_for=wallet.customer_id)


def _again(session: Session, merchant_id: str, kept: KeptAnswer) -> VerifyView:
    """The first answer to the byte. UserNotFound: it was erased with the customer it told of."""
    answer: str | None = kept.as_json()
    if kept.sealed and kept.sealed_for:
        key = identity.personal_key(session, merchant_id, kept.sealed_for)
        answer = key.open(kept.sealed, KEPT)
    if answer is None:
        raise UserNotFound
    return VerifyView.from_stored(answer)


def _checkout(session: Session, wallet: WalletRow, form: QuoteForm, now: datetime) -> Checkout:
    order = Money.of_major(form.order_amount, wallet.currency)
    purse = wallets.purse(
        session,
        wallet.merchant_id,
        wallet.customer_id,
        form.voucher_id,
        at_store=wallet.store_id,
    )
    return wallets.checkout(
        order.minor,
        principal=wallet.free_principal,
        silver=wallet.free_silver,
        lots=purse.lots,
        vouchers=purse.vouchers,
        now=now,
        wanted=form.voucher_id,
    )


def _require_as_shown(form: VerifyForm, shown: QuoteView) -> None:
    """Somebody may have spent from the wallet, or topped it up, since the caller saw a quote."""
    if form.expected_external not in (None, shown.payable):
        raise QuoteChanged(form.expected_external, shown.payable)


def _settle(
    session: Session, wallet: LockedWallet, planned: Checkout, shown: QuoteView, by: Principal
) -> VerifyView:
    payment_id = new_id("txn")
    snapshot = shown.model_dump(mode="json", by_alias=True)
    wallets.spend(session, wallet, planned, payment_id, {"quote": snapshot})
    queries.add(
        session,
        wallet,
        planned,
        payment_id=payment_id,
        status=PaymentStatus.PAID,
        quote=snapshot,
        taken_by=by.subject,
    )
    return VerifyView(
        payment_txn_id=payment_id,
        status=PaymentStatus.PAID,
        quote=shown,
        wallet=_wallet(wallet, planned, wallet.held),
        wallet_scope=WalletScopeView.of(wallet),
    )


def _hold(
    session: Session, wallet: LockedWallet, planned: Checkout, shown: QuoteView, by: Principal
) -> VerifyView:
    payment_id, intent = new_id("txn"), new_id("pi")
    snapshot = shown.model_dump(mode="json", by_alias=True)
    wallets.hold(session, wallet, Hold.of(payment_id, planned))
    waiting = ExternalPaymentView(
        provider=PROVIDER,
        payment_intent_id=intent,
        payable_amount=shown.payable,
        status=ExternalStatus.PENDING,
        external_txn_id=None,
        confirmed_at=None,
    )
    life = timedelta(seconds=current_app.config["SETTINGS"].hold_ttl_s)
    queries.add(
        session,
        wallet,
        planned,
        payment_id=payment_id,
        status=PaymentStatus.PENDING_EXTERNAL,
        quote=snapshot,
        taken_by=by.subject,
        waiting=queries.Waiting(PROVIDER, intent, utc_now() + life),
    )
    _note(session, wallet, planned, payment_id, snapshot, waiting)
    return VerifyView(
        payment_txn_id=payment_id,
        status=PaymentStatus.PENDING_EXTERNAL,
        quote=shown,
        wallet=_wallet_with_hold(wallet, planned),
        external_payment=waiting,
        wallet_scope=WalletScopeView.of(wallet),
    )


def _note(
    session: Session,
    wallet: LockedWallet,
    planned: Checkout,
    payment_id: str,
    snapshot: dict[str, Any],
    waiting: ExternalPaymentView,
) -> None:
    """The ledger's note that an order waits; it moves nothing."""
    shown = waiting.model_dump(mode="json", by_alias=True)
    details = {"quote": snapshot, "externalPayment": shown, "paymentTxnId": payment_id}
    wallets.note_pending(session, wallet, payment_id, planned.order_minor, details)


def _wallet(wallet: LockedWallet, planned: Checkout, held: Balances) -> WalletView:
    """The balances once the checkout is taken: what is left free, and what other orders hold."""
    left = planned.remaining
    after = Balances(
        left.principal + held.principal, left.bonus + held.bonus, left.silver + held.silver
    )
    return WalletView.of(after, wallet.currency, held)


def _wallet_with_hold(wallet: LockedWallet, planned: Checkout) -> WalletView:
    """The same balances as before, with more of them held."""
    parts, before = planned.deduction, wallet.held
    held = Balances(
        before.principal + parts.principal,
        before.bonus + parts.bonus,
        before.silver + parts.silver,
    )
    return _wallet(wallet, planned, held)


def _tell(session: Session, wallet: LockedWallet, view: VerifyView, by: Principal) -> None:
    """The audit row, and the event: the answer, and whose payment it is."""
    details = {
        "paymentTxnId": view.payment_txn_id,
        "userId": wallet.customer_id,
        "orderAmount": number(view.quote.order_amount),
    }
    audit.record(session, wallet.store_id, "PAYMENT_VERIFY", by, details)
    event = view.model_dump(mode="json", by_alias=True) | {"userId": wallet.customer_id}
    outbox.publish(session, wallet.store_id, "PAYMENT_VERIFIED", event)
