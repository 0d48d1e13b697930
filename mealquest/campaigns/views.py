"""Campaigns: events that reach them, what they are, why they took hold or not."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, url_for
from pydantic import Field

from mealquest.campaigns import service
from mealquest.campaigns.forms import (
    CampaignPathForm,
    CampaignsForm,
    DashboardForm,
    DecisionsForm,
    HitsForm,
    PaymentPathForm,
    StatusForm,
    TriggerForm,
)
from mealquest.campaigns.outcome_replies import HitsPage, HitView
from mealquest.campaigns.replies import (
    CampaignDetail,
    CampaignsPage,
    CampaignStatusView,
    CampaignView,
    DecisionsPage,
    DecisionView,
    PaymentHitsView,
    TriggerView,
)
from mealquest.core.principal import MANAGEMENT, MERCHANT
from mealquest.core.spreadsheet import local
from mealquest.state import service as states
from mealquest.state.service import DashboardView
from mealquest.tenancy.service import Operation
from mealquest.web import lists
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.lists import Listing
from mealquest.web.look import translate as _
from mealquest.web.look import zone

feature = Feature("campaigns")


class CampaignsView(CampaignsPage, Listing):
    pass


class DecisionsView(DecisionsPage, Listing):
    campaign_name: str = Field("", exclude=True)


class HitsView(HitsPage, Listing):
    campaign_name: str = Field("", exclude=True)


class CampaignPage(CampaignDetail):
    may_switch: bool = Field(False, exclude=True)


@feature.post(
    api="/api/tca/trigger",
    roles=MANAGEMENT,
    scope=Scope.PINNED,
    gate=Operation.TCA_TRIGGER,
    idempotent=True,
    key_optional=True,
)
def trigger(call: Call, form: TriggerForm) -> TriggerView:
    """Let the campaigns that listen for an event decide about it, all in one."""
    return service.trigger(call.merchant_id, form, call.principal, call.key)


@feature.get(api="/api/merchant/dashboard", roles=MERCHANT, scope=Scope.QUERY)
def dashboard(call: Call, form: DashboardForm) -> DashboardView:
    """What a merchant has going on, in numbers."""
    return states.dashboard(call.merchant_id)


@feature.get(
    api="/api/merchant/campaigns",
    page="/console/campaigns",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="campaigns/campaigns",
)
def campaigns(call: Call, form: CampaignsForm) -> CampaignsView:
    """Campaigns by state, event and name, newest first."""
    page = service.listed(call.merchant_id, form)
    here, csv = "campaigns.campaigns.page", "campaigns.campaigns_csv.page"
    return CampaignsView(**dict(page), **lists.links(call, form, here, page.next_cursor, csv=csv))


@feature.get(
    api="/api/merchant/campaigns.csv",
    page="/console/campaigns.csv",
    roles=lists.EXPORTERS,
    scope=Scope.QUERY,
    media="text/csv",
)
def campaigns_csv(call: Call, form: CampaignsForm) -> Response:
    """The list of campaigns as a CSV file, all pages of it."""
    header = [_("Campaign id"), _("Name"), _("Status"), _("Event"), _("Priority")]
    header += [_("Budget (units)"), _("Used (units)"), _("Units per hit"), _("Hits"), _("Cost")]
    header += [_("Created (%(zone)s)", zone=zone().key)]
    rows: Iterator[Any] = (
        [_cells(one, zone()) for one in batch] for batch in service.every(call.merchant_id, form)
    )
    return lists.csv_file(call, "campaigns", form, header, rows)


def _cells(one: CampaignView, here: ZoneInfo) -> list[Any]:
    budget = [one.budget.cap, one.budget.used, one.budget.cost_per_hit]
    spent = [one.hits, one.cost, local(one.created_at, here)]
    return [one.id, one.name, one.status, one.trigger.event, one.priority, *budget, *spent]


@feature.get(
    api="/api/merchant/campaigns/<campaign_id>",
    page="/console/campaigns/<campaign_id>",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="campaigns/campaign",
)
def campaign(call: Call, form: CampaignPathForm) -> CampaignPage:
    """One campaign: what it does, what it may spend and has spent, and what became of it lately."""
    found = service.detail(call.merchant_id, form)
    return CampaignPage(**dict(found), may_switch=call.principal.role in MANAGEMENT)


@feature.get(
    api="/api/merchant/campaigns/<campaign_id>/decisions",
    page="/console/campaigns/<campaign_id>/decisions",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="campaigns/decisions",
)
def decisions(call: Call, form: DecisionsForm) -> DecisionsView:
    """Every event that a campaign was asked about: hit or miss, and why."""
    page = service.decisions(call.merchant_id, form)
    named = service.name_of(call.merchant_id, form.campaign_id)
    here, csv = "campaigns.decisions.page", "campaigns.decisions_csv.page"
    path = {"campaign_id": form.campaign_id}
    links = lists.links(call, form, here, page.next_cursor, csv=csv, path=path)
    return DecisionsView(**dict(page), **links, campaign_name=named)


@feature.get(
    api="/api/merchant/campaigns/<campaign_id>/decisions.csv",
    page="/console/campaigns/<campaign_id>/decisions.csv",
    roles=lists.EXPORTERS,
    scope=Scope.QUERY,
    media="text/csv",
)
def decisions_csv(call: Call, form: DecisionsForm) -> Response:
    """A campaign's decisions as a CSV file, all pages of it."""
    here = zone()
    header = [_("When (%(zone)s)", zone=here.key), _("Customer id"), _("Event"), _("Result")]
    header += [_("Field"), _("Operator"), _("Expected"), _("Found"), _("Cost"), _("Payment")]
    batches = service.every_decision(call.merchant_id, form)
    rows: Iterator[Any] = ([_decision_cells(one, here) for one in batch] for batch in batches)
    return lists.csv_file(call, "campaign-decisions", form, header, rows)


