"""What stores owe each other because their customers share wallets.

A wallet is kept by one store, the holder. What its customer spends at another store the holder
owes that store; what is paid in there, or given, the store owes the holder. Both books say so in an
account that is named after the other one, always by entries of the same kind and reference:
`settlement:<store>` in the holder's, `settlement:<holder>` in the store's, each the other's
opposite. `settlement_positions` keeps the balance of each, so that a limit can be asked without
summing the ledger.

The rows of a pair are shared by all customers of two stores, so they are changed as the very last
of a transaction, in the order of their ids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from flask import current_app
from psycopg.types.numeric import Int8
from sqlalchemy import Row, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger, Text

from mealquest.core.db import last_of_all
from mealquest.core.money import Currency, Money
from mealquest.wallet.errors import ExposureExceeded
from mealquest.wallet.models import SettlementPosition

PREFIX: Final = "settlement:"
_WAITING = "settlement"  # what a session will change at its end

Pair = tuple[str, str]  # whose row it is, and the partner


@dataclass(frozen=True, slots=True)
class Position:
    """How a merchant stands with one partner, minor units; above zero it owes the partner."""

    merchant_id: str
    partner_id: str
    currency: Currency
    position_minor: int
    held_minor: int
    cap_minor: int | None

    @property
    def owed_minor(self) -> int:
        """What the partner owes, with what orders that wait will add."""
        return self.held_minor - self.position_minor

    @property
    def room_minor(self) -> int | None:
        """What the partner may still come to owe; None without a limit."""
        return None if self.cap_minor is None else max(0, self.cap_minor - self.owed_minor)


@dataclass(frozen=True, slots=True)
class _Change:
    currency: Currency
    position: int = 0
    held: int = 0
    capped: bool = False

    @property
    def owed(self) -> int:
        return self.held - self.position


def account(partner_id: str) -> str:
    """The account in which a book meets the book of this partner."""
    return PREFIX + partner_id


def record(
    session: Session,
    *,
    store: str,
    holder: str,
    currency: Currency,
    minor: int,
    capped: bool = True,
) -> None:
    """The holder owes the store `minor` more (below zero: less, or the store owes the holder).

    The entries are the caller's; the positions follow before the commit. Not `capped`: what must
    not fail for a limit, such as a refund.

    The transaction ends with ExposureExceeded when one of them would owe more than it may.
    """
    if minor:
        _later(session, (holder, store), _Change(currency, position=minor, capped=capped))
        _later(session, (store, holder), _Change(currency, position=-minor, capped=capped))


def reserve(
    session: Session,
    *,
    store: str,
    holder: str,
    currency: Currency,
    minor: int,
    capped: bool = True,
) -> None:
    """Keep room for what an order that waits will make the holder owe; below zero: let it go."""
    if minor:
        _later(session, (store, holder), _Change(currency, held=minor, capped=capped))


def meet(session: Session, *, store: str, holder: str, currency: Currency) -> None:
    """Have positions of the pair, at nothing: what the store gave lies with the holder from now on,
    also where it was no money."""
    pairs = sorted([(store, holder), (holder, store)])
    named = _named(dict.fromkeys(pairs, _Change(currency)))
    session.execute(_ADD, named | {"currencies": [currency.value] * len(pairs)})


def has_room(session: Session, *, store: str, holder: str, minor: int) -> bool:
    """Whether the holder may owe the store so much more.

    Both rows stay locked, so that it is true until the transaction ends.
    """
    rows = session.execute(_LOCK_PAIR, {"store": store, "holder": holder}).all()
    kept = next((row for row in rows if row.merchant_id == store), None)
    return kept is None or kept.cap is None or kept.owed + minor <= kept.cap


def positions(session: Session, merchant_id: str) -> list[Position]:
    """How a merchant stands with every partner it ever shared a wallet with, by their ids."""
    rows = session.scalars(
        select(SettlementPosition)
        .where(SettlementPosition.merchant_id == merchant_id)
        .order_by(SettlementPosition.partner_id)
    )
    return [_position(row) for row in rows]


def position(session: Session, merchant_id: str, partner_id: str) -> Position | None:
    """None: they never had to do with each other."""
    row = session.get(SettlementPosition, (merchant_id, partner_id))
    return _position(row) if row else None


def begin(session: Session, merchant_id: str, partner_id: str, currency: Currency) -> None:
    """Open a position for stores that begin to share, with the limit of the installation.

    What there is between them already stays, with its own limit.
    """
    most = current_app.config["SETTINGS"].settlement_limit
    values = {"merchant": merchant_id, "partner": partner_id, "currency": currency.value}
    cap = Int8(Money.of_major(Decimal(most), currency).minor) if most else None
    session.execute(_BEGIN, values | {"cap": cap})


def forget_empty(session: Session, merchant_id: str) -> None:
    """Drop positions with nothing in them: the merchant takes another currency."""
    session.execute(_FORGET_EMPTY, {"merchant": merchant_id})


def set_cap(
    session: Session, merchant_id: str, partner_id: str, currency: Currency, minor: int | None
) -> None:
    """How much the partner may owe this merchant at most; None: no limit.

    What it owes already stays, also above the limit; it only cannot grow.
    """
    values = {"merchant": merchant_id, "partner": partner_id}
    cap = None if minor is None else Int8(minor)
    session.execute(_SET_CAP, values | {"currency": currency.value, "cap": cap})


def _position(row: SettlementPosition) -> Position:
    return Position(
        row.merchant_id,
        row.partner_id,
        row.currency,
        row.position_minor,
        row.held_minor,
        row.cap_minor,
    )


def _later(session: Session, pair: Pair, more: _Change) -> None:
    changes: dict[Pair, _Change] = session.info.setdefault(_WAITING, {})
    before = changes.get(pair, _Change(more.currency))
    changes[pair] = replace(
        before,
        position=before.position + more.position,
        held=before.held + more.held,
        capped=before.capped or more.capped,
    )
    last_of_all(session, _write)


def _write(session: Session) -> None:
    """All of this session's changes by one statement, or three when a pair is new."""
    waiting: dict[Pair, _Change] = session.info.pop(_WAITING, {})
    changes = {pair: change for pair, change in waiting.items() if change.position or change.held}
    if not changes:
        return
    rows = _move(session, changes)
    known = {(row.merchant_id, row.partner_id) for row in rows}
    if new := {pair: changes[pair] for pair in sorted(changes) if pair not in known}:
        session.execute(
            _ADD, _named(new) | {"currencies": [c.currency.value for c in new.values()]}
        )
        rows = [*rows, *_move(session, new)]
    for row in rows:
        change = changes[row.merchant_id, row.partner_id]
        if change.capped and change.owed > 0 and row.cap is not None and row.owed > row.cap:
            raise ExposureExceeded(debtor=row.partner_id, creditor=row.merchant_id)


