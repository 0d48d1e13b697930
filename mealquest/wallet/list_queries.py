"""Statements of the wallet's lists. Each filter that is offered runs along an index.

What takes few values (a kind, a state, a method) is written out, so that the planner sees which
index holds it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Self

from sqlalchemy import Row, TextClause, select, text
from sqlalchemy.orm import Session

from mealquest.core.paging import Keyset, Order, Span
from mealquest.wallet.domain import VoucherFacts, VoucherStatus, VoucherType
from mealquest.wallet.forms import VoucherState
from mealquest.wallet.models import EntryKind, TopUpMethod, Voucher
from mealquest.wallet.queries import facts_of

SHOWN = 100  # vouchers of one customer on a page

ENTRY = """
    SELECT e.id, e.kind, e.reference, e.customer_id, e.amount_minor, e.currency, e.details,
           e.created_at,
           (SELECT jsonb_agg(jsonb_build_array(p.source, p.destination, p.amount_minor)
                             ORDER BY p.line)
              FROM ledger_postings p
             WHERE p.merchant_id = e.merchant_id AND p.entry_id = e.id) AS postings
      FROM ledger_entries e WHERE e.merchant_id = :merchant AND e.customer_id IS NOT NULL"""
TOP_UP = """
    SELECT t.id, t.customer_id, t.entry_id, t.amount_minor, t.bonus_minor, t.method, t.note,
           t.taken_by, t.created_at
      FROM top_ups t WHERE t.merchant_id = :merchant"""
TOP_UP_SUMS = """
    SELECT t.method, count(*) AS count, CAST(sum(t.amount_minor) AS bigint) AS paid,
           CAST(sum(t.bonus_minor) AS bigint) AS bonus
      FROM top_ups t WHERE t.merchant_id = :merchant"""
VOUCHER = """
    SELECT v.id, v.customer_id, v.type, v.name, v.value_minor, v.min_spend_minor, v.discount_rate,
           v.status, v.expires_at, v.used_by, v.created_at
      FROM vouchers v WHERE v.merchant_id = :merchant"""
WALLET = """
    SELECT w.customer_id, w.currency, w.principal_minor, w.bonus_minor, w.silver_minor,
           w.held_principal_minor, w.held_bonus_minor, w.held_silver_minor
      FROM wallets w
     WHERE w.merchant_id = :merchant AND w.customer_id > :after
       AND w.principal_minor + w.bonus_minor + w.silver_minor > 0
     ORDER BY w.customer_id LIMIT :limit"""
_MOVES = """
       AND EXISTS (SELECT FROM ledger_postings p
                    WHERE p.merchant_id = e.merchant_id AND p.entry_id = e.id
                      AND :account IN (p.source, p.destination))"""
# What a voucher's state comes to in its row; one past its expiry does not wait for the job.
_FRESH, _STALE = " AND v.expires_at > :now", " AND v.expires_at <= :now"
_STATES = {
    VoucherState.ACTIVE: (("ACTIVE", _FRESH),),
    VoucherState.HELD: (("HELD", ""),),
    VoucherState.USED: (("USED", ""),),
    VoucherState.EXPIRED: (("EXPIRED", ""), ("ACTIVE", _STALE)),
    VoucherState.WITHDRAWN: (("WITHDRAWN", ""),),
    VoucherState.ALL: tuple((status.value, "") for status in VoucherStatus),
}


@dataclass(frozen=True, slots=True)
class Conditions:
    """The rest of a statement's WHERE, and the values it names."""

    sql: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    def when(self, wanted: Any, sql: str, **values: Any) -> Self:
        """With one more condition, if it is wanted."""
        return type(self)(self.sql + sql, self.values | values) if wanted else self

    def span(self, column: str, span: Span) -> Self:
        begun = self.when(span.since, f" AND {column} >= :since", since=span.since)
        return begun.when(span.until, f" AND {column} < :until", until=span.until)

    def after(self, column: str, row_id: str, place: Keyset | None, order: Order) -> Self:
        """Behind the place of the last row seen."""
        sign = "<" if order is Order.NEWEST else ">"
        if place is None:
            return self
        sql = f" AND ({column}, {row_id}) {sign} (:moment, :id)"
        return self.when(True, sql, moment=place.moment, id=place.id)


def ledger_conditions(
    customer_id: str | None, kind: EntryKind | None, account: str | None, span: Span
) -> Conditions:
    """`account`: only entries that moved it; give the customer too, so that an index serves."""
    return (
        Conditions()
        .when(customer_id, " AND e.customer_id = :customer", customer=customer_id)
        .when(kind, f" AND e.kind = '{kind}'")
        .when(account, _MOVES, account=account)
        .span("e.created_at", span)
    )


def top_up_conditions(
    customer_id: str | None, method: TopUpMethod | None, taken_by: str | None, span: Span
) -> Conditions:
    return (
        Conditions()
        .when(customer_id, " AND t.customer_id = :customer", customer=customer_id)
        .when(method, f" AND t.method = '{method}'")
        .when(taken_by, " AND t.taken_by = :taken_by", taken_by=taken_by)
        .span("t.created_at", span)
    )