def _decision_cells(one: DecisionView, here: ZoneInfo) -> list[Any]:
    asked = one.condition
    why = [asked.field, asked.op, asked.value, one.found] if asked else [None] * 4
    result = one.verdict or "KILL_SWITCH"
    first = [local(one.decided_at, here), one.user_id, one.event, result]
    return [*first, *why, one.cost, one.payment_txn_id]


@feature.get(
    api="/api/merchant/campaigns/<campaign_id>/hits",
    page="/console/campaigns/<campaign_id>/hits",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="campaigns/hits",
)
def hits(call: Call, form: HitsForm) -> HitsView:
    """Every hit of a campaign, what it gave and cost; they sum to what its page tells."""
    page = service.hits(call.merchant_id, form)
    named = service.name_of(call.merchant_id, form.campaign_id)
    here, csv = "campaigns.hits.page", "campaigns.hits_csv.page"
    path = {"campaign_id": form.campaign_id}
    links = lists.links(call, form, here, page.next_cursor, csv=csv, path=path)
    return HitsView(**dict(page), **links, campaign_name=named)


@feature.get(
    api="/api/merchant/campaigns/<campaign_id>/hits.csv",
    page="/console/campaigns/<campaign_id>/hits.csv",
    roles=lists.EXPORTERS,
    scope=Scope.QUERY,
    media="text/csv",
)
def hits_csv(call: Call, form: HitsForm) -> Response:
    """A campaign's hits as a CSV file, all pages of it."""
    here = zone()
    header = [_("When (%(zone)s)", zone=here.key), _("Customer id"), _("Event"), _("By hand")]
    header += [_("Given"), _("Units"), _("Cost"), _("Payment"), _("Hit id")]
    batches = service.every_hit(call.merchant_id, form)
    rows: Iterator[Any] = ([_hit_cells(one, here) for one in batch] for batch in batches)
    return lists.csv_file(call, "campaign-hits", form, header, rows)


def _hit_cells(one: HitView, here: ZoneInfo) -> list[Any]:
    kinds = " + ".join(given["type"] for given in one.given)
    first = [local(one.created_at, here), one.user_id, one.event, one.by_hand]
    return [*first, kinds, one.units, one.cost, one.payment_txn_id, one.hit_id]


@feature.post(
    api="/api/merchant/campaigns/<campaign_id>/status",
    page="/console/campaigns/<campaign_id>/status",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.CAMPAIGN_STATUS_SET,
    see_other=lambda view: url_for("campaigns.campaign.page", campaign_id=view.campaign_id),
    flash=lambda view: {
        "ACTIVE": _("The campaign runs."),
        "PAUSED": _("The campaign pauses."),
        "ARCHIVED": _("The campaign is put away. It can be brought back."),
    }[view.status],
)
def set_status(call: Call, form: StatusForm) -> CampaignStatusView:
    """Start, pause or put away a campaign."""
    return service.set_status(call.merchant_id, form, call.principal)


@feature.get(
    api="/api/payments/<payment_id>/campaigns",
    page="/console/payments/<payment_id>/campaigns",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="campaigns/of_payment",
)
def of_payment(call: Call, form: PaymentPathForm) -> PaymentHitsView:
    """What campaigns gave for a payment; they look at it a moment after it was taken."""
    return service.given_for(call.merchant_id, form.payment_id)
