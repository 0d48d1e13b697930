"""The code on a customer's phone: shown to the customer, read by the staff."""

from mealquest.core.principal import MERCHANT, Role
from mealquest.core.wire import NoInput
from mealquest.identity import service
from mealquest.identity.forms import ResolveForm
from mealquest.identity.replies import CustomerCodeView, CustomerView
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.people import caller
from mealquest.web.throttle import Throttle

feature = Feature("customer_codes")


@feature.get(api="/api/customer/code", roles=frozenset({Role.CUSTOMER}), scope=Scope.QUERY)
def own_code(call: Call, form: NoInput) -> CustomerCodeView:
    """The customer's own code, to be shown at the counter; a new one every minute."""
    return service.own_code(call.merchant_id, call.principal.subject)


@feature.post(
    api="/api/customers/resolve",
    roles=MERCHANT,
    scope=Scope.BODY,
    ungated="reads only",
    throttles=(Throttle(*service.CODE_TRIES, lambda form: caller()),),
)
def resolve(call: Call, form: ResolveForm) -> CustomerView:
    """The customer who shows a code."""
    return service.resolve_code(call.merchant_id, form.code)
