"""Quote an order, take its payment, and look at payments taken."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import idempotency, outbox
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.idempotency import KeyedRequest
from mealquest.core.ids import new_id
from mealquest.core.money import Money
from mealquest.core.principal import Principal, Role
from mealquest.core.wire import number
from mealquest.payments import queries
from mealquest.payments.domain import PaymentStatus
from mealquest.payments.errors import ExternalPaymentUnavailable, PaymentNotFound
from mealquest.payments.forms import DEFAULT_LIMIT, MAX_LIMIT, QuoteForm, VerifyForm
from mealquest.payments.queries import PaymentFacts
from mealquest.payments.replies import (
    DeductionView,
    PaymentRowView,
    PaymentsPage,
    PaymentView,
    QuoteView,
    TodayView,
    VerifyView,
    WalletScopeView,
)
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation
from mealquest.wallet import service as wallets
from mealquest.wallet.service import Checkout, LockedWallet, PostingView, WalletRow, major

__all__ = [
    "ExternalPaymentUnavailable",
    "Operation",
    "PaymentNotFound",
    "PaymentRowView",
    "PaymentStatus",
    "PaymentView",
    "PaymentsPage",
    "QuoteForm",
    "QuoteView",
    "TodayView",
    "VerifyForm",
    "VerifyView",
    "payment",
    "quote",
    "recent",
    "today",
    "verify",
]


def quote(merchant_id: str, form: QuoteForm) -> QuoteView:
    """How an order would be paid at this moment. Locks nothing and changes nothing.

    Raises UserNotFound, VoucherNotFound and VoucherNotUsable.
    """
    now = utc_now()
    with transaction(merchant_id) as session:
        wallet = wallets.read_wallet(session, merchant_id, form.user_id)
        planned = _checkout(session, wallet, form, now)
    return QuoteView.of(planned, wallet.currency, now)


def verify(merchant_id: str, form: VerifyForm, by: Principal, request: KeyedRequest) -> VerifyView:
    """Take an order's payment from voucher and wallet, once per request key.

    At most 12 statements, and no lock on a row that other customers' payments need.

    Raises:
        ExternalPaymentUnavailable: voucher and wallet do not cover the order.
        UserNotFound, WalletBusy, VoucherNotFound, VoucherNotUsable, KeyReused, StillRunning.
        In every case nothing has changed, and the key may be used again.
    """
    with transaction(merchant_id) as session:
        stored = idempotency.claim(session, merchant_id, request, VerifyView)
        if stored is not None:
            return stored
        wallet = wallets.lock_wallet(session, merchant_id, form.user_id)
        now = utc_now()  # after the wait for the lock: what expired meanwhile pays nothing
        planned = _checkout(session, wallet, form, now)
        if planned.deduction.external:
            raise ExternalPaymentUnavailable(Money(planned.deduction.external, wallet.currency))
        shown = QuoteView.of(planned, wallet.currency, now)
        view = _settle(session, wallet, planned, shown, by)
        idempotency.store(session, merchant_id, request, view)
    return view


def payment(merchant_id: str, payment_id: str, by: Principal) -> PaymentView:
    """One payment with its postings. PaymentNotFound also for another customer's own payment."""
    with transaction(merchant_id) as session:
        found = queries.one(session, merchant_id, payment_id)
        if found is None or _own(by) not in {None, found.customer_id}:
            raise PaymentNotFound
        postings = wallets.postings_of(session, merchant_id, payment_id)
    return PaymentView(
        **_row(found),
        postings=[PostingView.of(posting, found.currency) for posting in postings],
    )


def recent(
    merchant_id: str, by: Principal, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> PaymentsPage:
    """Payments newest first; a customer sees own ones only. Invalid: not a cursor of ours."""
    limit = max(1, min(limit, MAX_LIMIT))
    with transaction(merchant_id) as session:
        found, following = queries.page(
            session, merchant_id, customer_id=_own(by), limit=limit, cursor=cursor
        )
    return PaymentsPage(
        items=[PaymentRowView(**_row(facts)) for facts in found], next_cursor=following
    )


def today(merchant_id: str) -> TodayView:
    """Payments of the running day in the merchant's time zone; refunds are not taken off."""
    with transaction(merchant_id) as session:
        settings = tenancy.settings_of(session, merchant_id)
        since, until = day_of(utc_now(), ZoneInfo(settings.time_zone))
        count, taken = queries.taken_between(session, merchant_id, since, until)
    return TodayView(
        day=since.date(),
        count=count,
        taken=major(taken, settings.currency),
        currency=settings.currency,
    )


def day_of(moment: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The bounds of the day `moment` falls on there; it may be 23 or 25 hours long."""
    day = moment.astimezone(zone).date()
    return (
        datetime.combine(day, time.min, zone),
        datetime.combine(day + timedelta(days=1), time.min, zone),
    )


def _checkout(session: Session, wallet: WalletRow, form: QuoteForm, now: datetime) -> Checkout:
    order = Money.of_major(form.order_amount, wallet.currency)
    purse = wallets.purse(session, wallet.merchant_id, wallet.customer_id, form.voucher_id)
    return wallets.checkout(
        order.minor,
        principal=wallet.principal,
        silver=wallet.silver,
        lots=purse.lots,
        vouchers=purse.vouchers,
        now=now,
        wanted=form.voucher_id,
    )


def _settle(
    session: Session, wallet: LockedWallet, planned: Checkout, shown: QuoteView, by: Principal
) -> VerifyView:
    merchant_id, payment_id = wallet.merchant_id, new_id("txn")
    snapshot = shown.model_dump(mode="json", by_alias=True)
    wallets.spend(session, wallet, planned, payment_id, {"quote": snapshot})
    queries.add_paid(
        session, wallet, planned, payment_id=payment_id, quote=snapshot, taken_by=by.subject
    )
    view = VerifyView(
        payment_txn_id=payment_id,
        status=PaymentStatus.PAID,
        quote=shown,
        wallet=shown.remaining_wallet,
        wallet_scope=WalletScopeView(wallet_shared=False, wallet_merchant_id=merchant_id),
    )
    _tell(session, wallet, view, by)
    return view


def _tell(session: Session, wallet: LockedWallet, view: VerifyView, by: Principal) -> None:
    """The audit row, and the event: the answer, and whose payment it is."""
    details = {
        "paymentTxnId": view.payment_txn_id,
        "userId": wallet.customer_id,
        "orderAmount": number(view.quote.order_amount),
    }
    audit.record(session, wallet.merchant_id, "PAYMENT_VERIFY", by, details)
    event = view.model_dump(mode="json", by_alias=True) | {"userId": wallet.customer_id}
    outbox.publish(session, wallet.merchant_id, "PAYMENT_VERIFIED", event)


def _own(by: Principal) -> str | None:
    """The one customer whose payments the caller may see; None for staff, who see all."""
    return by.subject if by.role is Role.CUSTOMER else None


def _row(facts: PaymentFacts) -> dict[str, Any]:
    def shown(minor: int) -> Any:
        return major(minor, facts.currency)

    return {
        "payment_txn_id": facts.id,
        "user_id": facts.customer_id,
        "display_name": facts.display_name,
        "status": facts.status,
        "order_amount": shown(facts.parts.order),
        "currency": facts.currency,
        "deduction": DeductionView.of(facts.parts, facts.currency),
        "refunded_amount": shown(facts.refunded_minor),
        "voucher_name": facts.voucher_name,
        "taken_by": facts.taken_by,
        "created_at": facts.created_at,
    }
