"""What a customer tells about themselves, and staff for them: the birthday."""

from collections.abc import Sequence

from flask import request, url_for
from flask_babel import get_locale

from mealquest.core.principal import MANAGEMENT, Role
from mealquest.core.wire import NoInput
from mealquest.identity import service
from mealquest.identity.forms import BirthdayForm, CustomerBirthdayForm
from mealquest.identity.replies import BirthdayView, OwnProfileView
from mealquest.tenancy.service import Operation
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import translate as _

feature = Feature("profiles")
CUSTOMER = frozenset({Role.CUSTOMER})


@feature.get(api="/api/customer/profile", roles=CUSTOMER, scope=Scope.QUERY)
def own_profile(call: Call, form: NoInput) -> OwnProfileView:
    """What the shop knows about the customer who asks."""
    return service.own_profile(call.merchant_id, call.principal.subject)


@feature.post(
    api="/api/customer/profile",
    roles=CUSTOMER,
    scope=Scope.BODY,
    gate=Operation.CUSTOMER_PROFILE_SET,
)
def set_own_profile(call: Call, form: BirthdayForm) -> OwnProfileView:
    """Say when one's birthday is, as MM-DD; null takes it back."""
    return service.set_own_birthday(call.merchant_id, form.birthday, call.principal)


def _said(view: BirthdayView) -> str:
    return _("The birthday is kept.") if view.birthday else _("No birthday is kept any more.")


@feature.post(
    api="/api/customers/<user_id>/birthday",
    page="/console/customers/<user_id>/birthday",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.CUSTOMER_PROFILE_SET,
    again="wallet.customer",
    see_other=lambda view: url_for("wallet.customer.page", **(request.view_args or {})),
    flash=_said,
)
def set_birthday(call: Call, form: CustomerBirthdayForm) -> BirthdayView:
    """Note a customer's birthday, as MM-DD; null or nothing removes it."""
    return service.set_birthday(call.merchant_id, form.user_id, form.birthday, call.principal)


@feature.word
def months() -> Sequence[tuple[str, str]]:
    """The months as options of a field, in the reader's language."""
    names = get_locale().months["stand-alone"]["wide"]
    return [(f"{number:02d}", names[number]) for number in range(1, 13)]


@feature.word
def days_of_month() -> Sequence[tuple[str, str]]:
    """The days that a month may have."""
    return [(f"{number:02d}", str(number)) for number in range(1, 32)]
