"""Holds whose time is over, and outside money that goes back."""

from collections.abc import Callable

from mealquest.payments import service as payments

HOLDS_ROUNDS = 20  # of a hundred holds each
REFUND_ROUNDS = 2  # with a gateway that hangs, well inside the job's time


def settle() -> str:
    """Expire due holds, then send due refunds. Safe to run twice: each row is settled once."""
    expired = _all(payments.expire_due, HOLDS_ROUNDS)
    sent = _all(payments.send_due, REFUND_ROUNDS)
    return f"expired {expired}, refunds {sent}"


def _all(step: Callable[[], int], rounds: int) -> int:
    """Repeat until a round finds nothing; the tick rings again for what is left."""
    total = 0
    for _ in range(rounds):
        done = step()
        total += done
        if not done:
            break
    return total
