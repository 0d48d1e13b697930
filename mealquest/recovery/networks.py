"""How often a card may be tried: what the card networks let pass before they fine the merchant.

Stripe's attempts count as ours do. Who asks holds the card's lock until the end of the
transaction, and writes the attempt in it, so that many at once cannot pass a limit together.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from mealquest.recovery.case_models import ChargeAttempt

DAY, MONTH = timedelta(days=1), timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Limit:
    most: int
    within: timedelta


LIMITS: Final = {
    "visa": (Limit(20, MONTH),),
    "mastercard": (Limit(10, DAY), Limit(35, MONTH)),
}
STRICTEST: Final = (Limit(10, DAY), Limit(20, MONTH))  # of a network that is not known
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


def limits_of(network: str) -> tuple[Limit, ...]:
    return LIMITS.get(network.lower(), STRICTEST)


def has_room(
    session: Session, merchant_id: str, card: str, network: str, *, untold: int = 0
) -> bool:
    """Whether one more attempt at a card (its fingerprint) stays within its network's limits.

    `untold`: attempts of Stripe's that it told us no card of; they count in the longest window.
    """
    session.execute(_LOCK, {"name": f"card/{merchant_id}/{card}"})
    limits = limits_of(network)
    longest = max(limit.within for limit in limits)
    return all(
        _tried(session, merchant_id, card, limit.within)
        + (untold if limit.within == longest else 0)
        < limit.most
        for limit in limits
    )


def untold(session: Session, merchant_id: str, invoice_id: str, attempt_count: int) -> int:
    """How many of Stripe's attempts at an invoice are not known one by one."""
    known = session.scalar(
        select(func.count())
        .select_from(ChargeAttempt)
        .where(
            ChargeAttempt.merchant_id == merchant_id,
            ChargeAttempt.invoice_id == invoice_id,
            ChargeAttempt.by_hand.is_(False),
        )
    )
    return max(0, attempt_count - (known or 0))


def _tried(session: Session, merchant_id: str, card: str, within: timedelta) -> int:
    found = session.scalar(
        select(func.count())
        .select_from(ChargeAttempt)
        .where(
            ChargeAttempt.merchant_id == merchant_id,
            ChargeAttempt.card == card,
            ChargeAttempt.attempted_at > func.now() - within,
        )
    )
    return found or 0
