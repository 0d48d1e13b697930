"""A proposal is decided once, by the owner, about what was shown, and then it is a campaign."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, text, update

from mealquest.campaigns.models import CampaignRow
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.onboarding import demo
from mealquest.strategy import service as strategy
from mealquest.strategy.errors import ProposalHandled
from mealquest.strategy.forms import ConfirmForm, RejectForm
from mealquest.strategy.models import ProposalRow
from mealquest.tenancy.models import MerchantSettings
from tests.factories.http import assert_problem, bearer, client_of, staff_token
from tests.factories.requests import OWNER
from tests.factories.threads import run_together

pytestmark = pytest.mark.usefixtures("app")
STORE, RAINY = "m_store_001", "proposal_rainy"
CONFIRM = f"/api/merchant/proposals/{RAINY}/confirm"


@pytest.fixture(autouse=True)
def shop():
    demo.load()


def post(app, path: str, who: str = "staff_owner", **fields):
    return client_of(app).post(path, json=fields, headers=bearer(staff_token(STORE, who)))


def get(app, path: str, who: str = "staff_owner"):
    return client_of(app).get(path, headers=bearer(staff_token(STORE, who)))


def campaigns_of(merchant_id: str) -> dict[str, CampaignRow]:
    with transaction(merchant_id) as session:
        found = select(CampaignRow).where(CampaignRow.merchant_id == merchant_id)
        return {row.id: row for row in session.scalars(found)}


def test_the_owner_confirms_and_a_campaign_runs_from_then_on(app):
    before = utc_now()
    answer = post(app, CONFIRM, merchantId=STORE, operatorId="somebody")

    assert answer.status_code == 200, answer.text
    assert answer.get_json() == {
        "proposalId": RAINY,
        "status": "APPROVED",
        "campaignId": "campaign_rainy_hot_soup",
    }
    made = campaigns_of(STORE)["campaign_rainy_hot_soup"]
    assert made.holdout_percent == 10  # of the shop's customers, as the product is configured
    assert (made.event, made.priority, made.cap_units, made.cost_units) == (
        "WEATHER_CHANGE",
        90,
        60,
        12,
    )
    assert made.ttl_until is not None
    assert timedelta(0) <= made.ttl_until - before - timedelta(hours=4) < timedelta(minutes=1)
    shown = get(app, f"/api/state?merchantId={STORE}").get_json()
    assert [(p["id"], p["status"]) for p in shown["proposals"]] == [(RAINY, "APPROVED")]
    assert shown["dashboard"]["pendingProposals"] == []
    (config,) = shown["strategyConfigs"]
    assert (config["status"], config["lastCampaignId"]) == ("ACTIVE", "campaign_rainy_hot_soup")
    assert_problem(post(app, CONFIRM), 400, "proposal already handled", "PROPOSAL_ALREADY_HANDLED")


def test_the_demo_proposal_waits_as_the_contract_has_it(app):
    board = get(app, f"/api/merchant/dashboard?merchantId={STORE}").get_json()
    assert [(p["id"], p["title"]) for p in board["pendingProposals"]] == [
        (RAINY, "Rainy Day Promotion")
    ]
    (config,) = get(app, "/api/merchant/strategy-configs").get_json()["items"]
    assert config.items() >= {
        ("templateId", "activation_contextual_drop"),
        ("branchId", "COMFORT"),
        ("status", "ACTIVE"),
        ("lastProposalId", RAINY),
        ("lastCampaignId", "campaign_rainy_hot_soup"),
    }


@pytest.mark.parametrize("who", ["staff_manager", "staff_clerk"])
def test_nobody_but_the_owner_decides(app, who):
    assert_problem(post(app, CONFIRM, who), 403, "permission denied")
    assert_problem(post(app, CONFIRM.replace("confirm", "reject"), who), 403, "permission denied")
    assert strategy.detail(STORE, RAINY).status == "PENDING"


def test_an_unknown_proposal_is_not_found(app):
    assert_problem(post(app, CONFIRM.replace(RAINY, "other")), 404, "proposal not found")


def test_an_approval_is_bound_to_what_was_shown(app):
    assert_problem(post(app, CONFIRM, hash="0" * 64), 409, code="PROPOSAL_CHANGED")
    shown = get(app, f"/api/merchant/proposals/{RAINY}").get_json()["hash"]
    assert post(app, CONFIRM, hash=shown).status_code == 200


def test_what_was_changed_behind_the_product_is_not_approved(app):
    with transaction(STORE) as session:
        session.execute(
            text(
                "UPDATE proposals SET campaign = jsonb_set(campaign, '{budget,cap}', '400')"
                " WHERE merchant_id = :m"
            ),
            {"m": STORE},
        )
    assert_problem(post(app, CONFIRM), 409, code="PROPOSAL_CHANGED")
    assert "campaign_rainy_hot_soup" not in campaigns_of(STORE)


def test_the_limits_are_asked_again_at_approval(app):
    """The budget it was drafted against has fallen since."""
    campaign = strategy.detail(STORE, RAINY).suggested_campaign
    keep = {k: campaign[k] for k in campaign if k not in ("merchantId", "status", "strategyMeta")}
    bigger = keep | {"id": "campaign_big", "budget": {"cap": 400, "used": 0, "costPerHit": 12}}
    new = strategy.NewProposal(
        id="proposal_big",
        title="Big",
        intent="",
        template_id="revenue_paybox",
        branch_id="REBATE",
        strategy_meta={},
        campaign=bigger,
    )
    with transaction(STORE) as session:
        strategy.add(session, STORE, new, "fixture")
        session.execute(
            update(MerchantSettings)
            .where(MerchantSettings.merchant_id == STORE)
            .values(budget_cap_minor=20_000)
        )
    problem = assert_problem(
        post(app, "/api/merchant/proposals/proposal_big/confirm"), 409, code="PROPOSAL_BLOCKED"
    )
    assert problem["reasons"] == ["budget cap exceeds guardrail (400 > 300)"]
    assert strategy.detail(STORE, "proposal_big").status == "PENDING"


def test_a_hundred_approvals_at_once_make_one_campaign(app):
    form = ConfirmForm(proposal_id=RAINY)
    said = run_together(app, [lambda: strategy.confirm(STORE, form, OWNER)] * 50)
    said += run_together(app, [lambda: strategy.confirm(STORE, form, OWNER)] * 50)
    assert sum(not isinstance(one, Exception) for one in said) == 1
    assert {type(one) for one in said if isinstance(one, Exception)} == {ProposalHandled}
    assert list(campaigns_of(STORE)).count("campaign_rainy_hot_soup") == 1


def test_a_rejection_keeps_its_reason_and_is_final(app):
    answer = post(app, CONFIRM.replace("confirm", "reject"), reason="too dear, call +8613900000000")
    assert answer.get_json() == {"proposalId": RAINY, "status": "REJECTED"}
    kept = strategy.detail(STORE, RAINY)
    assert (kept.status, kept.rejected_by) == ("REJECTED", "staff_owner")
    assert kept.reject_reason == "too dear, call …"
    assert_problem(post(app, CONFIRM), 400, "proposal already handled")
    with pytest.raises(ProposalHandled):
        strategy.dismiss(STORE, RejectForm(proposal_id=RAINY), OWNER)
    assert strategy.configs(STORE).items[0].status == "REJECTED"


def test_an_approval_or_a_rejection_wins_and_never_both(app):
    yes, no = ConfirmForm(proposal_id=RAINY), RejectForm(proposal_id=RAINY)
    calls = [
        lambda: strategy.confirm(STORE, yes, OWNER),
        lambda: strategy.dismiss(STORE, no, OWNER),
    ]
    said = run_together(app, calls * 10)
    assert sum(not isinstance(one, Exception) for one in said) == 1
    with transaction(STORE) as session:
        row = session.get_one(ProposalRow, (STORE, RAINY))
    assert (row.status == "APPROVED") == ("campaign_rainy_hot_soup" in campaigns_of(STORE))


def test_the_worst_case_is_every_hit_the_budget_allows(app):
    shown = strategy.detail(STORE, RAINY)
    assert (shown.most_hits, shown.cost_of_hit, shown.worst_case) == (5, Decimal(0), Decimal(0))
