"""Several drafts: kept side by side, one picked, and only what is shown approved."""

from decimal import Decimal

import pytest
from flask_babel import force_locale
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from mealquest.campaigns.models import CampaignReplay
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.strategy import candidates, queries, risk, service
from mealquest.strategy.agent.domain import Decision, Mode
from mealquest.strategy.drafting import Shop
from mealquest.strategy.errors import CandidateNotFound, ProposalChanged, ProposalHandled
from mealquest.strategy.forms import ConfirmForm, PickForm, ProposalsForm, ReviewForm
from mealquest.strategy.models import ProposalRow
from tests.factories.http import assert_problem, bearer, client_of, staff_token
from tests.factories.threads import run_together
from tests.strategy.chats import COOLING, TOO_MUCH, open_shop, propose, say

pytestmark = pytest.mark.usefixtures("app")
PAYBOX = {"templateId": "revenue_paybox", "branchId": "REBATE", "title": "A little for many"}


def several(*drafts):
    return Decision(Mode.PROPOSAL, "Here are drafts.", drafts)


def drafted(app, said=None):
    """A shop, its owner, and the proposal that its chat waits with."""
    shop, owner = open_shop()
    waits = say(app, shop, owner, "Draft one", said or propose()).pending_review
    return shop, owner, service.detail(shop, waits.proposal_id)


def pick(shop, owner, proposal, number):
    form = PickForm(proposal_id=proposal.id, hash=proposal.candidates[number].hash)
    return service.pick(shop, form, owner)


def confirm(shop, owner, proposal_id, shown=None):
    return service.confirm(shop, ConfirmForm(proposal_id=proposal_id, hash=shown), owner)


def test_one_draft_brings_a_careful_and_a_bold_one_along(app):
    _shop, _owner, found = drafted(app)
    said = [
        (one.variant, one.budget.cap, one.budget.cost_per_hit, one.priority, one.most_hits)
        for one in found.candidates
    ]
    assert said == [
        ("BALANCED", 120, 10, 82, 12),
        ("CONSERVATIVE", 90, 8, 78, 11),
        ("AGGRESSIVE", 150, 11, 88, 13),
    ]
    first, careful, _bold = found.candidates
    assert (first.is_picked, first.hash) == (True, found.hash)
    assert first.title == found.title == COOLING["title"]
    assert careful.title == "Fits the weather · Cool when it is hot · Conservative"
    assert COOLING["rationale"] not in careful.rationale
    assert found.refused_candidates == []


def test_picking_puts_another_one_in_its_place_and_only_that_is_approved(app):
    shop, owner, found = drafted(app)
    picked = pick(shop, owner, found, 1)
    assert picked.hash == found.candidates[1].hash != found.hash
    assert [one.is_picked for one in picked.candidates] == [False, True, False]
    card = service.current(shop, None).pending_review
    assert (card.proposal_id, card.hash, card.budget.cap) == (found.id, picked.hash, 90)
    assert [one.is_picked for one in card.candidates] == [False, True, False]
    for shown in (found.hash, None):  # what was there before, and what nobody says was seen
        with pytest.raises(ProposalChanged):
            confirm(shop, owner, found.id, shown)
    done = confirm(shop, owner, found.id, picked.hash)
    assert done.campaign_id == picked.suggested_campaign["id"]
    (runs,) = service.current(shop, None).active_campaigns
    assert (runs.id, runs.priority) == (done.campaign_id, 78)
    with pytest.raises(ProposalHandled):
        pick(shop, owner, found, 0)


def test_each_content_is_replayed_at_once_and_one_that_waits_already_is_not_again(app):
    shop, owner, found = drafted(app)
    first = replay_row(shop, found.id)
    picked = pick(shop, owner, found, 2)
    assert picked.replay
    assert picked.replay.state == "WAITING"
    asked = replay_row(shop, found.id)
    assert (first.content_hash, asked.content_hash) == (found.hash, picked.hash)
    assert pick(shop, owner, found, 2).hash == picked.hash
    assert replay_row(shop, found.id).created_at == asked.created_at > first.created_at


def replay_row(shop: str, proposal_id: str) -> CampaignReplay:
    with transaction(shop) as session:
        return session.get_one(CampaignReplay, (shop, f"proposal:{proposal_id}"))


def test_what_the_limits_stand_against_is_named_beside_what_is_kept(app):
    shop, owner = open_shop()
    large = COOLING | {"campaignPatch": {"budget": {"cap": 400, "costPerHit": 10}}}
    waits = say(app, shop, owner, "Large", propose(large)).pending_review
    found = service.detail(shop, waits.proposal_id)
    assert [one.variant for one in found.candidates] == ["BALANCED", "CONSERVATIVE"]
    (refused,) = found.refused_candidates
    assert refused.variant == "AGGRESSIVE"
    assert refused.reasons == ["budget cap exceeds guardrail (500 > 450)"]


