"""Which merchants there are, for people who choose one before they sign in."""

from mealquest.core.wire import NoInput
from mealquest.tenancy import service
from mealquest.tenancy.forms import ExistsForm
from mealquest.tenancy.replies import CatalogView, ExistsView
from mealquest.web.frame import Call, Feature

feature = Feature("tenancy")


@feature.get(api="/api/merchant/catalog")
def catalog(call: Call, form: NoInput) -> CatalogView:
    """Every merchant, by id."""
    return service.catalog()


@feature.get(api="/api/merchant/exists")
def exists(call: Call, form: ExistsForm) -> ExistsView:
    """Whether a merchant of this id exists."""
    return service.exists(form.merchant_id)
