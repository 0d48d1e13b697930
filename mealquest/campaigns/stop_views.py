"""The kill switch and the fire sale: two acts that must be quick."""

from flask import url_for
from pydantic import Field

from mealquest.campaigns import service
from mealquest.campaigns.forms import FireSaleForm, KillSwitchForm
from mealquest.campaigns.replies import (
    FireSalePlan,
    FireSaleView,
    KillSwitchKept,
    KillSwitchView,
)
from mealquest.core.principal import MANAGEMENT, MERCHANT, Role
from mealquest.core.wire import NoInput
from mealquest.identity.service import Claims
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import translate as _

feature = Feature("campaign_stops")


class KillSwitchPage(KillSwitchView):
    may_set: bool = Field(False, exclude=True)


@feature.get(page="/console/kill-switch", roles=MERCHANT, template="campaigns/kill_switch")
def kill_switch(call: Call, form: NoInput) -> KillSwitchPage:
    """Whether all campaigns are stopped, and the switch."""
    on = tenancy.settings(call.merchant_id).kill_switch_enabled
    may_set = call.principal.role is Role.OWNER
    return KillSwitchPage(merchant_id=call.merchant_id, kill_switch_enabled=on, may_set=may_set)


def _keep(call: Call, form: KillSwitchForm, claims: Claims) -> KillSwitchKept:
    return service.keep_kill_switch(call.merchant_id, form, claims)


@feature.post(
    api="/api/merchant/kill-switch",
    page="/console/kill-switch",
    roles=frozenset({Role.OWNER}),
    scope=Scope.PINNED,
    gate=Operation.KILL_SWITCH_SET,
    kept=_keep,
    also=(202,),
    again="campaign_stops.kill_switch",
    template="campaigns/kill_switch",
    see_other=lambda _view: url_for("campaign_stops.kill_switch.page"),
)
def set_kill_switch(call: Call, form: KillSwitchForm) -> KillSwitchView:
    """Stop all campaigns at once, or let them run again."""
    return service.set_kill_switch(call.merchant_id, form, call.principal)


@feature.get(page="/console/fire-sale", roles=MANAGEMENT, template="campaigns/fire_sale")
def fire_sale(call: Call, form: FireSaleForm) -> FireSalePlan:
    """A fire sale before it begins: what it gives, and its cost at the worst."""
    return service.plan_fire_sale(call.merchant_id, form)


@feature.post(
    api="/api/merchant/fire-sale",
    page="/console/fire-sale",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.FIRE_SALE_CREATE,
    idempotent=True,
    key_optional=True,
    again="campaign_stops.fire_sale",
    template="campaigns/fire_sale",
    see_other=lambda view: url_for("campaigns.campaign.page", campaign_id=view.campaign_id),
    flash=lambda _view: _("The fire sale runs."),
)
def start_fire_sale(call: Call, form: FireSaleForm) -> FireSaleView:
    """Begin a fire sale at once."""
    return service.start_fire_sale(call.merchant_id, form, call.principal, call.key)
