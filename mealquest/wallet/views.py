"""A customer's wallet, and topping it up."""

from flask import request, url_for

from mealquest.core.principal import MERCHANT
from mealquest.core.wire import Input, Key
from mealquest.tenancy.service import Operation
from mealquest.wallet import service
from mealquest.wallet.domain import VoucherStatus, VoucherType
from mealquest.wallet.forms import TopUpForm
from mealquest.wallet.models import EntryKind
from mealquest.wallet.replies import CustomerDetailView, TopUpView, VoucherView
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import money
from mealquest.web.look import translate as _

feature = Feature("wallet")


class CustomerPageForm(Input):
    user_id: Key


@feature.get(
    api="/api/customers/<user_id>",
    page="/console/customers/<user_id>",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="wallet/customer",
)
def customer(call: Call, form: CustomerPageForm) -> CustomerDetailView:
    """One customer with balances, vouchers and the newest movements."""
    return service.customer_detail(call.merchant_id, form.user_id)


@feature.post(
    api="/api/wallet/top-ups",
    page="/console/customers/<user_id>/top-ups",
    roles=MERCHANT,
    scope=Scope.BODY,
    gate=Operation.WALLET_TOP_UP,
    idempotent=True,
    again="wallet.customer",
    see_other=lambda view: url_for("wallet.customer.page", **(request.view_args or {})),
    flash=lambda view: _("Topped up. The wallet now holds %(sum)s.", sum=_total(view)),
)
def top_up(call: Call, form: TopUpForm) -> TopUpView:
    """Credit money paid in at the counter, and a bonus on top."""
    return service.top_up(call.merchant_id, form, call.principal, call.keyed)


def _total(view: TopUpView) -> str:
    return money(view.wallet.principal + view.wallet.bonus + view.wallet.silver)


@feature.word
def voucher_worth(voucher: VoucherView) -> str:
    """What a voucher takes off, in words for people."""
    if voucher.type is VoucherType.DISCOUNT_CARD and voucher.discount_rate:
        return _("%(percent)s%% off", percent=int((1 - voucher.discount_rate) * 100))
    return money(voucher.value)


@feature.word
def voucher_state(status: VoucherStatus) -> str:
    return {
        VoucherStatus.ACTIVE: _("Can be used"),
        VoucherStatus.USED: _("Used"),
        VoucherStatus.EXPIRED: _("Expired"),
    }[status]


@feature.word
def entry_label(kind: EntryKind) -> str:
    return {
        EntryKind.OPENING: _("Opening balance"),
        EntryKind.TOP_UP: _("Top-up"),
        EntryKind.PAYMENT: _("Payment"),
        EntryKind.BONUS_EXPIRY: _("Bonus expired"),
    }[kind]
