"""Whole stories in one step: a payer whose renewal fails, and one who pays at last."""

from dataclasses import dataclass
from typing import Any

from mealquest.engines.stripe_sandbox import billing, objects
from mealquest.engines.stripe_sandbox.cards import CARDS, GOOD
from mealquest.engines.stripe_sandbox.errors import ApiError, bad
from mealquest.engines.stripe_sandbox.world import World

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """`amount` in minor units of `currency`; `card` is a test number; `customer` an earlier payer.

    `billing_reason` other than `subscription_cycle` is written on the invoice as it is.
    """

    account: str
    card: str
    amount: int = 4200
    currency: str = "usd"
    email: str = "payer@example.com"
    name: str = "Sample Payer"
    customer: str = ""
    billing_reason: str = "subscription_cycle"


def failed_payment(world: World, wish: Wish) -> Json:
    """A subscription that ran well for a month and whose renewal the card refuses.

    Returns the invoice after its first attempt, which a card that works has paid.
    """
    if wish.amount <= 0 or len(wish.currency) != 3:
        raise bad("An amount above zero and a currency of three letters are wanted.")
    account = "" if wish.account == "platform" else wish.account
    if account:
        world.require_access(account)
    payer = _payer(world, account, wish)
    good = billing.make_method(world, account, GOOD.number, payer["id"])
    sold = world.keep(account, objects.product(world.now, "Sandbox plan"))
    cost = world.keep(
        account,
        objects.price(world.now, wish.amount, wish.currency.lower(), sold["id"], "month"),
    )
    sub = billing.subscribe(world, account, payer, cost, 1, good["id"])
    refused = billing.make_method(world, account, wish.card, payer["id"])
    sub["default_payment_method"] = refused["id"]
    world.keep(account, sub)
    if wish.billing_reason == "subscription_cycle":
        return billing.renew(world, account, sub)
    bill = billing.make_invoice(world, account, payer, sub, reason=wish.billing_reason)
    return billing.attempt(world, account, bill["id"])


def _payer(world: World, account: str, wish: Wish) -> Json:
    if wish.customer:
        return world.take(account, "customer", wish.customer, "customer")
    form = {"email": wish.email or None, "name": wish.name}
    return world.keep(account, objects.customer(world.now, form))


def pay_by_payer(world: World, account: str, invoice: str, number: str = "") -> Json:
    """The payer brings a card to the invoice's page and is there to authenticate.

    The invoice as it stands then; 400 when it waits for no money.
    """
    bill = world.take(account, "invoice", invoice)
    if bill["status"] not in {"open", "uncollectible"}:
        raise ApiError(400, f"The invoice is {bill['status']}.", code="invoice_not_open")
    method = billing.make_method(
        world, account, number if number in CARDS else GOOD.number, bill["customer"]
    )
    bill = billing.attempt(world, account, invoice, method=method, by_hand=True, present=True)
    sub = billing.subscription_of(world, account, bill)
    if bill["status"] == "paid" and sub and sub["status"] != "canceled":
        world.keep(account, sub | {"default_payment_method": method["id"]})
    return bill
