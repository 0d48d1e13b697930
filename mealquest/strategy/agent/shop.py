"""Facts of the owner's desk: today against the same weekday before, by hour, and what is owed."""

from mealquest.payments import service as payments
from mealquest.strategy.agent import facts
from mealquest.strategy.agent.facts import Fact


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


def register() -> None:
    facts.register("desk", desk)
