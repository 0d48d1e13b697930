"""Every call to Stripe on its bad days, and for whom each is made."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from flask import Flask

from mealquest.recovery import gateway
from mealquest.recovery.errors import (
    StripeAway,
    StripeFailed,
    StripeRefused,
    StripeUnauthorized,
)
from mealquest.recovery.gateway import StripeGateway
from tests.fakes.stripe import StripeFake

TIMES = count()  # a fault may be remembered under a key, so each call has one of its own
NOW, LONG_AGO = datetime.now(UTC), datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """What the calls are about."""

    fake: StripeFake
    account: str
    invoice: str
    subscription: str
    customer: str
    endpoint: str


Ask = Callable[[StripeGateway, World], Any]
OF_ACCOUNTS: dict[str, Ask] = {
    "invoice": lambda g, w: g.invoice(w.invoice),
    "invoices": lambda g, w: list(g.invoices("open", LONG_AGO)),
    "pay": lambda g, w: g.pay(w.invoice, f"key/{next(TIMES)}"),
    "subscription_status": lambda g, w: g.subscription_status(w.subscription),
    "events": lambda g, w: list(g.events(["invoice.paid"], LONG_AGO)),
    "cancel_subscriptions": lambda g, w: g.cancel_subscriptions(),
}
OF_PLATFORM: dict[str, Ask] = {
    "oauth_token": lambda g, w: g.oauth_token(w.fake.code_for(w.account)),
    "deauthorize": lambda g, w: g.deauthorize(w.account),
    "has_access": lambda g, w: g.has_access(w.account),
    "meter_event": lambda g, w: g.meter_event(
        customer_id=w.customer, value=1, identifier=f"log_{next(TIMES)}", at=NOW, name="mails"
    ),
    "create_customer": lambda g, w: g.create_customer(f"m_{next(TIMES)}"),
    "describe_customer": lambda g, w: g.describe_customer(w.customer, "Alpha", "a@example.org"),
    "webhook_endpoints": lambda g, w: g.webhook_endpoints(),
    "create_webhook_endpoint": lambda g, w: g.create_webhook_endpoint(
        "https://x.example/hook", ["invoice.paid"], connect=True
    ),
    "change_webhook_endpoint": lambda g, w: g.change_webhook_endpoint(w.endpoint, ["invoice.paid"]),
}
NO_CALLS = {"for_account", "platform", "authorize_url"}

# Kind of fault, with what makes it: which error a caller sees.
FAULTS: list[tuple[dict[str, Any], type[StripeFailed]]] = [
    ({"kind": "reset"}, StripeAway),
    ({"kind": "drop"}, StripeAway),
    ({"kind": "rate_limit", "seconds": 7}, StripeAway),
    ({"kind": "broken"}, StripeAway),
    ({"kind": "unavailable"}, StripeAway),
    ({"kind": "conflict"}, StripeAway),
    ({"kind": "unauthorized"}, StripeUnauthorized),
    ({"kind": "forbidden"}, StripeUnauthorized),
    ({"kind": "not_found"}, StripeRefused),
]


@pytest.fixture
def world(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with StripeFake() as fake:
        pointed: dict[str, Any] = {}
        fake.configure(pointed)
        for name, value in pointed.items():
            monkeypatch.setitem(app.config, name, value)
        account = fake.connect()
        bill = fake.fails(account)
        details = bill["parent"]["subscription_details"]
        platform = StripeGateway.platform()
        yield World(
            fake,
            account,
            bill["id"],
            details["subscription"],
            platform.create_customer("m_first"),
            str(platform.create_webhook_endpoint("https://x.example/", ["x"], connect=False)["id"]),
        )


def _gateway(name: str, world: World) -> StripeGateway:
    return StripeGateway(world.account if name in OF_ACCOUNTS else None, (1.0, 0.5))


ASKS = OF_ACCOUNTS | OF_PLATFORM


def test_every_call_is_tried() -> None:
    known = {name for name in vars(StripeGateway) if not name.startswith("_")}
    assert ASKS.keys() == known - NO_CALLS


def test_every_bad_day_of_every_call_is_one_of_three_kinds(world, subtests) -> None:
    """What may be asked again says so, and how long to wait; nothing else gets out."""
    for name, ask in ASKS.items():
        for how, expected in FAULTS:
            if (name, how["kind"]) == ("has_access", "forbidden"):
                continue  # that is its answer
            with subtests.test(f"{name}: {how['kind']}"):
                asked = len(world.fake.asked)
                world.fake.breaks(**how)
                with pytest.raises(StripeFailed) as failure:
                    ask(_gateway(name, world), world)
                assert type(failure.value) is expected
                assert len(world.fake.asked) == asked + 1, "the SDK may not repeat by itself"
                assert world.account not in str(failure.value)
                wait_s = getattr(failure.value, "wait_s", None)
                assert wait_s == (7 if how["kind"] == "rate_limit" else None)


def test_no_call_waits_for_ever(world, subtests) -> None:
    for name, ask in ASKS.items():
        with subtests.test(name):
            world.fake.breaks("delay", seconds=5)
            impatient = StripeGateway(world.account if name in OF_ACCOUNTS else None, (1.0, 0.02))
            with pytest.raises(StripeAway):
                ask(impatient, world)
            world.fake.world.faults.clear()
    world.fake.hurries()


def test_the_account_stands_on_its_own_calls_and_on_no_other(world, subtests) -> None:
    # what lets go of the account comes last
    declined: list[tuple[str, str]] = []
    last = ["cancel_subscriptions", "deauthorize"]
    for name in sorted(ASKS, key=lambda one: (one in last, one)):
        with subtests.test(name):
            before = len(world.fake.asked)
            try:
                ASKS[name](_gateway(name, world), world)
            except StripeRefused as refused:
                declined.append((name, refused.code))
            made = world.fake.asked[before:]
            assert made
            expected = world.account if name in OF_ACCOUNTS else ""
            assert {one.account for one in made} == {expected}
    assert declined == [("pay", "insufficient_funds")]


def test_what_may_be_repeated_carries_its_key(world) -> None:
    platform = StripeGateway.platform()
    again = [platform.create_customer("m_same") for _ in range(2)]
    with pytest.raises(StripeRefused):
        StripeGateway.for_account(world.account).pay(world.invoice, "pay/in/2")
    keys = [one.idempotency_key for one in world.fake.asked if "/" in one.idempotency_key]

    assert again[0] == again[1]
    assert keys == ["merchant/m_first", "merchant/m_same", "merchant/m_same", "pay/in/2"]


def test_an_invoice_brings_why_it_failed(world) -> None:
    found = StripeGateway.for_account(world.account).invoice(world.invoice)

    assert (found.status, found.customer_email) == ("open", "payer@example.com")
    assert found.decline
    assert found.decline.decline_code == "insufficient_funds"
    assert found.decline.network == "visa"
    assert found.decline.card
    assert found.hosted_url
    assert found.next_payment_attempt


def test_pages_are_read_to_their_end(world, monkeypatch) -> None:
    monkeypatch.setattr(gateway, "PAGE", 2)
    bills = {world.invoice, *(world.fake.fails(world.account)["id"] for _ in range(4))}
    mine = StripeGateway.for_account(world.account)

    assert {one.id for one in mine.invoices("open", LONG_AGO)} == bills
    assert mine.cancel_subscriptions() == len(
        [one for one in world.fake.asked if one.method == "DELETE"]
    )
