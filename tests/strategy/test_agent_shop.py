"""What the strategist knows of a shop: sums of its own rows, and nothing about anybody."""

import json

from mealquest.strategy.agent import run
from tests.factories.wallet import make_fixture_customer
from tests.payments.test_desk import take


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
