"""What another server answered under a key, in today's shape, so that it can be answered again.

`said` is the answer as it went over the wire there. None: it cannot be told any more.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from mealquest.core.money import Currency
from mealquest.core.wire import CENT, View
from mealquest.payments.refund_replies import GiftsBackView, RefundedView
from mealquest.payments.replies import DeductionView, OutsideView, VerifyView
from mealquest.payments.restoring import OldRefund
from mealquest.tenancy.service import RefundPolicy
from mealquest.wallet.service import VoucherType, WalletView, major

Said = Mapping[str, Any]
BUCKETS = ("principal", "bonus", "silver")
NOTHING = Decimal(0)


def verify_answer(merchant_id: str, said: Said) -> str | None:
    """A payment was taken, or waits. Options and what a voucher forfeits were not told there."""
    quote = said.get("quote")
    if not isinstance(quote, Mapping):
        return None
    return _answer(
        VerifyView,
        {
            "paymentTxnId": said.get("paymentTxnId"),
            "status": said.get("status"),
            "quote": _quote(quote),
            "wallet": said.get("wallet") or _before(quote),
            "externalPayment": said.get("externalPayment"),
            "walletScope": said.get("walletScope") or _own(merchant_id),
        },
    )


def refund_answer(
    merchant_id: str, said: Said, refund: OldRefund, total_minor: int, currency: Currency
) -> str | None:
    """A refund by the old rule; `total_minor`: of the payment, this one included."""
    return _answer(
        RefundedView,
        {
            "refundTxnId": refund.id,
            "paymentTxnId": refund.payment_id,
            "refundedAmount": major(refund.parts.order, currency),
            "totalRefunded": major(total_minor, currency),
            "policy": RefundPolicy.CLAWBACK,
            "parts": DeductionView.of(refund.parts, currency),
            "clawback": said.get("clawback"),
            "gifts": GiftsBackView(
                from_silver=NOTHING,
                receivable=NOTHING,
                withdrawn_vouchers=(),
                from_granted=NOTHING,
                fragments={},
            ),
            "voucher": None,
            "gatewayRefundId": None,
            "wallet": said.get("wallet"),
            "walletScope": said.get("walletScope") or _own(merchant_id),
        },
    )


def callback_answer(merchant_id: str, said: Said, wallet: WalletView) -> str | None:
    """A payment was settled outside; `wallet`: where the answer told of none."""
    return _answer(
        OutsideView,
        {
            "paymentTxnId": said.get("paymentTxnId"),
            "status": said.get("status"),
            "externalPayment": said.get("externalPayment"),
            "wallet": said.get("wallet") or wallet,
            "walletScope": said.get("walletScope") or _own(merchant_id),
        },
    )


def _answer(shape: type[View], values: dict[str, Any]) -> str | None:
    try:
        return shape.model_validate(_whole_cents(values)).as_json()
    except ValidationError:
        return None


def _quote(quote: Said) -> dict[str, Any]:
    voucher = quote.get("selectedVoucher")
    chosen = {"discountRate": None, **voucher} if isinstance(voucher, Mapping) else None
    forfeited = NOTHING
    if chosen and chosen.get("type") != VoucherType.DISCOUNT_CARD:
        taken = _number((quote.get("deduction") or {}).get("voucher"))
        forfeited = max(NOTHING, _number(chosen.get("value")) - taken)
    return {
        **quote,
        "selectedVoucher": chosen,
        "voucherOptions": [],
        "voucherForfeited": forfeited,
    }


def _before(quote: Said) -> dict[str, Decimal]:
    """The wallet while a payment waits: nothing has left it yet."""
    left, taken = quote.get("remainingWallet") or {}, quote.get("deduction") or {}
    return {name: _number(left.get(name)) + _number(taken.get(name)) for name in BUCKETS}


def _own(merchant_id: str) -> dict[str, Any]:
    return {"walletShared": False, "walletMerchantId": merchant_id}


def _number(value: Any) -> Decimal:
    known = isinstance(value, int | float | Decimal)
    return Decimal(str(value)).quantize(CENT) if known else NOTHING


def _whole_cents(value: Any) -> Any:
    """Binary floats of the old server as the amounts they stand for."""
    if isinstance(value, float):
        return Decimal(str(value)).quantize(CENT)
    if isinstance(value, Mapping):
        return {name: _whole_cents(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole_cents(item) for item in value]
    return value
