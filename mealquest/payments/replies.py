"""What payments answer. Amounts are in major units of the merchant's currency."""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Self

from pydantic import Field

from mealquest.core.money import Currency
from mealquest.core.wire import Amount, Page, Timestamp, View
from mealquest.payments.domain import (
    ExternalStatus,
    GatewayRefundState,
    PaymentAction,
    PaymentStatus,
)
from mealquest.payments.refund_queries import RefundFacts
from mealquest.payments.refunding_queries import RefundRow
from mealquest.payments.waiting import WaitingPayment
from mealquest.state.service import StateView, WalletScopeView
from mealquest.tenancy.service import RefundPolicy
from mealquest.wallet.service import (
    BalancesView,
    Checkout,
    Deduction,
    KeeperView,
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
    """`state` is there when it was asked for; it stays the last member."""

    payment_txn_id: str
    status: PaymentStatus
    quote: QuoteView
    wallet: WalletView
    external_payment: ExternalPaymentView | None = None
    wallet_scope: WalletScopeView
    state: StateView | None = Field(None, exclude_if=lambda state: state is None)


class KeptAnswer(View):
    """How an answer stands under its key: in clear, or whole as one text that is sealed.

    Sealed is what tells of a customer more than ids; `sealed_for` is whose key opens it.
    """

    sealed: str | None = None
    sealed_for: str | None = None


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


class ClawbackView(View):
    """What a refund takes back: the gifted share, and gifts that the payment had earned."""

    reclaim_target: Amount
    from_bonus: Amount
    from_principal: Amount


class RefundRowView(View):
    """One refund. `parts` say what had paid, and sum to the amount.

    `from_silver`, `receivable` and `withdrawn_vouchers` are of gifts that the payment had earned;
    with the two sums of `clawback` they add up to its target.
    """

    refund_txn_id: str
    payment_txn_id: str
    user_id: str
    display_name: str
    currency: Currency
    refunded_amount: Amount
    parts: DeductionView
    policy: RefundPolicy
    clawback: ClawbackView
    from_silver: Amount
    receivable: Amount
    withdrawn_vouchers: tuple[str, ...]
    fragments: dict[str, int]  # pieces taken back, by kind
    voucher_id: str | None  # the order's own, usable again
    refunded_by: str | None  # told to staff only
    created_at: Timestamp

    @classmethod
    def of(cls, row: RefundRow, *, for_staff: bool = True) -> Self:
        def shown(minor: int) -> Decimal:
            return major(minor, row.currency)

        return cls(
            refund_txn_id=row.id,
            payment_txn_id=row.payment_id,
            user_id=row.customer.user_id,
            display_name=row.customer.display_name,
            currency=row.currency,
            refunded_amount=shown(row.parts.order),
            parts=DeductionView.of(row.parts, row.currency),
            policy=row.policy,
            clawback=ClawbackView(
                reclaim_target=shown(row.reclaim),
                from_bonus=shown(row.from_bonus),
                from_principal=shown(row.from_principal),
            ),
            from_silver=shown(row.from_silver),
            receivable=shown(row.receivable),
            withdrawn_vouchers=row.withdrawn,
            fragments=dict(row.fragments),
            voucher_id=row.voucher_id,
            refunded_by=row.refunded_by if for_staff else None,
            created_at=row.created_at,
        )


class GatewayRefundView(View):
    """Outside money on its way back. What went wrong last is told to staff only."""

    refund_id: str
    refund_txn_id: str | None  # the refund it is part of; null: it came too late
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
            refund_txn_id=facts.refund_id,
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
    refunds: tuple[RefundRowView, ...] = ()  # oldest first
    refundable_amount: Amount = Decimal(0)
    next_actions: tuple[PaymentAction, ...] = ()  # of whoever asks
    external_payment: ExternalPaymentView | None = None
    hold_expires_at: Timestamp | None = None  # while it waits
    pay_url: str | None = None  # where the customer pays the rest, while it waits
    gateway_refunds: tuple[GatewayRefundView, ...] = ()
    paid_again: tuple[str, ...] = ()  # further numbers of the gateway; told to staff only
    wallet_keeper: KeeperView | None = None  # whose wallet paid, where another store keeps it


class PaymentsPage(Page):
    items: list[PaymentRowView]


class TodayView(View):
    """Payments of one day in the merchant's time zone."""

    day: date
    count: int
    taken: Amount
    currency: Currency


class CallbackKept(View):
    """A word of the gateway that is kept for a merchant that is closed for a moment."""

    accepted: Literal[True] = True
    merchant_id: str
    payment_txn_id: str
