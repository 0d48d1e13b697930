"""Background work of the wallet."""

from mealquest.core.everywhere import in_turns
from mealquest.wallet import service as wallet

CUSTOMERS_AT_ONCE = 200
MOST_ROUNDS = 20  # so that one job ends well before its time is up; the tick rings again


def expire() -> str:
    """Settle vouchers and bonus that expired. Safe to run twice: the second run finds nothing."""
    expired = in_turns(lambda: wallet.expire_due(CUSTOMERS_AT_ONCE), MOST_ROUNDS)
    return f"{expired} expired"


def close_days() -> str:
    """Close the days between stores that are over. Safe to run twice: a day is closed once."""
    closed = in_turns(wallet.settlement_days.close_due, MOST_ROUNDS)
    return f"{closed} days closed"
