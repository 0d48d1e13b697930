"""When a campaign takes hold: every operator, limit and order, without a database."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mealquest.campaigns.actions import ActionFaulty, cost_of, gives, story_fault
from mealquest.campaigns.domain import (
    Campaign,
    CampaignStatus,
    Condition,
    Decision,
    Limits,
    Purse,
    Used,
    Verdict,
    decide,
    in_order,
    is_held_out,
    may_become,
)
from mealquest.core.errors import Invalid
from mealquest.core.money import Currency

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORY = {"templateId": "t", "narrative": "n", "assets": [], "triggers": []}


def campaign(id_="c", *conditions, priority=50, order=0, **values) -> Campaign:
    limits = Limits(
        **{"cap_units": 10, "cost_units": 1}
        | {k: values.pop(k) for k in list(values) if k in Limits.__slots__}
    )
    asked = tuple(Condition(*c) for c in conditions)
    status = values.pop("status", CampaignStatus.ACTIVE)
    return Campaign(
        id_, id_, status, priority, "E", asked, {}, limits, values.get("ttl_until"), order
    )


def verdict(one: Campaign, context=None, used=None, purse=None, **how) -> Verdict:
    return decide(one, context or {}, NOW, used or Used(), purse or Purse(), **how).verdict


TABLE = [
    # equal without coercion
    ("eq", True, True, True),
    ("eq", "true", True, False),
    ("eq", 1, True, False),
    ("eq", 1, 1.0, True),
    ("eq", Decimal("1.0"), 1, True),
    ("eq", "1", 1, False),
    ("eq", None, None, True),
    ("eq", [1], [1], False),
    ("neq", "true", True, True),
    ("neq", True, True, False),
    # numbers, and what looks like one
    ("gte", 20, 20, True),
    ("gte", "20", 20, True),
    ("gte", 19.99, 20, False),
    ("gte", True, 1, True),
    ("gte", "", 0, True),
    ("gte", "soup", 0, False),
    ("gte", "1_0", 5, False),
    ("gte", "inf", 5, False),
    ("gte", None, 0, False),
    ("gte", [50], 20, False),
    ("lte", 20, "20", True),
    ("lte", 21, 20, False),
    ("lte", "nan", 20, False),
    # members of an array, and of nothing else
    ("includes", ["A", "B"], "B", True),
    ("includes", ["1"], 1, False),
    ("includes", "AB", "B", False),
    # what nobody knows
    ("gt", 5, 1, False),
    ("GTE", 5, 1, False),
]


@pytest.mark.parametrize(("op", "found", "value", "expected"), TABLE)
def test_an_operator(op, found, value, expected) -> None:
    assert Condition("f", op, value).is_true_of({"f": found}) is expected


def test_what_is_missing_is_only_not_equal() -> None:
    truth = {
        op: Condition("f", op, 1).is_true_of({}) for op in ("eq", "neq", "gte", "lte", "includes")
    }
    assert truth == {"eq": False, "neq": True, "gte": False, "lte": False, "includes": False}
    assert Condition("f", "eq", None).is_true_of({}) is False


def test_all_conditions_must_be_true_and_the_first_that_is_not_is_named() -> None:
    one = campaign("c", ("a", "eq", 1), ("b", "eq", 2), ("d", "eq", 3))
    assert decide(one, {"a": 1, "b": 0, "d": 0}, NOW, Used(), Purse()) == Decision(
        "c", Verdict.CONDITION, 1
    )
    assert verdict(campaign()) is Verdict.HIT


def test_a_campaign_must_run_and_its_time_must_not_be_past() -> None:
    assert verdict(campaign(status=CampaignStatus.PAUSED)) is Verdict.NOT_ACTIVE
    assert verdict(campaign(ttl_until=NOW)) is Verdict.HIT
    assert verdict(campaign(ttl_until=NOW - timedelta(seconds=1))) is Verdict.EXPIRED


@pytest.mark.parametrize(
    ("used", "cost", "expected"), [(8, 2, Verdict.HIT), (9, 2, Verdict.BUDGET)]
)
def test_exactly_the_budget_is_allowed(used, cost, expected) -> None:
    assert verdict(campaign(cost_units=cost), used=Used(units=used)) is expected


CAPS = [
    ({"cap_minor": 100}, Used(minor=90), Verdict.MONEY_CAP),
    ({"customer_cap_minor": 100}, Used(customer_minor=90), Verdict.CUSTOMER_CAP),
    ({"day_cap_minor": 100}, Used(day_minor=90), Verdict.DAY_CAP),
]


@pytest.mark.parametrize(("limit", "used", "expected"), CAPS)
def test_a_cap_of_money_is_reached_and_never_passed(limit, used, expected) -> None:
    one = campaign(**limit)
    assert verdict(one, used=used, cost_minor=10) is Verdict.HIT
    assert verdict(one, used=used, cost_minor=11) is expected
    assert verdict(one, used=Used(1, 900, 900, 900), cost_minor=0) is Verdict.HIT


def test_the_purse_of_the_merchant_is_shared_by_all_campaigns_of_an_event() -> None:
    purse = Purse(left_minor=25)
    found = [verdict(campaign(str(i)), purse=purse, cost_minor=10) for i in range(3)]
    assert found == [Verdict.HIT, Verdict.HIT, Verdict.MERCHANT_CAP]
    assert purse.left_minor == 5


def test_the_first_of_a_group_keeps_the_others_out() -> None:
    purse = Purse()
    assert verdict(campaign("a", ("x", "eq", 1), group="g"), purse=purse) is Verdict.CONDITION
    assert verdict(campaign("b", group="g"), purse=purse) is Verdict.HIT
    assert verdict(campaign("c", group="g"), purse=purse) is Verdict.GROUP
    assert verdict(campaign("d"), purse=purse) is Verdict.HIT


def test_a_customer_has_it_only_so_often() -> None:
    one = campaign(customer_hits=2)
    assert verdict(one, used=Used(customer_hits=1)) is Verdict.HIT
    assert verdict(one, used=Used(customer_hits=2)) is Verdict.FREQUENCY


@given(st.lists(st.tuples(st.integers(-3, 3), st.text(max_size=3)), max_size=12))
@settings(max_examples=40)
def test_the_order_is_of_priority_and_then_of_age(made) -> None:
    campaigns = [campaign(name, priority=p, order=i) for i, (p, name) in enumerate(made)]
    ranks = [(-one.priority, one.order) for one in in_order(campaigns)]
    assert ranks == sorted(ranks)


@given(
    st.integers(0, 40),
    st.integers(0, 9),
    st.integers(0, 60),
    st.one_of(st.none(), st.integers(1, 300)),
    st.lists(st.booleans(), max_size=30),
)
@settings(max_examples=100)
def test_no_sequence_of_events_spends_more_than_it_may(cap, each, left, money, events) -> None:
    one = campaign("c", ("go", "eq", True), cap_units=cap, cost_units=each, cap_minor=money)
    used, purse = Used(), Purse(left_minor=left)
    for go in events:
        decision = decide(one, {"go": go}, NOW, used, purse, cost_minor=7)
        assert not (decision.hit and not go)
        if decision.hit:
            used = Used(used.units + each, used.minor + 7)
    assert used.units <= cap
    assert used.minor <= (money if money is not None else used.minor)
    assert used.minor + (purse.left_minor or 0) == left


def test_the_lot_is_always_the_same_and_about_as_large_as_it_is_meant() -> None:
    drawn = [is_held_out("c", f"u_{i}", 10) for i in range(4_000)]
    assert drawn == [is_held_out("c", f"u_{i}", 10) for i in range(4_000)]
    assert 320 < sum(drawn) < 480
    assert not any(is_held_out("c", f"u_{i}", 0) for i in range(200))


def test_any_state_may_follow_any_other() -> None:
    assert all(may_become(a, b) for a in CampaignStatus for b in CampaignStatus)


# --- what an action gives -------------------------------------------------------------------


def card(**values):
    return {"type": "GRANT_VOUCHER", "voucher": {"type": "ITEM_WARRANT", "value": 18} | values}


def test_a_composite_gives_its_parts_in_order_without_stories() -> None:
    parts = [
        {"type": "STORY_CARD", "story": "no story at all"},
        {"type": "GRANT_SILVER", "amount": 2},
        {"type": "COMPOSITE", "actions": [{"type": "GRANT_FRAGMENT", "amount": 3}, card()]},
    ]
    found = gives({"type": "COMPOSITE", "actions": parts}, Currency.CNY)
    assert [(g.type.value, g.path) for g in found] == [
        ("GRANT_SILVER", (1,)),
        ("GRANT_FRAGMENT", (2, 0)),
        ("GRANT_VOUCHER", (2, 1)),
    ]
    assert (found[1].fragment, found[1].count) == ("common", 3)
    assert cost_of({"type": "COMPOSITE", "actions": parts}, Currency.CNY) == 2_00 + 18_00


def test_a_discount_card_costs_nothing_when_it_is_given() -> None:
    assert cost_of(card(type="DISCOUNT_CARD", discountRate=0.5, value=0), Currency.CNY) == 0


FAULTS = [
    {},
    {"type": "FREE_LUNCH"},
    {"type": "STORY_CARD"},
    {"type": "STORY_CARD", "story": STORY | {"assets": "a"}},
    {"type": "GRANT_BONUS"},
    {"type": "GRANT_BONUS", "amount": -1},
    {"type": "GRANT_BONUS", "amount": "12"},
    {"type": "GRANT_BONUS", "amount": True},
    {"type": "GRANT_BONUS", "amount": 0.001},
    {"type": "GRANT_BONUS", "amount": float("nan")},
    {"type": "GRANT_PRINCIPAL", "amount": 10**12},
    {"type": "GRANT_FRAGMENT", "amount": 1.5},
    {"type": "GRANT_VOUCHER"},
    card(type="LOTTERY"),
    card(type="DISCOUNT_CARD", discountRate=1),
    {"type": "COMPOSITE"},
    {"type": "COMPOSITE", "actions": [card(), {"type": "GRANT_SILVER"}]},
]


@pytest.mark.parametrize("action", FAULTS, ids=str)
def test_a_faulty_action_is_refused_whole(action) -> None:
    with pytest.raises(Invalid):
        gives(action, Currency.CNY)
    assert cost_of(action, Currency.CNY) == 0


def test_nesting_has_an_end() -> None:
    action = card()
    for _ in range(50):
        action = {"type": "COMPOSITE", "actions": [action]}
    with pytest.raises(ActionFaulty):
        gives(action, Currency.CNY)


@pytest.mark.parametrize("key", list(STORY))
def test_a_story_needs_each_of_its_parts(key) -> None:
    assert story_fault(STORY) is None
    assert story_fault({k: v for k, v in STORY.items() if k != key}) == f"story.{key} is required"
    assert story_fault("soup") == "story must be an object"
