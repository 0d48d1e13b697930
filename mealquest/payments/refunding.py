"""Give a payment back, in whole or in part, by the merchant's policy.

The payer's wallet is locked first and the payment's row second, as everywhere. What is moved is
worked out by `refund_domain.plan` from what was read under these locks, and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

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
from mealquest.payments import gifts, receivables, refunding_queries, refunds, waiting
from mealquest.payments.domain import GiftKind, PaymentStatus
from mealquest.payments.errors import (
    PaymentNotSettled,
    PaymentUserMismatch,
    RefundTooLarge,
)
from mealquest.payments.refund_domain import FreeLot, Gift, Plan, Purse, plan
from mealquest.payments.refund_forms import RefundForm
from mealquest.payments.refund_replies import GiftsBackView, RefundedView, clawback_of
from mealquest.payments.refunding_queries import Refundable
from mealquest.payments.replies import DeductionView
from mealquest.state.service import scope_of_payment
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import RefundPolicy
from mealquest.wallet import service as wallets
from mealquest.wallet.service import (
    LockedWallet,
    Lot,
    Return,
    VoucherStatus,
    VoucherView,
    WalletRow,
)


@dataclass(frozen=True, slots=True)
class Planned:
    """What a refund will do, and the lots it was planned with."""

    plan: Plan
    policy: RefundPolicy
    lots: tuple[Lot, ...]


def refund(
    merchant_id: str, form: RefundForm, by: Principal, request: KeyedRequest
) -> RefundedView:
    """Give back `refund_amount` of a payment, once per request key.

    Also for a customer who has left: the outside part goes back through the gateway, the rest to
    the wallet they had.

    Raises:
        MerchantNotFound, PaymentNotFound, PaymentNotSettled, PaymentUserMismatch, RefundTooLarge,
        WalletBusy, KeyReused, StillRunning; PolicyBlocked when the store that keeps the wallet is
        frozen, MerchantUnavailable when it cannot be reached. In every case nothing has changed.
    """
    with transaction(merchant_id) as session:
        stored = idempotency.claim(session, merchant_id, request, RefundedView)
        if stored is not None:
            return stored
        policy = tenancy.settings_of(session, merchant_id).refund_policy
        wallet, payment = _lock(session, merchant_id, form.payment_txn_id)
        amount = require_amount(session, payment, form)
        planned = planned_for(session, wallet, payment, policy, amount, utc_now())
        view = _give_back(session, wallet, payment, planned, by)
        _tell(session, payment, view, by)
        whose = payment.customer_id
        idempotency.store(session, merchant_id, request, view, customer_id=whose)
    return view


def require_amount(session: Session, payment: Refundable, form: RefundForm) -> int:
    """The amount asked for in minor units, when this much can be given back to this customer."""
    if payment.status is not PaymentStatus.PAID:
        raise PaymentNotSettled
    if form.user_id not in {None, payment.customer_id, _shown_id(session, payment)}:
        raise PaymentUserMismatch
    amount = Money.of_major(form.refund_amount, payment.currency).minor
    if amount > payment.parts.order - payment.refunded_minor:
        raise RefundTooLarge
    return amount


def planned_for(
    session: Session,
    wallet: WalletRow,
    payment: Refundable,
    policy: RefundPolicy,
    amount: int,
    now: datetime,
) -> Planned:
    """What refunding this much moves; true for as long as wallet and payment are locked."""
    earned = gifts.earned_by(session, wallet, payment.id, now)
    named = [*payment.lots, *(gift.lot_id for gift in earned if gift.lot_id)]
    lots = wallets.lots_about(session, wallet.merchant_id, wallet.customer_id, named)
    purse = Purse(
        silver=wallet.free_silver,
        lots=tuple(FreeLot(lot.id, lot.left_minor, is_over(lot, now)) for lot in lots),
        granted=_granted(session, wallet, earned),
        fragments=_fragments(session, wallet, earned),
    )
    paid = refunding_queries.paid(session, payment)
    return Planned(plan(paid, purse, earned, policy, amount), policy, tuple(lots))


def _granted(session: Session, wallet: WalletRow, earned: Sequence[Gift]) -> int:
    """Principal that campaigns gave and that is free; asked for only where some was earned."""
    if all(gift.kind is not GiftKind.PRINCIPAL for gift in earned):
        return 0
    return wallets.granted_principal(session, wallet)


def _fragments(session: Session, wallet: WalletRow, earned: Sequence[Gift]) -> Mapping[str, int]:
    if all(gift.kind is not GiftKind.FRAGMENT for gift in earned):
        return {}
    return identity.fragments_of(session, wallet.store_id, wallet.customer_id)


def is_over(lot: Lot, now: datetime) -> bool:
    return lot.expires_at is not None and lot.expires_at <= now


def _shown_id(session: Session, payment: Refundable) -> str:
    """The payer's id as lists show it: another one once the customer has closed the account."""
    if not payment.has_left:
        return payment.customer_id
    people = identity.shown_customers(session, payment.merchant_id, [payment.customer_id])
    return people[payment.customer_id].user_id


