"""Taking payments: the API of quote and verify, and the clerk's pages over the same handlers."""

from collections.abc import Sequence
from typing import Any, TypeVar

from flask import url_for
from pydantic import Field

from mealquest.core.principal import CASHIER, MERCHANT, Role
from mealquest.core.wire import Input, Key, NoInput, View
from mealquest.payments import counter as desk
from mealquest.payments import service
from mealquest.payments.counter import CounterForm, CounterView
from mealquest.payments.forms import PaymentsForm, QuoteForm, VerifyForm
from mealquest.payments.replies import (
    PaymentRowView,
    PaymentsPage,
    PaymentView,
    QuoteView,
    TodayView,
    VerifyView,
    VoucherOptionView,
)
from mealquest.tenancy.service import Operation
from mealquest.wallet.service import VoucherVerdict, VoucherView
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import money
from mealquest.web.look import translate as _

feature = Feature("payments")
Order = TypeVar("Order", bound=QuoteForm)


class PaymentPageForm(Input):
    payment_id: Key


class PaymentsView(PaymentsPage):
    """The list with the address of what is older, for its page."""

    next_url: str | None = Field(None, exclude=True)


class HomeView(View):
    today: TodayView
    items: Sequence[PaymentRowView]
    next_url: str | None = None


@feature.get(page="/console/", roles=MERCHANT, template="payments/home")
def home(call: Call, form: NoInput) -> HomeView:
    """What was taken today, and the last payments."""
    today = service.today(call.merchant_id)
    newest = service.recent(call.merchant_id, call.principal, limit=10)
    return HomeView(today=today, items=newest.items)


@feature.get(page="/console/counter", roles=MERCHANT, template="payments/counter")
def counter(call: Call, form: CounterForm) -> CounterView:
    """The clerk's page: who pays, how much, and what that would use."""
    return desk.look_up(call.merchant_id, form)


@feature.post(api="/api/payment/quote", roles=CASHIER, scope=Scope.PINNED, ungated="reads only")
def quote(call: Call, form: QuoteForm) -> QuoteView:
    """What an order would use. Changes nothing, so it passes a freeze."""
    return service.quote(call.merchant_id, _own(call, form))


@feature.post(
    api="/api/payment/verify",
    page="/console/payments",
    roles=CASHIER,
    scope=Scope.PINNED,
    gate=Operation.PAYMENT_VERIFY,
    idempotent=True,
    again="payments.counter",
    see_other=lambda view: url_for("payments.payment.page", payment_id=view.payment_txn_id),
)
def verify(call: Call, form: VerifyForm) -> VerifyView:
    """Take an order from wallet and voucher, once per key."""
    return service.verify(call.merchant_id, _own(call, form), call.principal, call.keyed)


@feature.get(
    api="/api/payments/<payment_id>",
    page="/console/payments/<payment_id>",
    roles=CASHIER,
    scope=Scope.QUERY,
    template="payments/payment",
)
def payment(call: Call, form: PaymentPageForm) -> PaymentView:
    """One payment with its parts and postings; a customer sees only their own."""
    return service.payment(call.merchant_id, form.payment_id, call.principal)


@feature.get(
    api="/api/payments",
    page="/console/payments",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="payments/payments",
)
def payments(call: Call, form: PaymentsForm) -> PaymentsView:
    """Payments, newest first."""
    page = service.recent(call.merchant_id, call.principal, form.limit, form.cursor)
    onward: dict[str, Any] = {"cursor": page.next_cursor, "limit": form.limit}
    return PaymentsView(
        **dict(page),
        next_url=url_for("payments.payments.page", **onward) if page.next_cursor else None,
    )


def _own(call: Call, form: Order) -> Order:
    """A customer pays for nobody else, whatever the request says."""
    if call.principal.role is Role.CUSTOMER:
        return form.model_copy(update={"user_id": call.principal.subject})
    return form


@feature.word
def voucher_choices(vouchers: Sequence[VoucherView]) -> list[tuple[str, str]]:
    """Options of the counter's voucher field."""
    rule = [("", _("Use the one that expires soonest")), ("NONE", _("Keep all vouchers"))]
    return [*rule, *((v.id, f"{v.name} · {money(v.value)}") for v in vouchers)]


@feature.word
def verdict_words(option: VoucherOptionView) -> str:
    """Why a voucher does not apply to this order."""
    name = option.voucher.name
    return {
        VoucherVerdict.EXPIRED: _("“%(name)s” has expired.", name=name),
        VoucherVerdict.NOT_ACTIVE: _("“%(name)s” has been used.", name=name),
        VoucherVerdict.BELOW_MIN_SPEND: _(
            "“%(name)s” needs an order of at least %(sum)s.",
            name=name,
            sum=money(option.voucher.min_spend),
        ),
        VoucherVerdict.WORTH_NOTHING: _("“%(name)s” takes nothing off this order.", name=name),
    }.get(option.verdict, "")
