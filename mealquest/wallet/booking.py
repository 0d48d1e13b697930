"""What moves between a wallet and the accounts of the store that acts, written into the books.

Where the store keeps the wallet itself that is one entry of one book. Where another store keeps it
there are two, one in each book, and what the stores owe each other follows.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from mealquest.wallet import ledger, settlement
from mealquest.wallet.ledger import Posting
from mealquest.wallet.models import EntryKind
from mealquest.wallet.queries import LockedWallet
from mealquest.wallet.two_books import between, post_both

# What the holder's entry says of a movement at another store, besides which store that is.
TOLD: Final = frozenset({"paymentTxnId", "refundTxnId", "topUpId", "fromGrantedMinor"})
STORE: Final = "storeId"  # in the details of the holder's entry: where it happened
HOLDER: Final = "walletMerchantId"  # in those of the store's entry: whose wallet it was


def book(
    session: Session,
    wallet: LockedWallet,
    *,
    entry_id: str,
    kind: EntryKind,
    reference: str,
    amount_minor: int,
    details: dict[str, Any],
    postings: Sequence[Posting],
    capped: bool = True,
) -> None:
    """Append a movement of this wallet at the store that acts; the balances are the caller's.

    Not `capped`: what must not fail because the stores owe each other too much.
    """
    holder, store = wallet.merchant_id, wallet.store_id
    common: dict[str, Any] = {
        "entry_id": entry_id,
        "kind": kind,
        "reference": reference,
        "customer_id": wallet.customer_id,
        "currency": wallet.currency,
    }
    if wallet.is_shared:
        details = details | {HOLDER: holder}
        books = between(postings, holder=holder, store=store)
        if books.holder:
            told = {name: details[name] for name in TOLD & details.keys()} | {STORE: store}
            common |= {"amount_minor": amount_minor, "details": details, "told": told}
            post_both(session, store, holder, books, **common)
            settlement.record(
                session,
                store=store,
                holder=holder,
                currency=wallet.currency,
                minor=books.owed,
                capped=capped,
            )
            return
    ledger.post(
        session, store, **common, amount_minor=amount_minor, details=details, postings=postings
    )
