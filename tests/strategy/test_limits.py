"""What a proposal may hold: the closed list, and every limit. No database."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask_babel import Babel, force_locale
from hypothesis import given, settings
from hypothesis import strategies as st

from mealquest.campaigns.actions import ActionType, gives
from mealquest.campaigns.domain import Operator
from mealquest.campaigns.word_views import event_words
from mealquest.core.clock import utc_now
from mealquest.core.money import Currency
from mealquest.strategy import drafting, risk
from mealquest.strategy.catalogue import LIBRARY
from mealquest.strategy.domain import content_hash, difference
from mealquest.strategy.drafting import Draft, Shop, Wish
from mealquest.strategy.gifts import KEYS, VOUCHER, leaves
from mealquest.strategy.limit_words import limit_words
from mealquest.strategy.patches import OPERATORS

SHOP = Shop("m_1", Currency.CNY, Decimal(300))
BONUS = {"type": "GRANT_BONUS", "amount": 5}


WORDS = Flask("words")
Babel(WORDS)


@contextmanager
def english() -> Iterator[None]:
    """Names of the library have a language; an application of its own, whatever else runs."""
    with WORDS.app_context(), force_locale("en"):
        yield


def drafted(said: dict[str, Any], wish: Wish | None = None) -> Draft:
    with english():
        return drafting.draft(said, SHOP, utc_now(), wish)


def draft(patch: Any = None, **said: Any) -> Draft:
    """A draft of a template that gives bonus."""
    proposal = {"templateId": "revenue_paybox", "branchId": "JACKPOT", "campaignPatch": patch}
    return drafted(proposal | said)


def composite(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"action": {"type": "COMPOSITE", "actions": list(actions)}}


def voucher(**said: Any) -> dict[str, Any]:
    card = {"type": "NO_THRESHOLD_VOUCHER", "name": "V", "value": 10, **said}
    return {"type": "GRANT_VOUCHER", "voucher": card}


# --- the library ------------------------------------------------------------------------------


def test_the_library_has_13_templates_with_two_branches():
    assert len(LIBRARY) == 13
    assert all(len(template.branches) == 2 for template in LIBRARY.values())
    with english():
        names = [branch.name for template in LIBRARY.values() for branch in template.branches]
    assert len(set(names)) == 26
    cold = LIBRARY["activation_contextual_drop"].branch("COOLING")
    assert (cold.cap, cold.cost, cold.priority, cold.ttl_hours) == (120, 10, 86, 2)


def test_pages_have_words_for_every_event_of_the_library():
    with english():
        for template in LIBRARY.values():
            for branch in template.branches:
                made = template.campaign(branch)
                assert event_words(made["trigger"]["event"]) != made["trigger"]["event"]


@pytest.mark.parametrize("template_id", LIBRARY)
def test_every_branch_of_the_library_is_within_its_own_limits(template_id):
    for branch in LIBRARY[template_id].branches:
        one = drafted({"templateId": template_id, "branchId": branch.id})
        assert (one.reasons, one.dropped, one.difference) == ([], [], [])
        assert gives(one.campaign["action"], Currency.CNY)


def test_the_words_of_the_list_are_those_of_the_engine():
    assert {operator.value for operator in Operator} == OPERATORS
    assert {kind.value for kind in ActionType} == KEYS.keys()


# --- each limit of the contract ---------------------------------------------------------------

LIMITS: list[tuple[Any, str]] = [
    ({"trigger": {"event": ""}}, "missing trigger event"),
    ({"budget": {"cap": 0}}, "invalid budget cap"),
    ({"budget": {"cap": "many"}}, "invalid budget cap"),
    ({"budget": {"cap": float("inf")}}, "invalid budget cap"),
    ({"budget": {"cap": 451}}, "budget cap exceeds guardrail (451 > 450)"),
    ({"budget": {"costPerHit": 0}}, "invalid cost per hit"),
    ({"budget": {"cap": 120, "costPerHit": 73}}, "cost per hit exceeds guardrail"),
    ({"budget": {"cap": 10, "costPerHit": 61}}, "cost per hit exceeds guardrail"),
    ({"priority": 39}, "priority out of safe range"),
    ({"priority": 1000}, "priority out of safe range"),
    ({"ttlHours": "soon"}, "invalid ttl"),
    ({"ttlHours": -1}, "invalid ttl"),
    ({"ttlUntil": "tomorrow"}, "invalid ttl"),
    ({"ttlHours": 73}, "ttl exceeds 72h guardrail"),
    ({"ttlUntil": "2999-01-01T00:00:00Z"}, "ttl exceeds 72h guardrail"),
    ({"action": voucher(value=101)}, "voucher value exceeds guardrail"),
    (
        {"conditions": [{"field": f"f{n}", "op": "eq", "value": n} for n in range(11)]},
        "too many conditions",
    ),
    # limits on what may be granted, inside COMPOSITE too
    (composite(voucher(value=101)), "voucher value exceeds guardrail"),
    ({"action": {"type": "GRANT_BONUS", "amount": 101}}, "bonus exceeds guardrail"),
    ({"action": {"type": "GRANT_SILVER", "amount": 101}}, "silver exceeds guardrail"),
    (composite(BONUS, {"type": "GRANT_SILVER", "amount": 101}), "silver exceeds guardrail"),
    ({"action": {"type": "GRANT_PRINCIPAL", "amount": 1}}, "principal may not be granted"),
    (composite({"type": "GRANT_PRINCIPAL", "amount": 1}), "principal may not be granted"),
    ({"action": {"type": "GRANT_FRAGMENT", "amount": 101}}, "fragments exceed guardrail"),
    (
        {"action": voucher(type="DISCOUNT_CARD", value=0, discountRate=0.49)},
        "discount rate below guardrail",
    ),
    (
        composite(composite(voucher(type="DISCOUNT_CARD", discountRate=0.1))["action"]),
        "discount rate below guardrail",
    ),
    (composite(*[BONUS] * 6), "too many actions"),
    (composite(composite(*[BONUS] * 3)["action"], *[BONUS] * 3), "too many actions"),
    (
        composite({"type": "GRANT_BONUS", "amount": 100}, voucher(value=51)),
        "grants exceed guardrail (151 > 150)",
    ),
    # what is not on the list and would change who gets what
    ({"action": {"type": "SEND_MONEY"}}, "unsupported action type"),
    (composite({"type": "SEND_MONEY"}), "unsupported action type"),
    ({"action": {"type": "COMPOSITE", "actions": []}}, "invalid actions: action"),
    ({"audience": "VIP"}, "unsupported field: audience"),
    ({"limits": {"perCustomer": 1}}, "unsupported field: limits"),
    ({"trigger": {"event": "RECHARGE", "schedule": "* *"}}, "unsupported field: trigger.schedule"),
    ({"action": {"amount": 5, "recipients": ["u_1"]}}, "unsupported field: action.recipients"),
    ({"budget": {"perUser": 3}}, "unsupported field: budget.perUser"),
    ({"conditions": "none"}, "conditions must be a list"),
    ({"conditions": None}, "conditions must be a list"),
    (
        {"conditions": [{"field": "a", "op": "regex", "value": 1}]},
        "unsupported condition operator: regex",
    ),
    (
        {"conditions": [{"field": "a", "op": "eq", "value": {"$ne": 1}}]},
        "invalid condition value: conditions[0]",
    ),
    (
        {"conditions": [{"field": "a", "op": "eq", "value": 1, "unless": 2}]},
        "unsupported field: conditions[0].unless",
    ),
    ({"ttlHours": 1e24}, "ttl exceeds 72h guardrail"),
    ("everything", "campaignPatch must be an object"),
]


@pytest.mark.parametrize(("patch", "reason"), LIMITS)
def test_what_breaks_a_limit_is_blocked_and_says_so(patch, reason):
    """On the wire in its own words, to people in theirs."""
    assert reason in draft(patch).reasons
    with english():
        assert limit_words(reason) != reason
        assert limit_words(f"A title: {reason}") == f"A title: {limit_words(reason)}"


@pytest.mark.parametrize(
    "patch",
    [
        {"budget": {"cap": 450, "costPerHit": 270}},
        {"budget": {"cap": 10, "costPerHit": 60}},
        {"priority": 40},
        {"priority": 999},
        {"ttlHours": 72},
        {"action": voucher(value=100)},
        {"action": voucher(type="DISCOUNT_CARD", value=0, discountRate=0.5)},
        composite(*[{"type": "GRANT_BONUS", "amount": 30}] * 5),
        {"conditions": [{"field": f"f{n}", "op": "eq", "value": n} for n in range(10)]},
    ],
)
def test_exactly_at_a_limit_is_allowed(patch):
    one = draft(patch)
    assert one.reasons == []
    assert gives(one.campaign["action"], Currency.CNY)


def test_every_reason_is_told_at_once():
    told = draft({"budget": {"cap": 9999, "costPerHit": 9000}, "priority": 1}).reasons
    assert told == [
        "budget cap exceeds guardrail (9999 > 450)",
        "cost per hit exceeds guardrail",
        "priority out of safe range",
    ]


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"ttlHours": 0}, "invalid ttl"),
        ({"ttlHours": "soon"}, "invalid ttl"),
        ({"trigger": None}, "missing trigger event"),
        ({"priority": None}, "priority out of safe range"),
        ({"budget": {}}, "invalid cost per hit"),
        ({"action": {"type": "COMPOSITE", "actions": []}}, "the action gives nothing"),
        ({"action": voucher(type="DISCOUNT_CARD")}, "discount rate below guardrail"),
    ],
)
def test_what_was_stored_is_weighed_without_what_read_it(part, reason):
    """At approval nothing stands between the row and the limits."""
    assert reason in risk.reasons(draft().campaign | part, Decimal(300))


def test_a_larger_merchant_may_plan_with_more():
    campaign = draft({"budget": {"cap": 450}}).campaign
    assert risk.reasons(campaign, Decimal(300)) == []
    assert risk.reasons(campaign, Decimal(1)) == ["budget cap exceeds guardrail (450 > 300)"]


# --- what is dropped, and what is said of it --------------------------------------------------


def test_what_is_harmless_is_dropped_and_listed():
    one = draft(
        {
            "id": "campaign_1",
            "merchantId": "m_2",
            "status": "PAUSED",
            "color": "red",
            "budget": {"used": -5},
            "conditions": [{"field": "orderAmount", "op": "gte", "value": 30, "note": "n"}],
            "action": {"icon": "x"},
        }
    )
    assert one.reasons == []
    assert set(one.dropped) == {
        "id",
        "merchantId",
        "status",
        "color",
        "budget.used",
        "conditions[0].note",
        "action.icon",
    }
    assert one.campaign["budget"]["used"] == 0
    assert one.campaign["id"].startswith("campaign_revenue_paybox_jackpot_")
    assert one.difference == []


def test_objects_merge_and_lists_replace():
    one = draft({"name": " A  name ", "budget": {"cap": 100.9}, "priority": 60.7, "conditions": []})
    assert one.campaign["budget"] == {"cap": 100, "used": 0, "costPerHit": 15}
    assert (one.campaign["name"], one.campaign["priority"]) == ("A name", 60)
    assert one.campaign["conditions"] == []
    assert {part["path"] for part in one.difference} == {
        "name",
        "budget.cap",
        "priority",
        "conditions",
    }


def test_template_and_branch_fall_back_as_the_contract_has_it():
    wish = Wish("revenue_paybox", "JACKPOT")
    unknown = drafted({"templateId": "?", "branchId": 7}, wish)
    assert (unknown.template.id, unknown.branch.id) == ("revenue_paybox", "JACKPOT")
    first = drafted({})
    assert (first.template.id, first.branch.id) == ("acquisition_welcome_gift", "DEFAULT")


def test_confidence_is_clamped_or_nothing():
    said = [2, -1, 0.5, "high", float("nan")]
    assert [draft(confidence=one).confidence for one in said] == [1, 0, 0.5, None, None]


def test_the_difference_is_exact():
    old, new = {"a": 1, "b": {"c": 2, "d": 3}, "x": 1}, {"a": 1, "b": {"c": 4, "d": 3}, "y": True}
    assert difference(old, new) == [
        {"path": "b.c", "from": 2, "to": 4},
        {"path": "y", "from": None, "to": True},
        {"path": "x", "from": 1, "to": None},
    ]


def test_the_hash_knows_every_part():
    campaign = draft().campaign
    before = content_hash("p", "t", campaign)
    assert content_hash("p", "t", json.loads(json.dumps(campaign))) == before
    for part in campaign:
        assert content_hash("p", "t", campaign | {part: "other"}) != before
    assert content_hash("q", "t", campaign) != before != content_hash("p", "u", campaign)


# --- whatever a model writes ------------------------------------------------------------------

_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_NAMES = (
    "name priority trigger event conditions field op value budget cap used costPerHit ttlHours"
    " ttlUntil action type amount voucher discountRate minSpend validDays story narrative assets"
    " actions id merchantId status audience fragmentType x"
)
_keys = st.sampled_from(_NAMES.split()) | st.text(max_size=4)
_words = st.sampled_from([*KEYS, "eq", "includes", "DISCOUNT_CARD", "ITEM_WARRANT", "RECHARGE"])
_any = st.recursive(
    _scalars | _words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=5),
    max_leaves=25,
)
_action = st.deferred(
    lambda: st.fixed_dictionaries(
        {"type": st.sampled_from(list(KEYS))},
        optional={
            "amount": st.integers(0, 120) | _scalars,
            "actions": st.lists(_action, max_size=3),
            "voucher": st.fixed_dictionaries(
                {"type": _words, "value": st.integers(0, 120) | _scalars},
                optional={"discountRate": st.floats(0, 1), "validDays": _scalars, "x": _any},
            ),
            "story": _any,
            "validDays": _scalars,
            "extra": _any,
        },
    )
)
_patch = st.fixed_dictionaries(
    {},
    optional={
        "action": _action | _any,
        "budget": st.dictionaries(_keys, st.integers(-1, 500) | _scalars, max_size=4),
        "conditions": st.lists(_any, max_size=3) | _any,
        "trigger": _any,
        "priority": st.integers(0, 1200) | _any,
        "ttlHours": _any,
        "ttlUntil": _any,
        "name": _any,
        "merchantId": _any,
        "status": _any,
    },
)


@settings(max_examples=300, deadline=None)
@given(_patch | _any, st.sampled_from(list(LIBRARY)))
def test_nothing_outside_the_list_ever_reaches_a_campaign(patch, template_id):
    one = draft(patch, templateId=template_id)
    campaign = one.campaign
    assert campaign.keys() == {
        "id",
        "name",
        "priority",
        "trigger",
        "conditions",
        "budget",
        "action",
        "ttlHours",
    }
    assert campaign["trigger"].keys() == {"event"}
    assert campaign["budget"].keys() == {"cap", "used", "costPerHit"}
    assert campaign["budget"]["used"] == 0
    for condition in campaign["conditions"]:
        assert condition.keys() == {"field", "op", "value"}
        assert condition["op"] in OPERATORS
    text = json.dumps(campaign, allow_nan=False)
    assert "\\u0000" not in text
    text.encode()
    if one.reasons:
        return
    given = list(leaves(campaign["action"]))
    assert 0 < len(given) <= 5
    for leaf in given:
        assert leaf.keys() <= KEYS[leaf["type"]]
        assert leaf.get("voucher", {}).keys() <= VOUCHER
        assert leaf["type"] != "GRANT_PRINCIPAL"
    worth = sum(give.cost_minor for give in gives(campaign["action"], Currency.CNY))
    assert worth <= 15_000
    assert 0 < campaign["budget"]["cap"] <= 450
