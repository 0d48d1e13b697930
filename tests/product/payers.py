"""Two merchants' payers at Stripe, whose cards are refused, and how Stripe tells of them.

Both accounts have the same ids of payers, invoices and even events, so that whatever is found by
less than its merchant as well shows.
"""

import json
import random
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product as pairs
from typing import Any

import httpx

from tests.fakes.stripe import StripeFake

INVOICES = 60  # of each merchant
CODES = ("insufficient_funds", "lost_card", "generic_decline", "expired_card", "do_not_honor")
CURRENCIES = ("usd", "eur", "jpy")
NEEDS_PERSON = "authentication_required"
TOLD = ("failed", "action_required", "paid", "succeeded", "voided")
Json = dict[str, Any]


@dataclass(frozen=True)
class Shop:
    """A merchant; its payers' addresses are at `domain`, its amounts begin with `digit`."""

    merchant_id: str
    account: str
    name: str
    domain: str
    digit: str


@dataclass
class Story:
    """What happens at Stripe, and how it is told: every event to both servers, in no order."""

    stripe: StripeFake
    shops: tuple[Shop, Shop]
    invoices: list[str]  # those that both have
    alone: dict[str, str]  # those that one has, with its account
    urls: list[str]
    told: set[tuple[str, str]] = field(default_factory=set)
    answers: list[tuple[str, str, Json]] = field(default_factory=list)

    def of_both(self, happens: Callable[[str, str], Any], invoices: Iterable[str]) -> None:
        for shop, invoice in pairs(self.shops, invoices):
            happens(shop.account, invoice)

    def tell(self, wanted: Callable[[str, str], bool] = lambda kind, invoice: True) -> None:
        """Deliver what is new and wanted, by the last word of its type and its invoice."""
        events = [one for one in self._news() if wanted(_word(one), one["data"]["object"]["id"])]
        self.told |= {(one["account"], one["id"]) for one in events}
        posts = list(pairs(events, self.urls))
        random.Random(len(posts)).shuffle(posts)
        with ThreadPoolExecutor(6) as hands, httpx.Client(timeout=30) as client:
            self.answers += hands.map(lambda post: self._post(client, *post), posts)

    def _post(self, client: httpx.Client, event: Json, url: str) -> tuple[str, str, Json]:
        body, header = self.stripe.signed(event)
        headers = {"Stripe-Signature": header, "Content-Type": "application/json"}
        answer = client.post(f"{url}/api/stripe/webhook", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return event["account"], event["id"], answer.json()["result"]

    def _news(self) -> list[Json]:
        """Of invoices that failed; the first ones of their subscriptions did not."""
        ours = {*self.invoices, *self.alone}
        return [
            event
            for shop in self.shops
            for event in self.stripe.events(shop.account)
            if event["data"]["object"]["id"] in ours
            and _word(event) in TOLD
            and (shop.account, event["id"]) not in self.told
        ]

    def at_stripe(self, shop: Shop) -> dict[str, Json]:
        """Every invoice of a merchant that failed, as it is there in the end."""
        names = [*self.invoices, *(one for one, at in self.alone.items() if at == shop.account)]
        return {name: self.stripe.invoice(shop.account, name) for name in names}


def _word(event: Json) -> str:
    """`invoice.payment_failed`: failed."""
    return str(event["type"]).removeprefix("invoice.").removeprefix("payment_")


def fail_all(stripe: StripeFake, account: str) -> list[str]:
    """Renewals fail. Every sixth payer has two such invoices; every eighth has to be there."""
    bills: list[Json] = []
    for number in range(INVOICES):
        again = {"customer": bills[-1]["customer"]} if number % 6 == 1 else {}
        bill = stripe.fails(
            account,
            NEEDS_PERSON if number % 8 == 4 else CODES[number % len(CODES)],
            amount=10_000 + number,
            currency=CURRENCIES[number % len(CURRENCIES)],
            email=f"payer-{number}@noodles.example",
            **again,
        )
        bills.append(bill)
    return [str(bill["id"]) for bill in bills]


def fail_one(stripe: StripeFake, shop: Shop) -> str:
    """A renewal that only this merchant has."""
    amount = int(f"{shop.digit}9999")
    return str(stripe.fails(shop.account, amount=amount, email=f"one@{shop.domain}")["id"])


def copy(stripe: StripeFake, from_: Shop, to: Shop) -> None:
    """Everything of an account again at another one, under the same ids, for other amounts."""
    store = stripe.world.store
    rows = store.run("SELECT kind, body FROM objects WHERE account = ? ORDER BY seq", from_.account)
    with store.change():
        for kind, body in rows:
            own = body.replace(from_.account, to.account).replace(from_.domain, to.domain)
            own = re.sub(rf"(?<![:\w.]){from_.digit}(\d{{4}})(?!\w)", rf"{to.digit}\1", own)
            store.put(to.account, json.loads(own), kind)
