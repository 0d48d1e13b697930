"""The state, for apps that show a merchant and a customer at a glance."""

from mealquest.core.principal import CASHIER
from mealquest.state import service
from mealquest.state.forms import StateForm
from mealquest.state.replies import StateView
from mealquest.web.frame import Call, Feature, Scope

feature = Feature("state")


@feature.get(api="/api/state", roles=CASHIER, scope=Scope.QUERY)
def state(call: Call, form: StateForm) -> StateView:
    """The merchant and, when one is named, a customer at a glance; customers see their own."""
    return service.state(form, call.principal)
