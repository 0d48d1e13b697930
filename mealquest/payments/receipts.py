"""Receipts: on paper for the counter, and behind a link that needs no sign-in."""

from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from pydantic import Field

from mealquest.core.clock import utc_now
from mealquest.core.crypto import derive_key, same, signature
from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.core.principal import Principal
from mealquest.core.wire import Amount, Timestamp, View
from mealquest.identity.service import masked
from mealquest.payments import receipt_queries
from mealquest.payments.domain import PaymentStatus
from mealquest.payments.errors import NoReceipt, PaymentNotFound, ReceiptNotFound
from mealquest.payments.listing import own_of
from mealquest.payments.receipt_queries import ReceiptFacts
from mealquest.payments.replies import DeductionView
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantFacts
from mealquest.wallet.service import BalancesView, major

LINK_LIFE = timedelta(days=90)  # from the payment on
_MARK = 32  # hex digits of the signature in a link: 128 bits

_WHY_NONE = {
    PaymentStatus.PENDING_EXTERNAL: "payment has no receipt yet: it waits for money from outside",
    PaymentStatus.EXTERNAL_REFUND_DUE: "payment has no receipt: its money goes back",
}


class ReceiptView(View):
    """What a receipt says. `time_zone` is the shop's; the customer is told by a mask.

    `wallet_left`, what was free in the wallet after the payment, is not on the receipt behind the
    link, which people pass on.
    """

    payment_txn_id: str
    shop: str
    time_zone: str
    customer: str
    paid_at: Timestamp
    order_amount: Amount
    currency: Currency
    deduction: DeductionView
    voucher_name: str | None
    refunded_amount: Amount
    kept_amount: Amount  # the order less what was refunded
    wallet_left: BalancesView | None = None
    url: str | None = None
    url_expires_at: Timestamp | None = None
    taken_at: datetime = Field(exclude=True)


def receipt(merchant_id: str, payment_id: str, by: Principal) -> ReceiptView:
    """The receipt of a payment that is paid.

    Raises:
        PaymentNotFound: also for another customer's own payment.
        NoReceipt: it is not paid.
    """
    found, shop = _read(merchant_id, payment_id)
    if found is None or own_of(by) not in {None, found.customer_id}:
        raise PaymentNotFound
    if found.status is not PaymentStatus.PAID:
        raise NoReceipt(_WHY_NONE.get(found.status, "payment has no receipt: nothing was taken"))
    left = BalancesView.model_validate(found.left_after) if found.left_after else None
    return _view(found, shop, wallet_left=left)


def behind_link(token: str) -> ReceiptView:
    """The receipt that a link leads to. ReceiptNotFound: no link of ours, or one too old."""
    merchant_id, _, rest = token.partition(".")
    payment_id, _, mark = rest.partition(".")
    if not same(mark, _mark(merchant_id, payment_id)):
        raise ReceiptNotFound
    found, shop = _read(merchant_id, payment_id)
    if found is None or found.status is not PaymentStatus.PAID:
        raise ReceiptNotFound
    if utc_now() >= link_ends(found.taken_at):
        raise ReceiptNotFound
    return _view(found, shop)


def link_token(merchant_id: str, payment_id: str) -> str:
    """What opens a receipt without a sign-in. The same one every time; see `link_ends`."""
    return f"{merchant_id}.{payment_id}.{_mark(merchant_id, payment_id)}"


def link_ends(taken_at: datetime) -> datetime:
    return taken_at + LINK_LIFE


def _mark(merchant_id: str, payment_id: str) -> str:
    key = derive_key(current_app.config["SETTINGS"].jwt_secret, "receipt link")
    return signature(key, f"{merchant_id}.{payment_id}".encode())[:_MARK]


def _read(merchant_id: str, payment_id: str) -> tuple[ReceiptFacts | None, MerchantFacts]:
    with transaction(merchant_id) as session:
        shop = tenancy.settings_of(session, merchant_id)
        return receipt_queries.receipt_facts(session, merchant_id, payment_id), shop


def _view(found: ReceiptFacts, shop: MerchantFacts, **more: Any) -> ReceiptView:
    def shown(minor: int) -> Any:
        return major(minor, found.currency)

    return ReceiptView(
        payment_txn_id=found.payment_id,
        shop=shop.name,
        time_zone=shop.time_zone,
        customer=masked(found.phone_last4) or f"{found.display_name[:1]}***",
        paid_at=found.paid_at,
        taken_at=found.taken_at,
        order_amount=shown(found.parts.order),
        currency=found.currency,
        deduction=DeductionView.of(found.parts, found.currency),
        voucher_name=found.voucher_name,
        refunded_amount=shown(found.refunded_minor),
        kept_amount=shown(found.parts.order - found.refunded_minor),
        **more,
    )
