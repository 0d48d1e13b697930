"""What becomes of a wallet whose customer is erased: gifts go, balances stay on the books."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from mealquest.wallet.queries import LockedWallet

_WITHDRAW = text(
    """
    UPDATE vouchers
       SET name = CASE WHEN granted_by LIKE 'staff:%' THEN type ELSE name END,
           status = CASE WHEN status = 'ACTIVE' THEN 'WITHDRAWN' ELSE status END
     WHERE merchant_id = :merchant AND customer_id = :customer
       AND (status = 'ACTIVE' OR granted_by LIKE 'staff:%')
    """
)
_FORGET_NOTES = text(
    """
    UPDATE top_ups SET note = ''
     WHERE merchant_id = :merchant AND customer_id = :customer AND note <> ''
    """
)


def leave(session: Session, wallet: LockedWallet) -> None:
    """Withdraw the vouchers that could still be used and forget what was written by hand.

    Nothing is held any more when this is called. What is left of principal, bonus and change is
    still owed: it moves only by a refund, a pay-out or the expiry of bonus.
    """
    whose = {"merchant": wallet.merchant_id, "customer": wallet.customer_id}
    session.execute(_WITHDRAW, whose)
    session.execute(_FORGET_NOTES, whose)
