"""A strategy asked for outright: of a template of the library, or in words."""

from flask import url_for

from mealquest.core.principal import MANAGEMENT
from mealquest.strategy import notes, service
from mealquest.strategy.forms import PlanForm, PlanPathForm
from mealquest.strategy.plan_replies import PlanView
from mealquest.tenancy.service import Operation
from mealquest.web.frame import Call, Face, Feature, Scope

feature = Feature("strategy_plans")
PAGE_WAIT_S = 1.5  # the page of the plan then shows that it is thought about, and renews itself


@feature.word
def plan_question(slot: str) -> str:
    """What is still to be said, in the reader's language; the plan itself keeps the shop's."""
    return notes.question(slot)


def _next_page(view: PlanView) -> str:
    if view.proposal_id:
        return url_for("strategy.proposal.page", proposal_id=view.proposal_id)
    return url_for("strategy_plans.show.page", plan_id=view.plan_id)


@feature.post(
    api="/api/merchant/strategy-proposals",
    page="/console/strategy/plans",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.STRATEGY_PROPOSAL_CREATE,
    again="strategy.library",
    template="strategy/library",
    see_other=_next_page,
)
def create(call: Call, form: PlanForm) -> PlanView:
    """Ask for a strategy, and wait for what comes of it."""
    wait_s = PAGE_WAIT_S if call.face is Face.PAGE else None
    return service.propose(call.merchant_id, form, call.principal, wait_s)


@feature.get(
    api="/api/merchant/strategy-proposals/<plan_id>",
    page="/console/strategy/plans/<plan_id>",
    roles=MANAGEMENT,
    scope=Scope.QUERY,
    template="strategy/plan",
)
def show(call: Call, form: PlanPathForm) -> PlanView:
    """What came of a strategy that was asked for."""
    return service.plan(call.merchant_id, form.plan_id)
