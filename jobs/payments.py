"""Holds whose time is over, and outside money that goes back."""

from mealquest.core.everywhere import in_turns
from mealquest.payments import service as payments

HOLDS_ROUNDS = 20  # of a hundred holds each
REFUND_ROUNDS = 2  # with a gateway that hangs, well inside the job's time


def settle() -> str:
    """Expire due holds, then send due refunds. Safe to run twice: each row is settled once."""
    expired = in_turns(payments.expire_due, HOLDS_ROUNDS)
    sent = in_turns(payments.send_due, REFUND_ROUNDS)
    return f"expired {expired}, refunds {sent}"
