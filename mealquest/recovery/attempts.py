"""Attempts at cards, Stripe's and by hand: what the card networks limit."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.recovery.case_models import ChargeAttempt


def note(
    session: Session,
    merchant_id: str,
    attempt_id: str,
    *,
    card: str,
    network: str,
    invoice_id: str,
    at: datetime,
    by_hand: bool = False,
) -> bool:
    """Note one attempt at a card (its fingerprint). False: it is known by this id already.

    `attempt_id` is the charge's id, or our idempotency key. `invoice_id` is empty where Stripe does
    not say whose charge it was, and filled in once that is known; the networks count by card.
    """
    written = session.execute(
        insert(ChargeAttempt)
        .values(
            merchant_id=merchant_id,
            id=attempt_id,
            card=card,
            network=network,
            invoice_id=invoice_id,
            by_hand=by_hand,
            attempted_at=at,
        )
        .on_conflict_do_nothing(index_elements=["merchant_id", "id"])
        .returning(ChargeAttempt.id)
    )
    if written.first() is not None:
        return True
    session.execute(
        update(ChargeAttempt)
        .where(
            ChargeAttempt.merchant_id == merchant_id,
            ChargeAttempt.id == attempt_id,
            ChargeAttempt.invoice_id == "",
        )
        .values(invoice_id=invoice_id)
        .execution_options(synchronize_session=False)
    )
    return False
