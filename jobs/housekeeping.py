"""Forgets what has served its time."""

from collections.abc import Callable

from flask import current_app

from mealquest.core import idempotency, messages, outbox
from mealquest.identity import service as identity
from mealquest.privacy import service as privacy
from mealquest.realtime import service as realtime
from mealquest.strategy import service as strategy
from mealquest.tenancy import service as tenancy


def purge() -> str:
    """Delete what is old, seal what is still in clear, turn old keys; says how many of each."""
    days = current_app.config["SETTINGS"].event_retention_days
    chores: dict[str, Callable[[], int]] = {
        "keys": idempotency.purge_old,
        "events": lambda: outbox.purge_delivered(days),
        "codes": identity.purge_codes,
        "sessions": identity.purge_sessions,
        "live events": lambda: realtime.purge_old(days),
        "messages": messages.purge_old,
        "exports": privacy.purge_expired,
        "lines of old chats": strategy.purge_chats,
        "names in clear": identity.seal_customers,
        "keys under an older one": identity.wrap_again,
        "tokens under an older key": tenancy.seal_tokens_again,
    }
    return "purged " + ", ".join(f"{_all(chore)} {name}" for name, chore in chores.items())


def _all(chore: Callable[[], int]) -> int:
    """Repeat a chore, which does a bounded batch in a transaction of its own, to the end."""
    total = 0
    while gone := chore():
        total += gone
    return total