def _move(session: Session, changes: Mapping[Pair, _Change]) -> Sequence[Row[Any]]:
    """The rows that are there, as they are now."""
    moved = {
        "positions": [Int8(change.position) for change in changes.values()],
        "helds": [Int8(change.held) for change in changes.values()],
    }
    return session.execute(_MOVE, _named(changes) | moved).all()


def _named(changes: Mapping[Pair, _Change]) -> dict[str, Any]:
    return {"merchants": [pair[0] for pair in changes], "partners": [pair[1] for pair in changes]}


# --- statements ---------------------------------------------------------------------------

_PAIRS = (bindparam("merchants", type_=ARRAY(Text)), bindparam("partners", type_=ARRAY(Text)))
_MOVE = text(
    """
    WITH change AS MATERIALIZED (
        SELECT * FROM unnest(:merchants, :partners, :positions, :helds)
                   AS c (merchant_id, partner_id, position, held)),
    locked AS MATERIALIZED (
        SELECT p.merchant_id, p.partner_id, c.position, c.held
          FROM settlement_positions p JOIN change c USING (merchant_id, partner_id)
         ORDER BY p.merchant_id, p.partner_id FOR UPDATE OF p)
    UPDATE settlement_positions AS p
       SET position_minor = p.position_minor + locked.position,
           held_minor = p.held_minor + locked.held
      FROM locked
     WHERE p.merchant_id = locked.merchant_id AND p.partner_id = locked.partner_id
    RETURNING p.merchant_id, p.partner_id, p.cap_minor AS cap,
              p.held_minor - p.position_minor AS owed
    """
).bindparams(
    *_PAIRS,
    bindparam("positions", type_=ARRAY(BigInteger)),
    bindparam("helds", type_=ARRAY(BigInteger)),
)
_ADD = text(
    """
    INSERT INTO settlement_positions (merchant_id, partner_id, currency)
    SELECT n.merchant_id, n.partner_id, n.currency
      FROM unnest(:merchants, :partners, :currencies) AS n (merchant_id, partner_id, currency)
     ORDER BY 1, 2
        ON CONFLICT DO NOTHING
    """
).bindparams(*_PAIRS, bindparam("currencies", type_=ARRAY(Text)))
_LOCK_PAIR = text(
    """
    SELECT merchant_id, cap_minor AS cap, held_minor - position_minor AS owed
      FROM settlement_positions
     WHERE (merchant_id = :store AND partner_id = :holder)
        OR (merchant_id = :holder AND partner_id = :store)
     ORDER BY merchant_id, partner_id FOR UPDATE
    """
)
_BEGIN = text(
    """
    INSERT INTO settlement_positions (merchant_id, partner_id, currency, cap_minor)
    VALUES (:merchant, :partner, :currency, :cap)
        ON CONFLICT (merchant_id, partner_id) DO NOTHING
    """
)
_FORGET_EMPTY = text(
    """
    DELETE FROM settlement_positions
     WHERE merchant_id = :merchant AND position_minor = 0 AND held_minor = 0
    """
)
_SET_CAP = text(
    """
    INSERT INTO settlement_positions (merchant_id, partner_id, currency, cap_minor)
    VALUES (:merchant, :partner, :currency, :cap)
        ON CONFLICT (merchant_id, partner_id) DO UPDATE SET cap_minor = excluded.cap_minor
    """
)
