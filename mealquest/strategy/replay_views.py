"""A proposal run over what has happened, before the owner decides."""

from flask import url_for
from pydantic import Field

from mealquest.campaigns.service import ReplayView
from mealquest.core.principal import MANAGEMENT
from mealquest.strategy import service
from mealquest.strategy.forms import ProposalPathForm
from mealquest.tenancy.service import Operation
from mealquest.web.frame import Call, Feature, Scope

feature = Feature("strategy_replays")


class ProposalReplayPage(ReplayView):
    proposal_id: str = Field("", exclude=True)


@feature.get(
    api="/api/merchant/proposals/<proposal_id>/replay",
    page="/console/proposals/<proposal_id>/replay",
    roles=MANAGEMENT,
    scope=Scope.QUERY,
    template="strategy/replay",
)
def replay(call: Call, form: ProposalPathForm) -> ProposalReplayPage:
    """What a proposal would have done in the last 90 days."""
    found = service.replay(call.merchant_id, form)
    return ProposalReplayPage(**dict(found), proposal_id=form.proposal_id)


@feature.post(
    api="/api/merchant/proposals/<proposal_id>/replay",
    page="/console/proposals/<proposal_id>/replay",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.CAMPAIGN_REPLAY,
    again="strategy_replays.replay",
    template="strategy/replay",
    see_other=lambda view: url_for(
        "strategy.proposal.page", proposal_id=view.proposal_id, _anchor="replay"
    ),
)
def replay_again(call: Call, form: ProposalPathForm) -> ProposalReplayPage:
    """Have a proposal replayed anew, by a job, when the last time is more than a day ago."""
    found = service.replay_again(call.merchant_id, form, call.principal)
    return ProposalReplayPage(**dict(found), proposal_id=form.proposal_id)
