"""What a trigger gives, leaves alone, and answers."""

from datetime import timedelta

import pytest

from mealquest.audit import service as audits
from mealquest.audit.forms import AuditForm
from mealquest.campaigns import service as campaigns
from mealquest.campaigns.checks import CHECKS
from mealquest.campaigns.domain import CampaignStatus
from mealquest.campaigns.forms import KillSwitchForm
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import Invalid
from mealquest.identity import service as identity
from mealquest.identity.service import UserNotFound
from mealquest.wallet import service as wallets
from mealquest.wallet.checks import CHECKS as WALLET_CHECKS
from tests.campaigns.shops import (
    BONUS,
    STORY,
    hits_of,
    make_campaign,
    row_of,
    trigger,
    triggers_of,
    verdicts_of,
)
from tests.factories.merchants import make_merchant
from tests.factories.outside import balances, triple
from tests.factories.requests import OWNER
from tests.factories.threads import run_together
from tests.factories.wallet import lots_of, make_wallet, vouchers_of

CARD = {"type": "ITEM_WARRANT", "name": "Soup", "value": 18, "minSpend": 0}


def prove(merchant_id: str) -> None:
    for check in (*CHECKS, *WALLET_CHECKS):
        assert check.find(merchant_id) == [], check.holds


def test_a_hit_gives_bonus_through_the_ledger(app) -> None:
    row = make_wallet(principal=1_000)
    campaign = make_campaign(row.merchant_id, None, ("orderAmount", "gte", 20), cap=10, cost=4)

    view = trigger(row, orderAmount=52)

    assert view.model_dump(mode="json", by_alias=True) == {
        "executed": [campaign],
        "storyCards": [],
        "blockedByKillSwitch": False,
        "grants": [{"campaignId": campaign, "bonusGranted": 12}],
    }
    assert triple(row) == (1_000, 1_200, 0)
    assert list(lots_of(row.merchant_id, row.customer_id).values()) == [1_200]
    assert balances(row.merchant_id)["merchant:gifts"] == -1_200
    (hit,) = hits_of(row.merchant_id)
    given = [{"type": "GRANT_BONUS", "amount": 12}]
    assert (hit.units, hit.cost_minor, hit.given) == (4, 1_200, given)
    assert row_of(row.merchant_id, campaign).used_units == 4
    prove(row.merchant_id)


def test_every_kind_of_gift_arrives_and_is_logged_in_order(app) -> None:
    row = make_wallet()
    parts = [
        {"type": "GRANT_SILVER", "amount": 1.5},
        {"type": "STORY_CARD", "story": STORY},
        {"type": "COMPOSITE", "actions": [{"type": "GRANT_PRINCIPAL", "amount": 2}]},
        {"type": "GRANT_FRAGMENT", "fragmentType": "spicy", "amount": 3},
        {"type": "GRANT_VOUCHER", "voucher": CARD},
    ]
    both = make_campaign(row.merchant_id, {"type": "COMPOSITE", "actions": parts}, priority=1)
    story = make_campaign(row.merchant_id, {"type": "STORY_CARD", "story": STORY}, priority=9)

    view = trigger(row)

    assert view.executed == [story, both]
    assert view.story_cards == [STORY]
    (voucher,) = vouchers_of(row.merchant_id, row.customer_id)
    assert view.grants == [
        {
            "campaignId": both,
            "composite": [
                {"campaignId": both, "silverGranted": 1.5},
                {
                    "campaignId": both,
                    "composite": [{"campaignId": both, "principalGranted": 2}],
                },
                {"campaignId": both, "fragmentType": "spicy", "fragmentGranted": 3},
                {"campaignId": both, "voucherGranted": voucher},
            ],
        }
    ]
    assert triple(row) == (200, 0, 150)
    with transaction(row.merchant_id) as session:
        facts = identity.customer_facts(session, row.merchant_id, row.customer_id)
    assert facts.fragments == {"spicy": 3, "noodle": 0}
    prove(row.merchant_id)


def test_each_voucher_has_its_own_id_its_time_and_its_giver(app) -> None:
    row = make_wallet()
    for days in (None, 7):
        voucher = CARD | ({"validDays": days} if days else {})
        make_campaign(row.merchant_id, {"type": "GRANT_VOUCHER", "voucher": voucher})

    trigger(row), trigger(row)

    with transaction(row.merchant_id) as session:
        found = wallets.purse(session, row.merchant_id, row.customer_id).vouchers
    lives = sorted(round((v.expires_at - utc_now()) / timedelta(days=1)) for v in found)
    assert lives == [7, 7, 30, 30]
    assert {v.id for v in found} == {h.given[0]["voucherId"] for h in hits_of(row.merchant_id)}


