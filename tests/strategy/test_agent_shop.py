"""What the strategist knows of a shop: sums of its own rows, and nothing about anybody."""

import json
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from mealquest.campaigns import service as campaigns
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from mealquest.payments.bands import FEWEST, Band, told
from mealquest.strategy.agent import run
from tests.campaigns.shops import trigger
from tests.factories.merchants import make_merchant
from tests.factories.wallet import make_fixture_customer, make_wallet
from tests.payments.test_desk import backdate, take


def test_figures_are_the_shops_own_and_name_nobody(app) -> None:
    other = make_fixture_customer()
    row = make_fixture_customer()
    take(row, 52, "a")
    take(other, 41, "b")
    facts = {fact["id"].partition("#")[0]: fact for fact in run.facts_of(row.merchant_id)}
    assert facts["sales.today"]["figures"] == {"taken": 52, "refunded": 0, "net": 52}
    assert facts["sales.today"]["unit"] == "CNY"
    assert facts["orders"]["figures"] == {"today": 1, "week_ago": 0}
    assert sum(facts["sales.by_hour"]["figures"].values()) == 52
    assert facts["wallets.filled"]["figures"] == {"wallets": 1}
    said = json.dumps(list(facts.values()))
    assert row.customer_id not in said
    assert row.merchant_id not in said


def bought(shop: str, amount: int, days_ago: int) -> None:
    """A new customer who bought once, so long ago."""
    row = make_wallet(shop, principal=amount * 100)
    paid = take(row, amount, row.customer_id)
    backdate(shop, paid.payment_txn_id, utc_now() - timedelta(days=days_ago))


def facts_of(shop: str) -> dict[str, dict]:
    return {fact["id"].partition("#")[0]: fact["figures"] for fact in run.facts_of(shop)}


def test_customers_are_told_of_in_bands_of_which_none_is_small(app) -> None:
    shop = make_merchant()
    assert "customers.by_recency" not in facts_of(shop)
    for number in range(7):
        bought(shop, 10, 3)
        bought(shop, 100, 40 if number < 6 else 200)
    found = facts_of(shop)
    # One bought long ago: that band is too small, and the next one would tell it.
    assert found["customers.by_recency"] == {"last_month": 7}
    assert found["customers.by_spend"] == {"little": 7, "more": 6}
    assert found["spend.by_spend"] == {"little": 70, "more": 600}


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 12)))
def test_no_band_that_is_told_is_small_and_none_can_be_worked_out(sizes) -> None:
    kept = told({name: Band(count, 0) for name, count in sizes.items()})
    assert all(band.customers >= FEWEST for band in kept.values())
    left_out = sum(count for name, count in sizes.items() if name not in kept)
    is_small = any(0 < count < FEWEST for count in sizes.values())
    few = sum(count for count in sizes.values() if count < FEWEST)
    assert left_out >= FEWEST or left_out == (few if is_small else 0)


def test_what_a_campaign_did_is_told_by_its_template(app) -> None:
    row = make_fixture_customer()
    meta = {"templateId": "revenue_paybox", "branchId": "REBATE"}
    new = campaigns.NewCampaign(
        id=new_id("campaign"),
        name="A campaign",
        event="PAYMENT_SUCCESS",
        priority=50,
        action={"type": "GRANT_BONUS", "amount": 12},
        limits=campaigns.Limits(cap_units=100, cost_units=1),
        strategy_meta=meta,
    )
    with transaction(row.merchant_id) as session:
        campaigns.add(session, row.merchant_id, new, "fixture")
    trigger(row)
    found = facts_of(row.merchant_id)
    figures = found["campaigns.revenue_paybox.rebate"]
    assert figures["hits"] == 1
    assert "customers" not in figures  # too few to be told of
    assert new.id not in json.dumps(found)
