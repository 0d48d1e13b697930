"""The relay: hands committed events to whoever subscribes to their kind."""

from mealquest.alliance import service as alliances
from mealquest.campaigns import service as campaigns
from mealquest.core import directory, outbox
from mealquest.core.everywhere import in_turns
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
    directory.SUBSCRIPTIONS,
    realtime.SUBSCRIPTIONS,
    invoices.SUBSCRIPTIONS,
    campaigns.SUBSCRIPTIONS,
    alliances.SUBSCRIPTIONS,
)


def relay() -> str:
    """Deliver what is due, batch by batch. Safe to run twice: a batch belongs to its claimer."""
    handled = in_turns(lambda: outbox.deliver_due(SUBSCRIBERS), ROUNDS)
    return f"handled {handled}"


def relay_a_little() -> None:
    """A second's share, by the tick itself: events flow on while no worker can be rung for."""
    in_turns(lambda: outbox.deliver_due(SUBSCRIBERS, limit=A_FEW), ROUNDS, A_LITTLE_S)
