"""The clerk's page as one view: who pays, how much, and what that would use."""

from typing import Any

from pydantic import ValidationError

from mealquest.core.db import transaction
from mealquest.core.errors import AppError
from mealquest.core.idempotency import KeyedRequest
from mealquest.core.wire import Input, Line, Str, View
from mealquest.identity import service as identity
from mealquest.identity.service import CustomerCodeRefused, CustomersForm, CustomerView
from mealquest.payments import receipt_queries, service
from mealquest.payments.forms import QuoteForm
from mealquest.payments.replies import QuoteView, VerifyView
from mealquest.wallet import service as wallet
from mealquest.wallet.service import CustomerDetailView, VoucherStatus, VoucherView

SHOWN = 8  # customers to choose from
MODES = ("usual", "tablet")  # tablet: large keys and buttons
AT_HAND, LOOKED_THROUGH = 6, 50  # customers served last, out of so many newest payments


class CounterForm(Input):
    """Lenient: half-typed input is shown with a hint, not refused."""

    query: Line = ""
    user_id: Line = ""
    amount: Str = ""
    voucher_id: Line = ""
    idempotency_key: Line = ""
    mode: Line = ""  # one of MODES, to be remembered


class CounterView(View):
    """The page. `taken` is the payment its key has taken already; then no other can be."""

    query: str = ""
    last_served: tuple[CustomerView, ...] = ()
    customers: tuple[CustomerView, ...] = ()
    is_code: bool = False  # the query is a customer's code, or the beginning of one
    code_problem: str | None = None
    customer: CustomerDetailView | None = None
    vouchers: tuple[VoucherView, ...] = ()  # that may be chosen
    amount: str = ""
    voucher_id: str = ""
    key: str = ""
    quote: QuoteView | None = None
    quote_problem: str | None = None
    taken: VerifyView | None = None


class FirstSteps(View):
    """How far a new shop has come; `customer_id` is its newest customer."""

    customer_id: str | None
    topped_up: bool


def first_steps(merchant_id: str) -> FirstSteps:
    """Whether there is somebody with something to pay with."""
    newest = identity.customers(merchant_id, CustomersForm(limit=1)).items
    if not newest:
        return FirstSteps(customer_id=None, topped_up=False)
    uid = newest[0].uid
    funds = wallet.customer_detail(merchant_id, uid).wallet
    return FirstSteps(
        customer_id=uid, topped_up=bool(funds.principal or funds.bonus or funds.silver)
    )


def find(merchant_id: str, query: str) -> CounterView:
    """The newest customers and those served last; or those that the query or code finds."""
    if identity.begins_as_code(query):
        return _by_code(merchant_id, query)
    served = () if query else _last_served(merchant_id)
    form = CustomersForm(query=query or None, limit=SHOWN + len(served))
    at_hand = {customer.uid for customer in served}
    others = [c for c in identity.customers(merchant_id, form).items if c.uid not in at_hand]
    return CounterView(query=query, last_served=served, customers=tuple(others[:SHOWN]))


def _by_code(merchant_id: str, query: str) -> CounterView:
    """The one customer of a code; nobody yet while it is being typed."""
    found = CounterView(query=query, is_code=True)
    if not identity.parse_code(query):
        return found
    try:
        customer = identity.resolve_code(merchant_id, query)
    except CustomerCodeRefused as refused:
        return found.model_copy(update={"code_problem": refused.message})
    return found.model_copy(update={"customers": (customer,)})


def _last_served(merchant_id: str) -> tuple[CustomerView, ...]:
    with transaction(merchant_id) as session:
        found = receipt_queries.last_served(
            session, merchant_id, payments=LOOKED_THROUGH, customers=AT_HAND
        )
    return tuple(found)


def look_up(merchant_id: str, form: CounterForm, request: KeyedRequest) -> CounterView:
    """What the page shows for a customer and this much input. Changes nothing."""
    customer = wallet.customer_detail(merchant_id, form.user_id)
    taken = service.taken_under(merchant_id, request)
    quote, problem = (None, None) if taken else _quote(merchant_id, form)
    return CounterView(
        customer=customer,
        vouchers=_usable(customer),
        amount=form.amount,
        voucher_id=form.voucher_id,
        key=form.idempotency_key,
        quote=quote,
        quote_problem=problem,
        taken=taken,
    )


def _usable(customer: CustomerDetailView) -> tuple[VoucherView, ...]:
    return tuple(v for v in customer.vouchers if v.status is VoucherStatus.ACTIVE)


def _quote(merchant_id: str, form: CounterForm) -> tuple[QuoteView | None, str | None]:
    """The quote, or why there is none in the words of the contract."""
    if not form.amount:
        return None, None
    order: dict[str, Any] = {
        "userId": form.user_id,
        "orderAmount": form.amount,
        "voucherId": form.voucher_id or None,
    }
    try:
        return service.quote(merchant_id, QuoteForm.model_validate(order)), None
    except ValidationError as wrong:
        return None, str(wrong.errors()[0]["msg"])
    except AppError as refused:
        return None, refused.message