def entries(
    session: Session,
    merchant_id: str,
    wanted: Conditions,
    order: Order,
    after: Keyset | None,
    limit: int,
) -> list[Row[Any]]:
    found = wanted.after("e.created_at", "e.id", after, order)
    statement = _read(ENTRY + found.sql + _in_order("e.created_at", "e.id", order))
    return _rows(session, statement, merchant_id, found.values | {"limit": limit})


def entry(session: Session, merchant_id: str, entry_id: str) -> Row[Any] | None:
    values = {"merchant": merchant_id, "id": entry_id}
    return session.execute(_read(ENTRY + " AND e.id = :id"), values).first()


def top_ups(
    session: Session,
    merchant_id: str,
    wanted: Conditions,
    order: Order,
    after: Keyset | None,
    limit: int,
) -> list[Row[Any]]:
    found = wanted.after("t.created_at", "t.id", after, order)
    statement = _read(TOP_UP + found.sql + _in_order("t.created_at", "t.id", order))
    return _rows(session, statement, merchant_id, found.values | {"limit": limit})


def top_up_sums(session: Session, merchant_id: str, wanted: Conditions) -> list[Row[Any]]:
    """Count and sums by method."""
    statement = _read(TOP_UP_SUMS + wanted.sql + " GROUP BY t.method")
    return _rows(session, statement, merchant_id, wanted.values)


def vouchers(
    session: Session,
    merchant_id: str,
    *,
    customer_id: str | None,
    state: VoucherState,
    kind: VoucherType | None,
    span: Span,
    order: Order,
    after: Keyset | None,
    now: datetime,
    limit: int,
) -> list[Row[Any]]:
    """In order of expiry; each state of the row is read along an index and the rows merged."""
    found = (
        Conditions()
        .when(customer_id, " AND v.customer_id = :customer", customer=customer_id)
        .when(kind, f" AND v.type = '{kind}'")
        .span("v.expires_at", span)
        .after("v.expires_at", "v.id", after, order)
    )
    statement = _voucher_statement(found.sql, state, bool(customer_id), order)
    return _rows(session, statement, merchant_id, found.values | {"now": now, "limit": limit})


def who_cancelled(session: Session, merchant_id: str, ids: list[str]) -> set[str]:
    """Those of the customers who asked to be forgotten."""
    statement = _read(
        "SELECT id FROM customers WHERE merchant_id = :merchant AND id = ANY(:ids)"
        " AND cancelled_at IS NOT NULL"
    )
    return {row.id for row in _rows(session, statement, merchant_id, {"ids": ids})}


def wallets(session: Session, merchant_id: str, after: str, limit: int) -> list[Row[Any]]:
    return _rows(session, _read(WALLET), merchant_id, {"after": after, "limit": limit})


@cache
def _voucher_statement(
    sql: str, state: VoucherState, of_customer: bool, order: Order
) -> TextClause:
    last = _in_order("v.expires_at", "v.id", order)
    states = [f"(v.status = '{status}'{when})" for status, when in _STATES[state]]
    if of_customer:  # a customer has few: they are read by expiry and the others left out
        return text(f"{VOUCHER}{sql} AND ({' OR '.join(states)}){last}")
    each = [f"({VOUCHER}{sql} AND {one[1:-1]}{last})" for one in states]
    if len(each) == 1:
        return text(each[0])
    return text("SELECT * FROM (" + " UNION ALL ".join(each) + f") v{last}")  # noqa: S608


@cache
def _read(sql: str) -> TextClause:
    return text(sql)


def _in_order(column: str, row_id: str, order: Order) -> str:
    down = " DESC" if order is Order.NEWEST else ""
    return f" ORDER BY {column}{down}, {row_id}{down} LIMIT :limit"


def _rows(
    session: Session, statement: TextClause, merchant_id: str, values: dict[str, Any]
) -> list[Row[Any]]:
    return list(session.execute(statement, values | {"merchant": merchant_id}))


def payments_among(session: Session, merchant_id: str, ids: list[str]) -> set[str]:
    """Which of these payments were taken at this merchant: a shared wallet pays elsewhere too."""
    if not ids:
        return set()
    statement = _read("SELECT id FROM payments WHERE merchant_id = :merchant AND id = ANY(:ids)")
    return {row.id for row in _rows(session, statement, merchant_id, {"ids": ids})}


def vouchers_of(session: Session, merchant_id: str, customer_id: str) -> list[VoucherFacts]:
    """Active ones first, then those of the past; of each, the latest expiry first."""
    rows = session.scalars(
        select(Voucher)
        .where(Voucher.merchant_id == merchant_id, Voucher.customer_id == customer_id)
        .order_by(
            (Voucher.status == VoucherStatus.ACTIVE).desc(), Voucher.expires_at.desc(), Voucher.id
        )
        .limit(SHOWN)
    )
    return [facts_of(row) for row in rows]
