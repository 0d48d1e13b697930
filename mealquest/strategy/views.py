"""The library and the inbox: what there is to use, and what waits for the owner."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, url_for
from pydantic import Field

from mealquest.core.principal import MANAGEMENT, MERCHANT, Role
from mealquest.core.spreadsheet import local
from mealquest.core.wire import NoInput
from mealquest.strategy import service
from mealquest.strategy.forms import (
    ConfirmForm,
    PickForm,
    ProposalPathForm,
    ProposalsForm,
    RejectForm,
)
from mealquest.strategy.library_replies import ConfigsView, LibraryView
from mealquest.strategy.replies import (
    ConfirmView,
    ProposalsPage,
    ProposalView,
    RejectView,
)
from mealquest.tenancy.service import Operation
from mealquest.web import lists
from mealquest.web.frame import Call, Feature, Reply, Scope
from mealquest.web.lists import Listing
from mealquest.web.look import translate as _
from mealquest.web.look import zone

feature = Feature("strategy")
OWNER = frozenset({Role.OWNER})


class ProposalsView(ProposalsPage, Listing):
    pass


class ProposalPage(ProposalView):
    may_decide: bool = Field(False, exclude=True)


class LibraryPage(LibraryView):
    may_ask: bool = Field(False, exclude=True)


@feature.get(
    api="/api/merchant/strategy-library",
    page="/console/strategy/library",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="strategy/library",
)
def library(call: Call, form: NoInput) -> LibraryPage:
    """The templates with their branches, and how the strategist stands."""
    found = service.library(call.merchant_id)
    return LibraryPage(**dict(found), may_ask=call.principal.role in MANAGEMENT)


@feature.get(api="/api/merchant/strategy-configs", roles=MERCHANT, scope=Scope.QUERY)
def configs(call: Call, form: NoInput) -> ConfigsView:
    """What became of each template that was ever used."""
    return service.configs(call.merchant_id)


@feature.get(
    api="/api/merchant/proposals",
    page="/console/proposals",
    roles=MANAGEMENT,
    scope=Scope.QUERY,
    template="strategy/proposals",
)
def proposals(call: Call, form: ProposalsForm) -> ProposalsView:
    """Proposals by state and template, newest first."""
    page = service.listed(call.merchant_id, form)
    here, csv = "strategy.proposals.page", "strategy.proposals_csv.page"
    return ProposalsView(**dict(page), **lists.links(call, form, here, page.next_cursor, csv=csv))


@feature.get(
    api="/api/merchant/proposals.csv",
    page="/console/proposals.csv",
    roles=lists.EXPORTERS,
    scope=Scope.QUERY,
    media="text/csv",
)
def proposals_csv(call: Call, form: ProposalsForm) -> Response:
    """The list of proposals as a CSV file, all pages of it."""
    header = [_("Proposal"), _("Title"), _("State"), _("Template"), _("Branch"), _("Event")]
    header += [_("Budget (units)"), _("Units per hit"), _("Cost of a hit"), _("Worst case")]
    header += [_("Campaign id"), _("Reason"), _("Created (%(zone)s)", zone=zone().key)]
    rows: Iterator[Any] = (
        [_cells(one, zone()) for one in batch] for batch in service.every(call.merchant_id, form)
    )
    return lists.csv_file(call, "proposals", form, header, rows)


def _cells(one: ProposalView, here: ZoneInfo) -> list[Any]:
    campaign = one.suggested_campaign
    what = [one.id, one.title, one.status, one.template_id, one.branch_id]
    budget = [campaign["budget"]["cap"], campaign["budget"]["costPerHit"]]
    sums = [one.cost_of_hit, one.worst_case]
    after = [one.campaign_id, one.reject_reason, local(one.created_at, here)]
    return [*what, campaign["trigger"]["event"], *budget, *sums, *after]


@feature.get(
    api="/api/merchant/proposals/<proposal_id>",
    page="/console/proposals/<proposal_id>",
    roles=MANAGEMENT,
    scope=Scope.QUERY,
    template="strategy/proposal",
)
def proposal(call: Call, form: ProposalPathForm) -> ProposalPage:
    """One proposal: what it would do, what it would cost, how it differs from the library."""
    found = service.detail(call.merchant_id, form.proposal_id)
    return ProposalPage(**dict(found), may_decide=call.principal.role is Role.OWNER)


@feature.post(
    api="/api/merchant/proposals/<proposal_id>/confirm",
    page="/console/proposals/<proposal_id>/confirm",
    roles=OWNER,
    scope=Scope.PINNED,
    gate=Operation.PROPOSAL_CONFIRM,
    again="strategy.proposal",
    template="strategy/proposal",
    see_other=lambda view: url_for("campaigns.campaign.page", campaign_id=view.campaign_id),
    flash=lambda _view: _("The proposal is approved, and its campaign runs."),
)
def confirm(call: Call, form: ConfirmForm) -> ConfirmView:
    """Approve a proposal: its campaign runs from now on."""
    return service.confirm(call.merchant_id, form, call.principal)


@feature.post(
    api="/api/merchant/proposals/<proposal_id>/pick",
    page="/console/proposals/<proposal_id>/pick",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.PROPOSAL_CONFIRM,
    action="PROPOSAL_CANDIDATE_PICK",
    again="strategy.proposal",
    template="strategy/proposal",
    flash=lambda _view: _("This draft waits for approval now. Look at it before you approve."),
)
def pick(call: Call, form: PickForm) -> ProposalPage | Reply:
    """Put another candidate in the place of the one that waits."""
    found = service.pick(call.merchant_id, form, call.principal)
    back = url_for("strategy.proposal.page", proposal_id=found.id)
    if form.in_chat:
        back = url_for("strategy_chat.chat.page", _anchor="proposal")
    view = ProposalPage(**dict(found), may_decide=call.principal.role is Role.OWNER)
    return Reply(view, see_other=back)


@feature.post(
    api="/api/merchant/proposals/<proposal_id>/reject",
    page="/console/proposals/<proposal_id>/reject",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.PROPOSAL_CONFIRM,
    action="STRATEGY_CHAT_REVIEW",
    again="strategy.proposal",
    template="strategy/proposal",
    see_other=lambda _view: url_for("strategy.proposals.page"),
    flash=lambda _view: _("The proposal is rejected. The next draft takes your reason along."),
)
def reject(call: Call, form: RejectForm) -> RejectView:
    """Reject a proposal; why is kept for the next draft."""
    return service.dismiss(call.merchant_id, form, call.principal)
