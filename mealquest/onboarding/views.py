"""Opening a merchant: by API with the secret, by a new owner who proved a phone."""

from flask import request, url_for

from mealquest.core.principal import Role
from mealquest.core.wire import NoInput, View
from mealquest.identity import service as identity
from mealquest.onboarding import service
from mealquest.onboarding.forms import OnboardForm, OwnerOnboardForm
from mealquest.onboarding.replies import OnboardedView
from mealquest.web import credentials
from mealquest.web.frame import Call, Feature
from mealquest.web.look import language
from mealquest.web.look import translate as _
from mealquest.web.throttle import Throttle

feature = Feature("onboarding")
PER_ADDRESS = Throttle("onboard", ("10/hour",), lambda form: request.remote_addr or "unknown")


class OnboardPage(View):
    pass


def _enter(view: OnboardedView) -> None:
    """The new owner goes on as the owner of the shop."""
    token = identity.start_session(
        view.merchant.merchant_id, "staff_owner", request.user_agent.string
    )
    credentials.start_session(token)


@feature.get(
    page="/console/onboard", roles=frozenset({Role.APPLICANT}), template="onboarding/onboard"
)
def onboard_page(call: Call, form: NoInput) -> OnboardPage:
    """Ask a new owner for the shop's name."""
    return OnboardPage()


@feature.post(
    page="/console/onboard",
    roles=frozenset({Role.APPLICANT}),
    ungated="the merchant does not exist yet",
    throttles=(PER_ADDRESS,),
    again="onboarding.onboard_page",
    on_page=_enter,
    see_other=lambda view: url_for("payments.home.page"),
    flash=lambda view: _("Your shop is open. Add your first customer."),
)
def open_shop(call: Call, form: OwnerOnboardForm) -> OnboardedView:
    """Open the shop of somebody who has just proved a phone."""
    return service.onboard_by_owner(form, call.principal, language())


@feature.post(
    api="/api/merchant/onboard",
    ungated="the merchant does not exist yet",
    throttles=(PER_ADDRESS,),
    status=201,
)
def onboard(call: Call, form: OnboardForm) -> OnboardedView:
    """Open a merchant with its staff: by the secret, or by an applicant's token."""
    secret = request.headers.get("x-onboard-secret")
    return service.onboard(form, secret=secret, by=call.principal)