def test_the_context_s_tags_are_the_customer_s(app) -> None:
    row = make_wallet()  # tags: REGULAR
    make_campaign(row.merchant_id, None, ("tags", "includes", "VIP"))
    own = make_campaign(row.merchant_id, None, ("tags", "includes", "REGULAR"))

    assert trigger(row, tags=["VIP"]).executed == [own]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"status": CampaignStatus.PAUSED}, "NOT_ACTIVE"),
        ({"cap": 3, "cost": 4}, "BUDGET"),
        ({"day_cap_minor": 1_199}, "DAY_CAP"),
        ({"customer_cap_minor": 1_199}, "CUSTOMER_CAP"),
    ],
)
def test_what_stands_in_the_way_is_told_and_gives_nothing(app, values, verdict) -> None:
    row = make_wallet()
    campaign = make_campaign(row.merchant_id, **values)

    assert trigger(row).executed == []
    assert verdicts_of(row.merchant_id) == {campaign: verdict}
    assert (triple(row), hits_of(row.merchant_id)) == ((0, 0, 0), [])


def test_another_event_however_alike_is_none(app) -> None:
    row = make_wallet()
    make_campaign(row.merchant_id, event="payment_success")
    make_campaign(row.merchant_id, status=CampaignStatus.ARCHIVED)
    past = utc_now() - timedelta(minutes=1)
    late = make_campaign(row.merchant_id, ttl_until=past)

    assert trigger(row).executed == []
    assert verdicts_of(row.merchant_id) == {late: "EXPIRED"}


def test_limits_for_a_customer_hold_over_events_and_are_each_customer_s_own(app) -> None:
    row = make_wallet()
    other = make_wallet(row.merchant_id)
    once = make_campaign(row.merchant_id, customer_hits=1, customer_days=30)
    make_campaign(row.merchant_id, {"type": "GRANT_BONUS", "amount": 2}, customer_cap_minor=300)
    silver = {"type": "GRANT_SILVER", "amount": 1}
    first = make_campaign(row.merchant_id, silver, group="g", priority=70)
    make_campaign(row.merchant_id, silver, group="g", priority=60)

    assert trigger(row).executed[0] == first
    assert once not in trigger(row).executed
    assert sorted(verdicts_of(row.merchant_id).values()) == [
        "CUSTOMER_CAP",
        "FREQUENCY",
        "GROUP",
        "HIT",
    ]
    assert triple(row) == (0, 1_400, 200)
    assert len(trigger(other).executed) == 3


def test_an_invalid_story_leaves_nothing_behind(app) -> None:
    row = make_wallet()
    first = make_campaign(row.merchant_id, priority=90)
    bad = STORY | {"assets": None}
    make_campaign(row.merchant_id, {"type": "STORY_CARD", "story": bad}, priority=10)

    with pytest.raises(Invalid, match=r"story\.assets must be an array"):
        trigger(row, key="k")

    assert triple(row) == (0, 0, 0)
    assert row_of(row.merchant_id, first).used_units == 0
    assert triggers_of(row.merchant_id) == []


def test_a_key_gives_once(app) -> None:
    row = make_wallet()
    make_campaign(row.merchant_id)

    answers = {trigger(row, key="k").as_json() for _ in range(3)}

    assert len(answers) == 1
    assert triple(row) == (0, 1_200, 0)


def test_two_hundred_at_once_against_a_budget_of_fifty_give_exactly_fifty(app) -> None:
    row = make_wallet(make_merchant(budget_cap_minor=10_000_000))
    campaign = make_campaign(row.merchant_id, {"type": "GRANT_BONUS", "amount": 1}, cap=50)
    others = [make_wallet(row.merchant_id) for _ in range(9)]

    calls = [lambda who=who: trigger(who) for who in [row, *others] for _ in range(20)]
    found = run_together(app, calls)

    assert [f for f in found if isinstance(f, Exception)] == []
    assert sum(len(view.executed) for view in found) == 50
    stored = row_of(row.merchant_id, campaign)
    assert (stored.used_units, stored.hits, stored.spent_minor) == (50, 50, 5_000)
    assert sum(triple(who)[1] for who in [row, *others]) == 5_000
    prove(row.merchant_id)


