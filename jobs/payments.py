"""Holds whose time is over, and outside money that goes back."""

from mealquest.payments import service as payments


def settle() -> str:
    """Expire due holds and send due refunds. Safe to run twice: each row is settled once."""
    expired, sent = payments.expire_due(), payments.send_due()
    return f"expired {expired}, refunds {sent}"
