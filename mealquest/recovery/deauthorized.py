"""A merchant has taken the platform out of its Stripe account: as if it had disconnected here."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from mealquest.recovery import connect
from mealquest.tenancy import service as tenancy

SECOND = timedelta(seconds=1)  # as fine as Stripe's times are


def let_go(
    session: Session, merchant_id: str, account_id: str | None, created: datetime
) -> tuple[str, str]:
    """Action and reason. An account that was connected again since stays connected."""
    account = tenancy.account_of(session, merchant_id)
    if account.connected_at is not None and created + SECOND <= account.connected_at:
        return "ignored", "the account was connected again since"
    ended = connect.disconnected(
        session, merchant_id, "deauthorized at Stripe", account_id=account_id
    )
    if ended is None:
        return "ignored", "not connected"
    return "processed", f"disconnected; {ended} tasks cancelled"