# --- money ------------------------------------------------------------------------------------


def test_at_its_cap_a_campaign_stops_itself_and_says_so(app) -> None:
    row = make_wallet()
    campaign = make_campaign(row.merchant_id, cap_minor=2_500)  # 12 each

    assert len(trigger(row).executed + trigger(row).executed + trigger(row).executed) == 2

    stored = row_of(row.merchant_id, campaign)
    assert (stored.status, stored.stopped_why) == (CampaignStatus.PAUSED, "MONEY_CAP")
    told = audits.logs(row.merchant_id, AuditForm(action="CAMPAIGN_STATUS_SET"))
    (entry,) = told.items
    assert entry.details == {"campaignId": campaign, "status": "PAUSED", "reason": "MONEY_CAP"}


def test_the_merchant_s_budget_holds_over_all_campaigns_of_a_month(app) -> None:
    row = make_wallet(make_merchant(budget_cap_minor=2_000))
    first = make_campaign(row.merchant_id, priority=90)
    second = make_campaign(row.merchant_id, priority=80)
    free = make_campaign(row.merchant_id, {"type": "STORY_CARD", "story": STORY}, priority=10)

    assert trigger(row).executed == [first, free]
    assert row_of(row.merchant_id, second).stopped_why == "MERCHANT_CAP"
    assert trigger(row).executed == [free]
    assert triple(row) == (0, 1_200, 0)


def test_budgets_of_a_month_hold_when_campaigns_hit_at_once(app) -> None:
    """Two campaigns that have nothing in common but the month."""
    row = make_wallet(make_merchant(budget_cap_minor=2_400))
    other = make_wallet(row.merchant_id)
    for event in ("A", "B"):
        make_campaign(row.merchant_id, event=event)

    calls = [
        lambda who=who, event=event: trigger(who, event)
        for who in (row, other)
        for event in ("A", "B")
        for _ in range(4)
    ]
    found = run_together(app, calls)

    assert [f for f in found if isinstance(f, Exception)] == []
    assert triple(row)[1] + triple(other)[1] == 2_400
    prove(row.merchant_id)


# --- the kill switch ----------------------------------------------------------------------------


def test_the_kill_switch_stops_everything_and_is_told(app) -> None:
    row = make_wallet()
    campaign = make_campaign(row.merchant_id)
    campaigns.set_kill_switch(row.merchant_id, KillSwitchForm(enabled=True), OWNER)

    view = trigger(row)

    assert view.model_dump(by_alias=True) == {
        "executed": [],
        "storyCards": [],
        "blockedByKillSwitch": True,
        "grants": [],
    }
    assert (triple(row), row_of(row.merchant_id, campaign).used_units) == ((0, 0, 0), 0)
    (entry,) = audits.logs(row.merchant_id, AuditForm(action="TCA_TRIGGER")).items
    assert entry.status == "BLOCKED"
    campaigns.set_kill_switch(row.merchant_id, KillSwitchForm(enabled=False), OWNER)
    assert trigger(row).executed == [campaign]


def test_once_the_switch_has_answered_nothing_is_given_any_more(app) -> None:
    row = make_wallet(make_merchant(budget_cap_minor=10_000_000))
    make_campaign(row.merchant_id, BONUS, cap=10_000)

    def stop() -> int:
        campaigns.set_kill_switch(row.merchant_id, KillSwitchForm(enabled=True), OWNER)
        return triple(row)[1]

    def go() -> None:
        for _ in range(5):
            trigger(row)

    at_the_answer, *_ = run_together(app, [stop, go, go, go])
    assert triple(row)[1] == at_the_answer


def test_nobody_is_given_anything_at_another_merchant(app) -> None:
    row, stranger = make_wallet(), make_wallet()
    make_campaign(row.merchant_id)
    make_campaign(stranger.merchant_id)
    row.merchant_id, mine = stranger.merchant_id, row.merchant_id

    with pytest.raises(UserNotFound):
        trigger(row)
    assert (hits_of(mine), hits_of(stranger.merchant_id)) == ([], [])


def test_what_is_kept_of_a_context_is_what_was_asked_and_nobody_s_phone(app) -> None:
    row = make_wallet()
    make_campaign(row.merchant_id, None, ("note", "neq", "x"), ("n", "gte", 1))

    trigger(row, note="call +8613712345678 or a@b.cn\x00", n=10**400, secret="Li")

    (kept,) = triggers_of(row.merchant_id)
    assert kept.context == {"note": "call … or …"}
