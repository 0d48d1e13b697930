"""The double-entry ledger: money moves from one named account to another, and only forward.

An account has no row of its own; its balance is what came in minus what went out. Accounts:
`wallet:<customer>:principal|bonus|silver`, the merchant's `sales`, `gifts` (bonus given away),
`vouchers` (promotion the merchant paid for) and `breakage` (bonus that expired unspent), money
from `outside:<method>` or `outside:gateway`, `merchant:due_back` for outside money that must be
returned, `merchant:receivables` for what customers owe (below zero while they do) and
`merchant:written_off` for what of that was given up, and `opening` for balances older than the
ledger. Where one store keeps the wallets of another's customers, the two books meet in
`settlement:<the other store>`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from psycopg.types.numeric import Int8
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger, Text

from mealquest.core.money import Currency
from mealquest.wallet.domain import Deduction
from mealquest.wallet.models import EntryKind, TopUpMethod

SALES: Final = "merchant:sales"
GIFTS: Final = "merchant:gifts"
VOUCHERS: Final = "merchant:vouchers"
BREAKAGE: Final = "merchant:breakage"
OPENING: Final = "opening"
GATEWAY: Final = "outside:gateway"
DUE_BACK: Final = "merchant:due_back"
RECEIVABLES: Final = "merchant:receivables"
WRITTEN_OFF: Final = "merchant:written_off"
WALLET: Final = "wallet:"  # what the accounts of all wallets begin with
NOTE: Final = "noteSealed"  # in the details: what was noted by hand, under the customer's key


class Bucket(StrEnum):
    PRINCIPAL = "principal"  # paid in, refundable
    BONUS = "bonus"  # a gift, spent before principal
    SILVER = "silver"  # change


@dataclass(frozen=True, slots=True)
class Posting:
    """`minor` (more than zero) moves from `source` to `destination`.

    `kept`: both ends are in the book of whoever keeps the wallet, also when another store acts.
    """

    source: str
    destination: str
    minor: int
    kept: bool = False


def wallet_account(customer_id: str, bucket: Bucket) -> str:
    return f"{WALLET}{customer_id}:{bucket.value}"


def outside_account(method: TopUpMethod) -> str:
    return f"outside:{method.value.lower()}"


def note_place(entry_id: str) -> str:
    """Where the note of an entry is sealed."""
    return f"ledger_entries.note:{entry_id}"


def sale_postings(customer_id: str, parts: Deduction) -> list[Posting]:
    """What one order moves into sales; a voucher's part is paid by the merchant's promotion."""
    moves = [
        Posting(VOUCHERS, SALES, parts.voucher),
        Posting(wallet_account(customer_id, Bucket.BONUS), SALES, parts.bonus),
        Posting(wallet_account(customer_id, Bucket.PRINCIPAL), SALES, parts.principal),
        Posting(wallet_account(customer_id, Bucket.SILVER), SALES, parts.silver),
    ]
    return [move for move in moves if move.minor]


def capture_postings(customer_id: str, parts: Deduction) -> list[Posting]:
    """A sale that waited for outside money: the held parts and the outside part together."""
    return [*sale_postings(customer_id, parts), Posting(GATEWAY, SALES, parts.external)]


def top_up_postings(customer_id: str, method: TopUpMethod, paid: int, bonus: int) -> list[Posting]:
    moves = [
        Posting(outside_account(method), wallet_account(customer_id, Bucket.PRINCIPAL), paid),
        Posting(GIFTS, wallet_account(customer_id, Bucket.BONUS), bonus),
    ]
    return [move for move in moves if move.minor]


# One statement: the entry and its postings, whatever their number, keep the same SQL text.
_POST = text(
    """
    WITH entry AS (
        INSERT INTO ledger_entries
               (merchant_id, id, kind, reference, customer_id, amount_minor, currency, details)
        VALUES (:merchant, :entry, :kind, :reference, :customer, :amount, :currency, :details)
        RETURNING merchant_id, id)
    INSERT INTO ledger_postings (merchant_id, entry_id, line, source, destination, amount_minor)
    SELECT entry.merchant_id, entry.id, p.line, p.source, p.destination, p.minor
      FROM entry, unnest(:sources, :destinations, :minors)
           WITH ORDINALITY AS p (source, destination, minor, line)
    """
).bindparams(
    bindparam("details", type_=JSONB),
    bindparam("sources", type_=ARRAY(Text)),
    bindparam("destinations", type_=ARRAY(Text)),
    bindparam("minors", type_=ARRAY(BigInteger)),
)


def post(
    session: Session,
    merchant_id: str,
    *,
    entry_id: str,
    kind: EntryKind,
    reference: str,
    customer_id: str | None,
    amount_minor: int,
    currency: Currency,
    details: dict[str, Any],
    postings: Sequence[Posting],
) -> None:
    """Append one entry with its postings; only a PAYMENT_PENDING has none.

    `reference` is what the entry is about; the database refuses a second one of its kind.
    """
    if not postings and kind is not EntryKind.PAYMENT_PENDING:
        raise ValueError("an entry without postings moves no money")
    session.execute(
        _POST,
        {
            "merchant": merchant_id,
            "entry": entry_id,
            "kind": kind.value,
            "reference": reference,
            "customer": customer_id,
            "amount": Int8(amount_minor),
            "currency": currency.value,
            "details": details,
            "sources": [posting.source for posting in postings],
            "destinations": [posting.destination for posting in postings],
            "minors": [Int8(posting.minor) for posting in postings],
        },
    )


_BALANCE = text(
    """
    SELECT CAST(
        (SELECT coalesce(sum(amount_minor), 0) FROM ledger_postings
          WHERE merchant_id = :merchant AND destination = :account)
      - (SELECT coalesce(sum(amount_minor), 0) FROM ledger_postings
          WHERE merchant_id = :merchant AND source = :account) AS bigint)
    """
)


def balance_of(session: Session, merchant_id: str, account: str) -> int:
    """Minor units that came into the account minus those that left it."""
    return int(
        session.execute(_BALANCE, {"merchant": merchant_id, "account": account}).scalar_one()
    )


@dataclass(frozen=True, slots=True)
class Entry:
    id: str
    kind: EntryKind
    amount_minor: int
    currency: Currency
    details: dict[str, Any]
    created_at: datetime
    postings: tuple[Posting, ...]


_ENTRIES = text(
    """
    SELECT e.id, e.kind, e.amount_minor, e.currency, e.details, e.created_at,
           (SELECT jsonb_agg(jsonb_build_array(p.source, p.destination, p.amount_minor)
                             ORDER BY p.line)
              FROM ledger_postings p
             WHERE p.merchant_id = e.merchant_id AND p.entry_id = e.id) AS postings
      FROM ledger_entries e
     WHERE e.merchant_id = :merchant AND e.customer_id = :customer
     ORDER BY e.created_at DESC, e.id DESC LIMIT :limit
    """
)
_POSTINGS = text(
    """
    SELECT p.source, p.destination, p.amount_minor
      FROM ledger_entries e
      JOIN ledger_postings p ON p.merchant_id = e.merchant_id AND p.entry_id = e.id
     WHERE e.merchant_id = :merchant AND e.kind = ANY(:kinds) AND e.reference = ANY(:references)
     ORDER BY e.created_at, e.id, p.line
    """
)


def newest(session: Session, merchant_id: str, customer_id: str, limit: int) -> list[Entry]:
    """The customer's latest entries, newest first."""
    rows = session.execute(
        _ENTRIES, {"merchant": merchant_id, "customer": customer_id, "limit": limit}
    )
    return [
        Entry(
            row.id,
            EntryKind(row.kind),
            row.amount_minor,
            Currency(row.currency),
            row.details,
            row.created_at,
            tuple(Posting(*ends) for ends in row.postings or ()),
        )
        for row in rows
    ]


def postings_of(session: Session, merchant_id: str, *references: str) -> list[Posting]:
    """Every posting about the named payments, top-ups or refunds, oldest entry first."""
    kinds = [kind.value for kind in EntryKind]  # so that the index on kind and reference serves
    values = {"merchant": merchant_id, "kinds": kinds, "references": list(references)}
    return [Posting(*row) for row in session.execute(_POSTINGS, values)]
