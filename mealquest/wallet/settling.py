"""Stores settle what they owe each other: the one that is owed says what it has, or gives it up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from mealquest.core.ids import new_id
from mealquest.core.money import Currency
from mealquest.core.principal import Principal
from mealquest.wallet import ledger, settlement
from mealquest.wallet.errors import NothingOwed, OwedLess, PartnerNotFound
from mealquest.wallet.ledger import Posting
from mealquest.wallet.models import EntryKind
from mealquest.wallet.settlement import Position
from mealquest.wallet.settlement_models import Settlement, SettlementKind

OUTSIDE: Final = "outside:settlement"
FORGIVEN: Final = "merchant:forgiven"  # in the debtor's book: what need not be paid any more

# Of each kind: the account in the creditor's book, that in the debtor's, and the entry's kind.
ACCOUNTS = {
    SettlementKind.PAID: (OUTSIDE, OUTSIDE, EntryKind.SETTLEMENT),
    SettlementKind.WRITTEN_OFF: (ledger.WRITTEN_OFF, FORGIVEN, EntryKind.SETTLEMENT_WRITTEN_OFF),
}


@dataclass(frozen=True, slots=True)
class Settled:
    id: str
    before: Position
    amount_minor: int


def settle(
    session: Session,
    creditor: str,
    debtor: str,
    kind: SettlementKind,
    minor: int | None,
    note: str,
    by: Principal,
) -> Settled:
    """Note in both books that a debt was paid or given up. None: all of it.

    What orders that still wait will add is no debt yet. The rows of the pair stay locked.

    Raises:
        PartnerNotFound: there never was anything between the two.
        NothingOwed: the partner owes nothing, or it is the other way round.
        OwedLess: it owes less than that.
    """
    before = _locked(session, creditor, debtor)
    if before is None:
        raise PartnerNotFound
    if before.position_minor >= 0:
        raise NothingOwed
    owed = -before.position_minor
    amount = owed if minor is None else minor
    if amount > owed:
        raise OwedLess
    settled = Settled(new_id("settle"), before, amount)
    _book(session, creditor, debtor, kind, settled)
    _note(session, creditor, debtor, kind, settled, note, by)
    settlement.record(
        session,
        store=creditor,
        holder=debtor,
        currency=before.currency,
        minor=-amount,
        capped=False,
    )
    return settled


def _note(
    session: Session,
    creditor: str,
    debtor: str,
    kind: SettlementKind,
    settled: Settled,
    note: str,
    by: Principal,
) -> None:
    row = {
        "id": settled.id,
        "kind": kind,
        "currency": settled.before.currency,
        "amount_minor": settled.amount_minor,
        "note": note,
    }
    mine = {"merchant_id": creditor, "partner_id": debtor, "is_creditor": True}
    theirs = {"merchant_id": debtor, "partner_id": creditor, "is_creditor": False}
    rows = [row | mine | {"recorded_by": by.subject}, row | theirs | {"recorded_by": None}]
    session.execute(insert(Settlement), rows)


def _book(
    session: Session, creditor: str, debtor: str, kind: SettlementKind, settled: Settled
) -> None:
    in_creditors, in_debtors, entry_kind = ACCOUNTS[kind]
    minor, currency = settled.amount_minor, settled.before.currency
    owed_by, owed_to = settlement.account(debtor), settlement.account(creditor)
    _post(
        session,
        creditor,
        debtor,
        entry_kind,
        settled.id,
        currency,
        [Posting(in_creditors, owed_by, minor)],
    )
    _post(
        session,
        debtor,
        creditor,
        entry_kind,
        settled.id,
        currency,
        [Posting(owed_to, in_debtors, minor)],
    )


def _post(
    session: Session,
    merchant_id: str,
    partner_id: str,
    kind: EntryKind,
    settlement_id: str,
    currency: Currency,
    postings: list[Posting],
) -> None:
    ledger.post(
        session,
        merchant_id,
        entry_id=new_id("txn"),
        kind=kind,
        reference=settlement_id,
        customer_id=None,
        amount_minor=postings[0].minor,
        currency=currency,
        details={"settlementId": settlement_id, "partnerId": partner_id},
        postings=postings,
    )


_LOCK = text(
    """
    SELECT merchant_id, partner_id, currency, position_minor, held_minor, cap_minor
      FROM settlement_positions
     WHERE (merchant_id = :one AND partner_id = :other)
        OR (merchant_id = :other AND partner_id = :one)
     ORDER BY merchant_id, partner_id FOR UPDATE
    """
)


def _locked(session: Session, merchant_id: str, partner_id: str) -> Position | None:
    rows: list[Any] = list(session.execute(_LOCK, {"one": merchant_id, "other": partner_id}).all())
    for row in rows:
        if row.merchant_id == merchant_id:
            return Position(
                row.merchant_id,
                row.partner_id,
                Currency(row.currency),
                row.position_minor,
                row.held_minor,
                row.cap_minor,
            )
    return None


def settlements_with(
    session: Session, merchant_id: str, partner_id: str, limit: int = 20
) -> Sequence[Settlement]:
    """What was settled with one partner, newest first."""
    return session.scalars(
        select(Settlement)
        .where(Settlement.merchant_id == merchant_id, Settlement.partner_id == partner_id)
        .order_by(Settlement.created_at.desc(), Settlement.id.desc())
        .limit(limit)
    ).all()
