"""Refunds as a manager makes them."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from mealquest.core.principal import Principal
from mealquest.identity import service as identity
from mealquest.payments import service as payments
from mealquest.payments.domain import GiftKind
from mealquest.payments.refund_forms import ReceivablesForm, RefundForm
from mealquest.payments.refund_replies import RefundedView
from mealquest.payments.service import Earned
from mealquest.wallet import service as wallets
from tests.factories.outside import ask
from tests.factories.requests import MANAGER, keyed
from tests.factories.wallet import make_lot, make_silver, make_voucher, wallet_of


def give_back(
    row: Any, payment_id: str, amount: Any, key: str | None = None, by: Principal = MANAGER
) -> RefundedView:
    """Refund this much (major units) of a payment of this wallet's merchant."""
    form = RefundForm(payment_txn_id=payment_id, refund_amount=Decimal(str(amount)))
    return payments.refund(row.merchant_id, form, by, keyed(form, key or new_id("key"), by))


def earn(
    row: Any,
    payment_id: str,
    kind: GiftKind,
    minor: int,
    *,
    expires_at: datetime | None = None,
    voucher_id: str | None = None,
) -> str | None:
    """A campaign gives something for a payment: money, "spicy" fragments, a voucher that is there.

    Returns the id of the lot, when it is bonus.
    """
    merchant_id, customer_id, lot_id = row.merchant_id, row.customer_id, None
    if kind is GiftKind.BONUS:
        lot_id = make_lot(merchant_id, customer_id, minor, expires_at=expires_at)
    elif kind is GiftKind.SILVER:
        make_silver(merchant_id, customer_id, minor)
    fragment = "spicy" if kind is GiftKind.FRAGMENT else None
    with transaction(merchant_id) as session:
        wallet = wallets.lock_wallet(session, merchant_id, customer_id)
        assert payments.may_earn(session, merchant_id, payment_id)
        if kind is GiftKind.PRINCIPAL:
            wallets.grant_by_campaign(session, wallet, new_id("hit"), {}, principal=minor)
        if fragment:
            identity.add_fragments(session, merchant_id, customer_id, {fragment: minor})
        earned = Earned(
            kind, minor, "campaign_1", lot_id=lot_id, voucher_id=voucher_id, fragment=fragment
        )
        payments.note_gift(session, merchant_id, payment_id, earned)
    return lot_id


def spend_bonus(row: Any) -> None:
    """Pay for something with all the bonus the customer can spend."""
    minor = wallet_of(row.merchant_id, row.customer_id).bonus_minor
    if minor:
        ask(row, Decimal(minor).scaleb(-2), voucher_id="NONE")


def make_receivable(merchant_id: str, customer_id: str, minor: int = 300) -> str:
    """What a refund could not take back: the voucher paid all, and its gift is spent.

    Returns the receivable's id.
    """
    row = wallet_of(merchant_id, customer_id)
    voucher = make_voucher(merchant_id, customer_id, value=minor)
    payment_id = ask(row, Decimal(minor).scaleb(-2), voucher_id=voucher).payment_txn_id
    gift = make_voucher(merchant_id, customer_id, value=minor)
    earn(row, payment_id, GiftKind.VOUCHER, minor, voucher_id=gift)
    ask(row, Decimal(minor).scaleb(-2), voucher_id=gift)
    spend_bonus(row)
    give_back(row, payment_id, Decimal(minor).scaleb(-2))
    newest = payments.receivables.listed(merchant_id, ReceivablesForm(user_id=customer_id))
    return newest.items[0].receivable_id
