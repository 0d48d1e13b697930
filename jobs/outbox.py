"""The relay: hands committed events to whoever subscribes to their kind."""

import time

from mealquest.campaigns import service as campaigns
from mealquest.core import outbox
from mealquest.core.outbox import Subscribers
from mealquest.invoices import service as invoices
from mealquest.realtime import service as realtime

A_LITTLE_S = 1.0
A_FEW = 20
ROUNDS = 50  # one run's share; the tick rings again while anything is due


def together(*parts: Subscribers) -> Subscribers:
    """All who hear of each type of event, in the order given."""
    kinds = {kind for part in parts for kind in part}
    return {kind: tuple(who for part in parts for who in part.get(kind, ())) for kind in kinds}


# Event type -> who hears of it. An event without subscribers is simply delivered.
SUBSCRIBERS: Subscribers = together(
    realtime.SUBSCRIPTIONS,
    invoices.SUBSCRIPTIONS,
    campaigns.SUBSCRIPTIONS,
)


def relay() -> str:
    """Deliver what is due, batch by batch. Safe to run twice: a batch belongs to its claimer."""
    handled = 0
    for _ in range(ROUNDS):
        batch = outbox.deliver_due(SUBSCRIBERS)
        handled += batch
        if not batch:
            break
    return f"handled {handled}"


def relay_a_little() -> None:
    """A second's share, by the tick itself: events flow on while no worker can be rung for."""
    give_up = time.monotonic() + A_LITTLE_S
    while outbox.deliver_due(SUBSCRIBERS, limit=A_FEW) and time.monotonic() < give_up:
        pass
