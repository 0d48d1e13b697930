"""What payments answer. Amounts are in major units of the merchant's currency."""

from datetime import date, datetime
from typing import Self

from mealquest.core.money import Currency
from mealquest.core.wire import Amount, Page, Timestamp, View
from mealquest.payments.domain import ExternalStatus, PaymentStatus
from mealquest.payments.waiting import WaitingPayment
from mealquest.wallet.service import (
    BalancesView,
    Checkout,
    Deduction,
    PostingView,
    VoucherOption,
    VoucherVerdict,
    VoucherView,
    WalletView,
    major,
)


class DeductionView(View):
    """Where the money comes from; the parts sum to the order."""

    voucher: Amount
    bonus: Amount
    principal: Amount
    silver: Amount
    external: Amount

    @classmethod
    def of(cls, parts: Deduction, currency: Currency) -> Self:
        return cls(
            voucher=major(parts.voucher, currency),
            bonus=major(parts.bonus, currency),
            principal=major(parts.principal, currency),
            silver=major(parts.silver, currency),
            external=major(parts.external, currency),
        )


class VoucherOptionView(View):
    """A voucher of the customer, and what it would do for this order."""

    voucher: VoucherView
    verdict: VoucherVerdict
    worth: Amount

    @classmethod
    def of(cls, option: VoucherOption, currency: Currency, now: datetime) -> Self:
        return cls(
            voucher=VoucherView.of(option.voucher, currency, now),
            verdict=option.verdict,
            worth=major(option.worth_minor, currency),
        )


class QuoteView(View):
    order_amount: Amount
    selected_voucher: VoucherView | None
    deduction: DeductionView
    payable: Amount  # what wallet and voucher leave to pay
    remaining_wallet: BalancesView  # of what is free now
    voucher_options: list[VoucherOptionView]
    voucher_forfeited: Amount  # of the selected voucher's value, because the order is smaller

    @classmethod
    def of(cls, planned: Checkout, currency: Currency, now: datetime) -> Self:
        chosen = planned.voucher
        return cls(
            order_amount=major(planned.order_minor, currency),
            selected_voucher=VoucherView.of(chosen, currency, now) if chosen else None,
            deduction=DeductionView.of(planned.deduction, currency),
            payable=major(planned.deduction.external, currency),
            remaining_wallet=BalancesView.of(planned.remaining, currency),
            voucher_options=[VoucherOptionView.of(o, currency, now) for o in planned.options],
            voucher_forfeited=major(
                chosen.forfeits(planned.order_minor) if chosen else 0, currency
            ),
        )


class WalletScopeView(View):
    wallet_shared: bool
    wallet_merchant_id: str


def scope_of(merchant_id: str) -> WalletScopeView:
    return WalletScopeView(wallet_shared=False, wallet_merchant_id=merchant_id)


class ExternalPaymentView(View):
    """The part that is paid outside; `external_txn_id` and `confirmed_at` come with the money."""

    provider: str
    payment_intent_id: str
    payable_amount: Amount
    status: ExternalStatus
    external_txn_id: str | None
    confirmed_at: Timestamp | None

    @classmethod
    def of(cls, payment: WaitingPayment) -> Self:
        return cls(
            provider=payment.provider,
            payment_intent_id=payment.intent,
            payable_amount=major(payment.required_hold.parts.external, payment.currency),
            status=payment.external_status,
            external_txn_id=payment.external_txn_id,
            confirmed_at=payment.confirmed_at,
        )


class VerifyView(View):
    payment_txn_id: str
    status: PaymentStatus
    quote: QuoteView
    wallet: WalletView
    external_payment: ExternalPaymentView | None = None
    wallet_scope: WalletScopeView


class CallbackView(View):
    """A payment as it stands once its outside part was settled, given up or expired."""

    payment_txn_id: str
    status: PaymentStatus
    external_payment: ExternalPaymentView
    wallet: WalletView
    wallet_scope: WalletScopeView


class PaymentRowView(View):
    payment_txn_id: str
    user_id: str
    display_name: str
    status: PaymentStatus
    order_amount: Amount
    currency: Currency
    deduction: DeductionView
    refunded_amount: Amount
    voucher_name: str | None
    taken_by: str
    created_at: Timestamp


class PaymentView(PaymentRowView):
    postings: list[PostingView]


class PaymentsPage(Page):
    items: list[PaymentRowView]


class TodayView(View):
    """Payments of one day in the merchant's time zone."""

    day: date
    count: int
    taken: Amount
    currency: Currency
