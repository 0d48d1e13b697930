"""Acts that waited for a merchant that was closed for a moment."""

from mealquest.campaigns import service as campaigns
from mealquest.core import waiting
from mealquest.core.waiting import Doers
from mealquest.payments import service as payments

ROUNDS = 100  # one run's share; the tick rings again while anything is due

DOERS: Doers = {
    payments.CALLBACK_KIND: payments.take_kept_callback,
    campaigns.KILL_SWITCH_KIND: campaigns.take_kept_kill_switch,
}


def do() -> str:
    """Do what is due, the oldest of each merchant first. Safe to run twice, and beside itself."""
    done = 0
    for _ in range(ROUNDS):
        settled = waiting.do_due(DOERS)
        done += settled
        if not settled:
            break
    return f"done {done}"