def test_the_first_sound_one_of_several_waits(app):
    _shop, _owner, found = drafted(app, several(TOO_MUCH, PAYBOX, COOLING))
    assert found.template_id == "revenue_paybox"
    assert [(one.variant, one.template_id) for one in found.candidates] == [
        (None, "revenue_paybox"),
        (None, "activation_contextual_drop"),
    ]
    assert [one.title for one in found.refused_candidates] == [TOO_MUCH["title"]]


def test_when_none_is_sound_each_is_named(app):
    shop, owner = open_shop()
    other = TOO_MUCH | {"title": "Another"}
    view = say(app, shop, owner, "Huge", several(TOO_MUCH, other))
    assert view.status == "BLOCKED"
    reason = "budget cap exceeds guardrail (9999 > 450)"
    assert view.reasons == [f"{TOO_MUCH['title']}: {reason}", f"Another: {reason}"]


def test_the_template_that_is_left_is_a_draft_again(app):
    shop, owner, found = drafted(app, several(PAYBOX, COOLING))
    pick(shop, owner, found, 1)
    known = {one.template_id: one.status for one in service.configs(shop).items}
    assert known == {"revenue_paybox": "DRAFT", "activation_contextual_drop": "PENDING_APPROVAL"}


def test_a_candidate_changed_aside_is_not_picked(app):
    shop, owner, found = drafted(app)
    with transaction(shop) as session:
        row = queries.proposal(session, shop, found.id)
        bent = [dict(one) for one in row.candidates]
        bent[1] = bent[1] | {"campaign": bent[1]["campaign"] | {"priority": 999}}
        changed = update(ProposalRow).where(
            ProposalRow.merchant_id == shop, ProposalRow.id == found.id
        )
        session.execute(changed.values(candidates=bent))
    with pytest.raises(ProposalChanged):
        pick(shop, owner, found, 1)
    with pytest.raises(CandidateNotFound):
        service.pick(shop, PickForm(proposal_id=found.id, hash="0" * 64), owner)


def test_a_pick_and_an_approval_at_once_never_approve_what_was_not_seen(app):
    shop, owner, found = drafted(app)
    review = ReviewForm(proposal_id=found.id, decision="APPROVE", hash=found.hash)

    def one(call):
        try:
            return call()
        except (ProposalChanged, ProposalHandled) as refusal:
            return refusal

    calls = [
        lambda: one(lambda: service.review(shop, review, owner)),
        lambda: one(lambda: pick(shop, owner, found, 2)),
    ]
    run_together(app, calls)
    (after,) = service.listed(shop, ProposalsForm()).items
    if after.status == "APPROVED":
        assert after.hash == found.hash
    else:
        assert after.hash == found.candidates[2].hash


def test_only_the_owner_picks_and_another_shop_finds_none(app):
    shop, _owner, found = drafted(app)
    other, _theirs = open_shop()
    body = {"hash": found.candidates[1].hash}
    path, client = f"/api/merchant/proposals/{found.id}/pick", client_of(app)
    manager = bearer(staff_token(shop, "staff_manager"))
    assert_problem(client.post(path, json=body, headers=manager), 403, "permission denied")
    stranger = bearer(staff_token(other))
    assert_problem(client.post(path, json=body, headers=stranger), 404, "proposal not found")
    picked = client.post(path, json=body, headers=bearer(staff_token(shop)))
    assert (picked.status_code, picked.get_json()["hash"]) == (200, body["hash"])


@settings(max_examples=30, deadline=None)
@given(
    cap=st.integers(1, 700),
    cost=st.integers(1, 120),
    priority=st.integers(30, 1100),
    confidence=st.none() | st.floats(0, 1),
)
def test_what_is_kept_is_sound_and_goes_its_way(app, cap, cost, priority, confidence):
    shop = Shop("m_1", Currency.CNY, Decimal(300))
    patch = {"budget": {"cap": cap, "costPerHit": cost}, "priority": priority}
    said = COOLING | {"campaignPatch": patch, "confidence": confidence}
    with app.test_request_context(), force_locale("en"):
        found = candidates.of_chat([said], shop, utc_now())
    budgets = {}
    for one in found.sound:
        assert risk.reasons(one.draft.campaign, shop.budget_cap) == []
        assert (one.draft.confidence is None) == (confidence is None)
        budgets[one.temper] = one.draft.campaign["budget"]
    assert all(one.draft.reasons for one in found.refused)
    first = budgets.get("BALANCED")
    for key in ("cap", "costPerHit") if first else ():
        assert budgets.get("CONSERVATIVE", first)[key] <= first[key]
        assert budgets.get("AGGRESSIVE", first)[key] >= first[key]
