"""Forgets what has served its time."""

from collections.abc import Callable

from flask import current_app

from mealquest.core import directory, idempotency, messages, outbox, waiting
from mealquest.core.everywhere import in_turns
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
        "acts that waited": waiting.purge_settled,
        "exports": privacy.purge_expired,
        "lines of old chats": strategy.purge_chats,
        "names in clear": identity.seal_customers,
    }
    done = {name: _all(chore) for name, chore in chores.items()} | turn_keys()
    done["copies in the directory"] = directory.follow_all()
    return "purged " + ", ".join(f"{count} {name}" for name, count in done.items())


def turn_keys() -> dict[str, int]:
    """Seal under the first key of the ring what lies under an older one and is to stay; how much.

    What does not stay for a day is left to run out: messages that wait, forms of signed-out people.
    """
    chores: dict[str, Callable[[], int]] = {
        "customers' keys under an older one": identity.wrap_again,
        "phones of staff under an older key": identity.seal_staff_again,
        "look-up keys under an older one": identity.wrap_lookup_key_again,
        "contracts under an older key": tenancy.seal_contracts_again,
        "tokens under an older key": tenancy.seal_tokens_again,
    }
    return {name: _all(chore) for name, chore in chores.items()}


def _all(chore: Callable[[], int]) -> int:
    """Repeat a chore, which does a bounded batch in a transaction of its own, to the end."""
    return in_turns(chore, rounds=10_000_000)
