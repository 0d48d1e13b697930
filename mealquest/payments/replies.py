"""What payments answer. Amounts are in major units of the merchant's currency."""

from datetime import date, datetime
from typing import Self

from mealquest.core.money import Currency
from mealquest.core.wire import Amount, Page, Timestamp, View
from mealquest.payments.domain import (
    ExternalStatus,
    GatewayRefundState,
    PaymentAction,
    PaymentStatus,
)
from mealquest.payments.refund_queries import RefundFacts
from mealquest.payments.waiting import WaitingPayment
from mealquest.wallet.service import (
    BalancesView,
    Checkout,
    Deduction,
    OwedView,
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


class OutsideView(View):
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


class GatewayRefundView(View):
    """Outside money on its way back. What went wrong last is told to staff only."""

    refund_id: str
    amount: Amount
    state: GatewayRefundState
    attempts: int
    last_error: str | None
    next_try_at: Timestamp | None
    done_at: Timestamp | None

    @classmethod
    def of(cls, facts: RefundFacts, currency: Currency, *, for_staff: bool) -> Self:
        waits = facts.state is GatewayRefundState.PENDING
        return cls(
            refund_id=facts.id,
            amount=major(facts.amount_minor, currency),
            state=facts.state,
            attempts=facts.attempts,
            last_error=facts.last_error if for_staff else None,
            next_try_at=facts.run_at if waits else None,
            done_at=facts.done_at,
        )


class PaymentView(PaymentRowView):
    """`external_payment` and what follows are of a payment that asked for money from outside."""

    postings: list[PostingView]
    external_payment: ExternalPaymentView | None = None
    hold_expires_at: Timestamp | None = None  # while it waits
    pay_url: str | None = None  # where the customer pays the rest, while it waits
    gateway_refunds: tuple[GatewayRefundView, ...] = ()
    next_actions: tuple[PaymentAction, ...] = ()  # of whoever asks


class PaymentsPage(Page):
    items: list[PaymentRowView]


class TodayView(View):
    """Payments of one day in the merchant's time zone."""

    day: date
    count: int
    taken: Amount
    currency: Currency


class DayView(View):
    day: date
    count: int
    taken: Amount


class SourcesView(View):
    """Where the day's takings came from; the parts sum to what was taken."""

    voucher: Amount
    bonus: Amount
    principal: Amount
    silver: Amount
    external: Amount


class HourView(View):
    """What was taken in one hour of the day, today and on the same weekday before."""

    hour: int
    taken: Amount
    before: Amount


class AttentionView(View):
    """How much of what waits for somebody: counts of rows that a list shows."""

    waiting: int  # payments that wait for outside money
    going_back: int  # payments whose outside money is not back at the customer yet
    failed: int  # payments that were not paid outside, within a day
    expiring_vouchers: int  # active ones that expire within three days
    blocked: int  # acts that a policy held back, within a day


class DeskView(View):
    currency: Currency
    today: DayView
    before: DayView  # the same weekday, up to the same time of day
    sources: SourcesView
    hours: list[HourView]
    owed: OwedView
    attention: AttentionView
