"""Triggers beside everything else that moves a customer's money: nobody waits in a circle."""

from decimal import Decimal

from jobs.outbox import relay
from mealquest.campaigns import service as campaigns
from mealquest.campaigns.forms import StatusForm
from mealquest.wallet import service as wallets
from mealquest.wallet.forms import TopUpForm
from tests.campaigns.shops import make_campaign, trigger
from tests.campaigns.test_trigger import prove
from tests.factories.merchants import make_merchant
from tests.factories.outside import ask
from tests.factories.refunds import give_back
from tests.factories.requests import CLERK, OWNER, keyed
from tests.factories.threads import run_together
from tests.factories.wallet import make_wallet

ROUNDS = 8


def test_everything_at_once_leaves_the_books_right(app) -> None:
    row = make_wallet(make_merchant(budget_cap_minor=10_000_000), principal=500_000)
    merchant_id = row.merchant_id
    parts = [
        {"type": "GRANT_BONUS", "amount": 2},
        {"type": "GRANT_FRAGMENT", "amount": 1},
        {"type": "GRANT_VOUCHER", "voucher": {"type": "DISCOUNT_CARD", "discountRate": 0.9}},
    ]
    action = {"type": "COMPOSITE", "actions": parts}
    made = [make_campaign(merchant_id, action, cap=10_000, priority=p) for p in (1, 2, 3)]
    paid = [ask(row, 20, voucher_id="NONE").payment_txn_id for _ in range(ROUNDS)]

    def report() -> None:
        for _ in range(ROUNDS):
            trigger(row)

    def buy() -> None:
        for _ in range(ROUNDS):
            ask(row, 7)

    def top_up() -> None:
        for number in range(ROUNDS):
            form = TopUpForm(user_id=row.customer_id, amount=Decimal(5), method="CASH")
            wallets.top_up(merchant_id, form, CLERK, keyed(form, f"t{number}"))

    def refund() -> None:
        for payment in paid:
            give_back(row, payment, 20)

    def switch() -> None:
        for status in ("PAUSED", "ACTIVE") * (ROUNDS // 2):
            form = StatusForm(campaign_id=made[1], status=status)
            campaigns.set_status(merchant_id, form, OWNER)

    found = run_together(app, [report, report, buy, top_up, refund, switch, relay])

    assert [f for f in found if isinstance(f, Exception)] == []
    relay()
    prove(merchant_id)
