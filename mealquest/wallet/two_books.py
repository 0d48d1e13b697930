"""A movement between the wallet that one store keeps and the accounts of another store."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.types.numeric import Int8
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger, Text

from mealquest.core.money import Currency
from mealquest.wallet.ledger import WALLET, Posting
from mealquest.wallet.models import EntryKind
from mealquest.wallet.settlement import account as settlement_account


@dataclass(frozen=True, slots=True)
class Books:
    """The lines of one movement by the book they stand in: the wallet's holder's, and the store's.

    `owed`: what the holder owes the store more by it, minor units; below zero the other way round.
    """

    holder: tuple[Posting, ...]
    store: tuple[Posting, ...]
    owed: int


def between(postings: Sequence[Posting], *, holder: str, store: str) -> Books:
    """Split a movement between a wallet and a store's own accounts into the books of both.

    A line with one end in the wallet becomes two, of the same amount, that meet in the accounts
    named after each other; the rest stays whole, in the book that its ends are in.
    """
    kept: list[Posting] = []
    own: list[Posting] = []
    owed = 0
    for line in postings:
        out, back = line.source.startswith(WALLET), line.destination.startswith(WALLET)
        if line.kept or (out and back):
            kept.append(line)
        elif out:
            kept.append(Posting(line.source, settlement_account(store), line.minor))
            own.append(Posting(settlement_account(holder), line.destination, line.minor))
            owed += line.minor
        elif back:
            own.append(Posting(line.source, settlement_account(holder), line.minor))
            kept.append(Posting(settlement_account(store), line.destination, line.minor))
            owed -= line.minor
        else:
            own.append(line)
    return Books(tuple(kept), tuple(own), owed)


# One statement: two entries under one id, and the postings of both.
_POST_BOTH = text(
    """
    WITH entries AS (
        INSERT INTO ledger_entries
               (merchant_id, id, kind, reference, customer_id, amount_minor, currency, details)
        VALUES (:merchant, :entry, :kind, :reference, :customer, :amount, :currency, :details),
               (:holder, :entry, :kind, :reference, :customer, :moved, :currency, :told)
        RETURNING merchant_id, id)
    INSERT INTO ledger_postings (merchant_id, entry_id, line, source, destination, amount_minor)
    SELECT entries.merchant_id, entries.id, p.line, p.source, p.destination, p.minor
      FROM entries
      JOIN unnest(:books, :sources, :destinations, :minors)
           WITH ORDINALITY AS p (book, source, destination, minor, line)
           ON p.book = entries.merchant_id
    """
).bindparams(
    bindparam("details", type_=JSONB),
    bindparam("told", type_=JSONB),
    bindparam("books", type_=ARRAY(Text)),
    bindparam("sources", type_=ARRAY(Text)),
    bindparam("destinations", type_=ARRAY(Text)),
    bindparam("minors", type_=ARRAY(BigInteger)),
)


def post_both(
    session: Session,
    merchant_id: str,
    holder: str,
    books: Books,
    *,
    entry_id: str,
    kind: EntryKind,
    reference: str,
    customer_id: str,
    amount_minor: int,
    currency: Currency,
    details: dict[str, Any],
    told: dict[str, Any],
) -> None:
    """Append an entry to the book of a store and its twin to the holder's, which gets `told`."""
    lines = [(merchant_id, line) for line in books.store]
    lines += [(holder, line) for line in books.holder]
    session.execute(
        _POST_BOTH,
        {
            "merchant": merchant_id,
            "holder": holder,
            "entry": entry_id,
            "kind": kind.value,
            "reference": reference,
            "customer": customer_id,
            "amount": Int8(amount_minor),
            "moved": Int8(abs(books.owed)),
            "currency": currency.value,
            "details": details,
            "told": told,
            "books": [book for book, _ in lines],
            "sources": [line.source for _, line in lines],
            "destinations": [line.destination for _, line in lines],
            "minors": [Int8(line.minor) for _, line in lines],
        },
    )
