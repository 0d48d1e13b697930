"""Facts of the shop: its day and what it owes, its customers by bands, and what campaigns did."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

from mealquest.campaigns import service as campaigns
from mealquest.campaigns.service import Result
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.payments import service as payments
from mealquest.strategy.agent import facts
from mealquest.strategy.agent.facts import Fact, Figure
from mealquest.wallet import service as wallets

FEWEST: Final = 5  # customers that are told of together
PAST: Final = 4  # campaigns that are told of
WEEK: Final = timedelta(days=7)


def desk(merchant_id: str) -> list[Fact]:
    """Sums over all customers together; an hour in which nothing was taken is left out."""
    seen = payments.desk(merchant_id)
    money = seen.currency.value
    found = [
        Fact(name, title, {"taken": day.taken, "refunded": day.refunded, "net": day.net}, money)
        for name, title, day in (
            ("sales.today", "Sales today", seen.today),
            ("sales.week_ago", "Sales on the same weekday before, by this time", seen.before),
        )
    ]
    orders = {"today": seen.today.count, "week_ago": seen.before.count}
    owed = seen.owed
    balances = {"principal": owed.principal, "bonus": owed.bonus, "silver": owed.silver}
    hours = {f"h{hour.hour:02d}": hour.taken for hour in seen.hours if hour.taken}
    found.append(Fact("orders", "Orders today and a week ago", orders, "orders"))
    found.append(Fact("wallets.owed", "Balances owed to customers", balances, money))
    found.append(Fact("wallets.filled", "Wallets that hold something", {"wallets": owed.wallets}))
    if hours:
        found.append(Fact("sales.by_hour", "Sales today by hour", hours, money))
    return found


def customers(merchant_id: str) -> list[Fact]:
    """By the last order and by what was spent: bands of at least five, never a person."""
    seen = payments.customer_bands(merchant_id)
    people, money = "customers", seen.currency.value
    found: list[tuple[str, str, Mapping[str, Figure], str]] = [
        ("customers.by_recency", "Customers by their last order", seen.by_recency, people),
        ("customers.by_spend", "Customers by what they spent lately", seen.by_spend, people),
        ("spend.by_spend", "Spent lately by bands of customers", seen.spent, money),
    ]
    return [Fact(name, title, figures, unit) for name, title, figures, unit in found if figures]


def expiring(merchant_id: str) -> list[Fact]:
    """Vouchers that are owed and soon are not."""
    with transaction(merchant_id) as session:
        soon = wallets.expiring_vouchers(session, merchant_id, utc_now() + WEEK)
    title = "Vouchers that can be used and expire within a week"
    return [Fact("wallets.expiring", title, {"vouchers": soon}, "vouchers")] if soon else []


def past_campaigns(merchant_id: str) -> list[Fact]:
    """What the newest campaigns of the library did: hits, cost, vouchers that came back, lift."""
    return [_past(one) for one in campaigns.results(merchant_id, PAST)]


def _past(one: Result) -> Fact:
    figures: dict[str, int | Decimal] = {"hits": one.hits, "cost": one.cost}
    if one.customers >= FEWEST:
        figures["customers"] = one.customers
    if one.vouchers:
        figures |= {"vouchers": one.vouchers, "redeemed": one.redeemed}
    if one.lift is not None:
        figures["lift"] = one.lift
    name = f"campaigns.{one.template_id}.{one.branch_id.lower()}"
    title = f"What a campaign did: {one.template_id} {one.branch_id} (cost in {one.currency})"
    return Fact(name, title, figures)


def register() -> None:
    facts.register("desk", desk)
    facts.register("customers", customers)
    facts.register("expiring", expiring)
    facts.register("campaigns", past_campaigns)
