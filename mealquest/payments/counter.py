"""The clerk's page as one view: who pays, how much, and what that would use."""

from mealquest.core.errors import AppError
from mealquest.core.wire import Input, Line, Str, View
from mealquest.identity import service as identity
from mealquest.identity.service import CustomersForm, CustomerView
from mealquest.payments import service
from mealquest.payments.forms import QuoteForm
from mealquest.payments.replies import QuoteView
from mealquest.wallet import service as wallet
from mealquest.wallet.service import CustomerDetailView, VoucherStatus, VoucherView


class CounterForm(Input):
    """Lenient: half-typed input is shown with a hint, not refused."""

    query: Line = ""
    user_id: Line = ""
    amount: Str = ""
    voucher_id: Line = ""


class CounterView(View):
    query: str = ""
    customers: tuple[CustomerView, ...] = ()
    customer: CustomerDetailView | None = None
    vouchers: tuple[VoucherView, ...] = ()  # that may be chosen
    amount: str = ""
    voucher_id: str = ""
    quote: QuoteView | None = None
    quote_problem: str | None = None


def look_up(merchant_id: str, form: CounterForm) -> CounterView:
    """What the page shows for this much input. Changes nothing."""
    if not form.user_id:
        return _find(merchant_id, form.query)
    customer = wallet.customer_detail(merchant_id, form.user_id)
    quote, problem = _quote(merchant_id, form)
    return CounterView(
        customer=customer,
        vouchers=_usable(customer),
        amount=form.amount,
        voucher_id=form.voucher_id,
        quote=quote,
        quote_problem=problem,
    )


def _find(merchant_id: str, query: str) -> CounterView:
    """The newest customers, or those the query finds; a single one is taken at once."""
    page = identity.customers(merchant_id, CustomersForm(query=query or None, limit=8))
    if query and len(page.items) == 1:
        customer = wallet.customer_detail(merchant_id, page.items[0].uid)
        return CounterView(query=query, customer=customer, vouchers=_usable(customer))
    return CounterView(query=query, customers=tuple(page.items))


def _usable(customer: CustomerDetailView) -> tuple[VoucherView, ...]:
    return tuple(v for v in customer.vouchers if v.status is VoucherStatus.ACTIVE)


def _quote(merchant_id: str, form: CounterForm) -> tuple[QuoteView | None, str | None]:
    if not form.amount:
        return None, None
    try:
        order = QuoteForm.model_validate(
            {
                "userId": form.user_id,
                "orderAmount": form.amount,
                "voucherId": form.voucher_id or None,
            }
        )
    except ValueError as wrong:
        return None, _first_words(wrong)
    try:
        return service.quote(merchant_id, order), None
    except AppError as refused:
        return None, refused.message


def _first_words(wrong: ValueError) -> str:
    from pydantic import ValidationError

    if isinstance(wrong, ValidationError):
        return str(wrong.errors()[0]["msg"])
    return str(wrong)
