"""Background work of the wallet."""

from mealquest.wallet import service as wallet

CUSTOMERS_AT_ONCE = 200
MOST_ROUNDS = 20  # so that one job ends well before its time is up; the tick rings again


def expire() -> str:
    """Settle vouchers and bonus that expired. Safe to run twice: the second run finds nothing."""
    expired = 0
    for _ in range(MOST_ROUNDS):
        settled = wallet.expire_due(CUSTOMERS_AT_ONCE)
        if not settled:
            break
        expired += settled
    return f"{expired} expired"