def _lock(session: Session, merchant_id: str, payment_id: str) -> tuple[LockedWallet, Refundable]:
    wallet = waiting.lock_wallet(session, merchant_id, payment_id)
    wallets.require_open(session, wallet)
    return wallet, refunding_queries.lock(session, merchant_id, payment_id)


def _give_back(
    session: Session,
    wallet: LockedWallet,
    payment: Refundable,
    planned: Planned,
    by: Principal,
) -> RefundedView:
    done, refund_id = planned.plan, new_id("refund")
    clawback = clawback_of(done, payment.currency)
    details = {
        "refundTxnId": refund_id,
        "paymentTxnId": payment.id,
        "policy": planned.policy.value,
        "clawback": clawback.model_dump(mode="json", by_alias=True),
    }
    wallets.give_back(session, wallet, _return(payment, refund_id, done), details)
    refunding_queries.add(session, payment, refund_id, done, planned.policy, refunded_by=by.subject)
    gifts.claim(session, payment.merchant_id, done.claims)
    if done.fragments:
        fewer = {kind: -count for kind, count in done.fragments.items()}
        identity.add_fragments(session, payment.merchant_id, payment.customer_id, fewer)
    if done.receivable:
        receivables.owe(session, wallet, payment.id, refund_id, done.receivable)
    outside = done.parts.external
    sent_as = refunds.owe(session, payment, outside, refund_id) if outside else None
    return RefundedView(
        refund_txn_id=refund_id,
        payment_txn_id=payment.id,
        refunded_amount=wallets.major(done.amount, payment.currency),
        total_refunded=wallets.major(payment.refunded_minor + done.amount, payment.currency),
        policy=planned.policy,
        parts=DeductionView.of(done.parts, payment.currency),
        clawback=clawback,
        gifts=GiftsBackView.of(done, payment.currency),
        voucher=voucher_back(session, wallet, payment, done),
        gateway_refund_id=sent_as,
        wallet=wallets.wallet_view(session, wallet.merchant_id, wallet.customer_id),
        wallet_scope=scope_of_payment(session, wallet),
    )


def voucher_back(
    session: Session, wallet: WalletRow, payment: Refundable, done: Plan
) -> VoucherView | None:
    """The order's voucher as it can be used, or not, once the payment is refunded in full."""
    voucher_id = payment.voucher_back(done)
    if voucher_id is None:
        return None
    found = wallets.voucher_facts(session, wallet.merchant_id, voucher_id)
    usable = replace(found, status=VoucherStatus.ACTIVE)
    return VoucherView.of(usable, payment.currency, utc_now())


def _return(payment: Refundable, refund_id: str, done: Plan) -> Return:
    return Return(
        refund_id=refund_id,
        payment_id=payment.id,
        parts=done.parts,
        to_principal=done.to_principal,
        to_lots=done.to_lots,
        to_new_lot=done.to_new_lot,
        from_lots=done.from_lots,
        from_silver=done.from_silver,
        from_principal=done.from_principal,
        from_granted=done.from_granted,
        reclaimed=done.reclaimed,
        receivable=done.receivable,
        voucher_id=payment.voucher_back(done),
        withdrawn=done.withdrawn,
    )


def _tell(session: Session, payment: Refundable, view: RefundedView, by: Principal) -> None:
    """The audit row, and the event: the answer, and whose payment it was."""
    details: dict[str, Any] = {
        "paymentTxnId": payment.id,
        "refundTxnId": view.refund_txn_id,
        "refundAmount": number(view.refunded_amount),
    }
    audit.record(session, payment.merchant_id, "PAYMENT_REFUND", by, details)
    event = view.model_dump(mode="json", by_alias=True) | {"userId": payment.customer_id}
    outbox.publish(session, payment.merchant_id, "PAYMENT_REFUNDED", event)
