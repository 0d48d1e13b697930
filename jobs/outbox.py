"""The relay: hands committed events to whoever subscribes to their kind."""

from mealquest.core import outbox
from mealquest.core.outbox import Subscribers
from mealquest.realtime import service as realtime

ROUNDS = 50  # one run's share; the tick rings again while anything is due

# Event type -> who hears of it. An event without subscribers is simply delivered.
SUBSCRIBERS: Subscribers = {**realtime.SUBSCRIPTIONS}


def relay() -> str:
    """Deliver what is due, batch by batch. Safe to run twice: a batch belongs to its claimer."""
    handled = 0
    for _ in range(ROUNDS):
        batch = outbox.deliver_due(SUBSCRIBERS)
        handled += batch
        if not batch:
            break
    return f"handled {handled}"
