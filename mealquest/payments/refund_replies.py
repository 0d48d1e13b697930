"""What refunding answers. Amounts are in major units of the merchant's currency."""

from typing import Self

from mealquest.core.money import Currency
from mealquest.core.wire import Amount, Page, Timestamp, View
from mealquest.payments.domain import PaymentStatus, ReceivableState
from mealquest.payments.refund_domain import Plan
from mealquest.payments.replies import (
    ClawbackView,
    DeductionView,
    RefundRowView,
)
from mealquest.state.service import WalletScopeView
from mealquest.tenancy.service import RefundPolicy
from mealquest.wallet.service import VoucherView, WalletView, major


def clawback_of(plan: Plan, currency: Currency) -> ClawbackView:
    return ClawbackView(
        reclaim_target=major(plan.target, currency),
        from_bonus=major(plan.from_bonus, currency),
        from_principal=major(plan.from_principal, currency),
    )


class GiftsBackView(View):
    """Gifts that the payment had earned, as far as `clawback` does not say it."""

    from_silver: Amount
    receivable: Amount  # could not be taken, and is owed
    withdrawn_vouchers: tuple[str, ...]
    from_granted: Amount  # of `clawback.fromPrincipal` what a campaign had given
    fragments: dict[str, int]  # pieces taken, by kind

    @classmethod
    def of(cls, plan: Plan, currency: Currency) -> Self:
        return cls(
            from_silver=major(plan.from_silver, currency),
            receivable=major(plan.receivable, currency),
            withdrawn_vouchers=plan.withdrawn,
            from_granted=major(plan.from_granted, currency),
            fragments=dict(plan.fragments),
        )


class RefundedView(View):
    """`refunded_amount` is this refund's, `total_refunded` all of the payment's so far.

    `voucher`: the order's own, back with its last refund; EXPIRED when its time is over by now.
    `gateway_refund_id`: the outside part, on its way.
    """

    refund_txn_id: str
    payment_txn_id: str
    refunded_amount: Amount
    total_refunded: Amount
    policy: RefundPolicy
    parts: DeductionView
    clawback: ClawbackView
    gifts: GiftsBackView
    voucher: VoucherView | None
    gateway_refund_id: str | None
    wallet: WalletView
    wallet_scope: WalletScopeView


class RefundPreviewView(View):
    """What a refund would do at this moment. Nulls while there is no amount that could be."""

    payment_txn_id: str
    user_id: str
    display_name: str
    customer_has_left: bool
    status: PaymentStatus
    currency: Currency
    order_amount: Amount
    refunded_amount: Amount
    refundable_amount: Amount
    policy: RefundPolicy
    amount: Amount | None = None
    problem: str | None = None  # why not, in the words of the contract
    parts: DeductionView | None = None
    to_principal: Amount | None = None
    to_bonus: Amount | None = None
    expires_at_once: Amount | None = None  # of the bonus, as its time is over
    clawback: ClawbackView | None = None
    gifts: GiftsBackView | None = None
    voucher: VoucherView | None = None
    done: RefundedView | None = None  # the refund that its key has made already


class RefundsPage(Page):
    items: list[RefundRowView]


class ReceivableView(View):
    """What a customer owes: `amount` less what was paid and given up is `open_amount`."""

    receivable_id: str
    user_id: str
    display_name: str
    payment_txn_id: str
    refund_txn_id: str
    currency: Currency
    amount: Amount
    settled_amount: Amount
    written_off_amount: Amount
    open_amount: Amount
    state: ReceivableState
    settled_by: str | None
    settled_at: Timestamp | None
    created_at: Timestamp


class ReceivablesPage(Page):
    items: list[ReceivableView]
