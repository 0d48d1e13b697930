"""What customers owe after a refund that could not take back all the payment had earned them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg.types.numeric import Int8
from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import idempotency
from mealquest.core.db import transaction
from mealquest.core.errors import Forbidden
from mealquest.core.idempotency import KeyedRequest
from mealquest.core.ids import new_id
from mealquest.core.money import Currency, Money
from mealquest.core.paging import EXPORT_BATCH, Keyset, Order, batches, cut
from mealquest.core.principal import MANAGEMENT, Principal
from mealquest.core.wire import number
from mealquest.identity import service as identity
from mealquest.identity.service import ShownCustomer
from mealquest.payments import waiting
from mealquest.payments.domain import ReceivableState, SettleMethod
from mealquest.payments.errors import ReceivableClosed, ReceivableNotFound, SettledTooMuch
from mealquest.payments.refund_forms import ReceivablesForm, SettleForm
from mealquest.payments.refund_replies import ReceivablesPage, ReceivableView
from mealquest.wallet import service as wallets
from mealquest.wallet.service import LockedWallet, TopUpMethod


@dataclass(frozen=True, slots=True)
class Receivable:
    id: str
    customer_id: str
    customer: ShownCustomer
    payment_id: str
    refund_id: str
    currency: Currency
    amount: int
    settled: int
    written_off: int
    state: ReceivableState
    settled_by: str | None
    settled_at: datetime | None
    created_at: datetime

    @property
    def open(self) -> int:
        return self.amount - self.settled - self.written_off


def owe(
    session: Session, wallet: LockedWallet, payment_id: str, refund_id: str, minor: int
) -> None:
    """Note what a refund could not take back; the refund's ledger entry books it."""
    values = {
        "merchant": wallet.store_id,
        "id": new_id("owed"),
        "customer": wallet.customer_id,
        "payment": payment_id,
        "refund": refund_id,
        "currency": wallet.currency.value,
        "amount": Int8(minor),
    }
    session.execute(_ADD, values)


def listed(merchant_id: str, form: ReceivablesForm) -> ReceivablesPage:
    """A page of what customers owe or owed. Invalid: not a cursor of ours."""
    found, next_cursor = _page(merchant_id, form, form.cursor, form.limit)
    return ReceivablesPage(items=[view_of(row) for row in found], next_cursor=next_cursor)


def every(merchant_id: str, form: ReceivablesForm) -> Iterator[list[ReceivableView]]:
    """All of the filter, in batches that are read as they are asked for."""
    read = batches(lambda cursor: _page(merchant_id, form, cursor, EXPORT_BATCH))
    return ([view_of(row) for row in found] for found in read)


def one(merchant_id: str, receivable_id: str) -> ReceivableView:
    with transaction(merchant_id) as session:
        return view_of(_one(session, _ONE, merchant_id, receivable_id))


def how_many_open(session: Session, merchant_id: str) -> int:
    return int(session.execute(_OPEN, {"merchant": merchant_id}).scalar_one())


def settle(
    merchant_id: str, form: SettleForm, by: Principal, request: KeyedRequest
) -> ReceivableView:
    """Book that a customer paid what they owe, or that it is given up; once per request key.

    Raises:
        Forbidden: somebody gives it up who is neither manager nor owner.
        ReceivableNotFound, ReceivableClosed, SettledTooMuch, WalletBusy, KeyReused, StillRunning.
    """
    if form.method is SettleMethod.WRITE_OFF and by.role not in MANAGEMENT:
        raise Forbidden("permission denied")
    with transaction(merchant_id) as session:
        stored = idempotency.claim(session, merchant_id, request, ReceivableView)
        if stored is not None:
            return stored
        before = _one(session, _ONE, merchant_id, form.receivable_id)
        wallet = waiting.lock_wallet(session, merchant_id, before.payment_id)
        owed = _one(session, _LOCK, merchant_id, form.receivable_id)
        minor = _require_amount(owed, form)
        details = _book(session, wallet, owed, form, minor)
        audit.record(session, merchant_id, "RECEIVABLE_SETTLE", by, details)
        view = view_of(_write(session, wallet, owed, form.method, minor, by))
        whose = wallet.customer_id
        idempotency.store(session, merchant_id, request, view, customer_id=whose)
    return view


def view_of(row: Receivable) -> ReceivableView:
    return ReceivableView(
        receivable_id=row.id,
        user_id=row.customer.user_id,
        display_name=row.customer.display_name,
        payment_txn_id=row.payment_id,
        refund_txn_id=row.refund_id,
        currency=row.currency,
        amount=wallets.major(row.amount, row.currency),
        settled_amount=wallets.major(row.settled, row.currency),
        written_off_amount=wallets.major(row.written_off, row.currency),
        open_amount=wallets.major(row.open, row.currency),
        state=row.state,
        settled_by=row.settled_by,
        settled_at=row.settled_at,
        created_at=row.created_at,
    )


def _require_amount(owed: Receivable, form: SettleForm) -> int:
    if owed.state is not ReceivableState.OPEN:
        raise ReceivableClosed
    if form.amount is None:
        return owed.open
    minor = Money.of_major(form.amount, owed.currency).minor
    if minor > owed.open:
        raise SettledTooMuch
    return minor


def _book(
    session: Session, wallet: LockedWallet, owed: Receivable, form: SettleForm, minor: int
) -> dict[str, Any]:
    given_up = form.method is SettleMethod.WRITE_OFF
    details = {
        "receivableId": owed.id,
        "paymentTxnId": owed.payment_id,
        "userId": owed.customer_id,
        "amount": number(wallets.major(minor, owed.currency)),
        "method": form.method.value,
    }
    method = None if given_up else TopUpMethod(form.method.value)
    wallets.settle_receivable(session, wallet, owed.id, minor, method, dict(details), form.note)
    return details


def _write(
    session: Session,
    wallet: LockedWallet,
    owed: Receivable,
    method: SettleMethod,
    minor: int,
    by: Principal,
) -> Receivable:
    given_up = minor if method is SettleMethod.WRITE_OFF else 0
    after = replace(
        owed,
        settled=owed.settled + minor - given_up,
        written_off=owed.written_off + given_up,
        settled_by=by.subject,
    )
    if not after.open:
        closed = ReceivableState.WRITTEN_OFF if after.written_off else ReceivableState.SETTLED
        after = replace(after, state=closed)
    values = {
        "merchant": wallet.store_id,
        "id": owed.id,
        "settled": Int8(after.settled),
        "written_off": Int8(after.written_off),
        "state": after.state.value,
        "by": by.subject,
    }
    moment = session.execute(_SETTLE, values).scalar_one()
    return replace(after, settled_at=moment)


# --- statements ---------------------------------------------------------------------------

_ROWS = """
    SELECT r.id, r.customer_id, r.payment_id, r.refund_id, r.currency,
           r.amount_minor, r.settled_minor, r.written_off_minor, r.state, r.settled_by,
           r.settled_at, r.created_at
      FROM receivables r
     WHERE r.merchant_id = :merchant
"""
_ONE = text(_ROWS + " AND r.id = :id")
_LOCK = text(_ROWS + " AND r.id = :id FOR UPDATE OF r")
_OPEN = text("SELECT count(*) FROM receivables WHERE merchant_id = :merchant AND state = 'OPEN'")
_ADD = text(
    """
    INSERT INTO receivables
           (merchant_id, id, customer_id, payment_id, refund_id, currency, amount_minor, state)
    VALUES (:merchant, :id, :customer, :payment, :refund, :currency, :amount, 'OPEN')
    """
)
_SETTLE = text(
    """
    UPDATE receivables
       SET settled_minor = :settled, written_off_minor = :written_off, state = :state,
           settled_by = :by, settled_at = now()
     WHERE merchant_id = :merchant AND id = :id
    RETURNING settled_at
    """
)
_CONDITIONS = {
    "state": " AND r.state = :state",
    "customer": " AND r.customer_id = :customer",
}
_AFTER = {
    Order.NEWEST: " AND (r.created_at, r.id) < (:moment, :after)",
    Order.OLDEST: " AND (r.created_at, r.id) > (:moment, :after)",
}
_IN_ORDER = {
    Order.NEWEST: " ORDER BY r.created_at DESC, r.id DESC LIMIT :limit",
    Order.OLDEST: " ORDER BY r.created_at, r.id LIMIT :limit",
}


def _page(
    merchant_id: str, form: ReceivablesForm, cursor: str | None, limit: int
) -> tuple[Any, str | None]:
    whose = form.user_id and identity.named_user_id(merchant_id, form.user_id)
    given = {"state": form.state.value if form.state else None, "customer": whose}
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    statement = _ROWS + "".join(_CONDITIONS[name] for name in values)
    if cursor:
        place = Keyset.decode(cursor)
        statement += _AFTER[form.order]
        values |= {"moment": place.moment, "after": place.id}
    values |= {"merchant": merchant_id, "limit": limit + 1}
    with transaction(merchant_id) as session:
        rows = session.execute(text(statement + _IN_ORDER[form.order]), values).all()
        found = _receivables(session, merchant_id, rows)
    return cut(found, limit, lambda row: Keyset(row.created_at, row.id).encode())


def _one(session: Session, statement: TextClause, merchant_id: str, row_id: str) -> Receivable:
    row = session.execute(statement, {"merchant": merchant_id, "id": row_id}).first()
    if row is None:
        raise ReceivableNotFound
    return _receivables(session, merchant_id, [row])[0]


def _receivables(session: Session, merchant_id: str, rows: Sequence[Row[Any]]) -> list[Receivable]:
    """With their customers in one more statement."""
    people = identity.shown_customers(session, merchant_id, [row.customer_id for row in rows])
    return [_receivable(row, people[row.customer_id]) for row in rows]


def _receivable(row: Row[Any], customer: ShownCustomer) -> Receivable:
    return Receivable(
        id=row.id,
        customer_id=row.customer_id,
        customer=customer,
        payment_id=row.payment_id,
        refund_id=row.refund_id,
        currency=Currency(row.currency),
        amount=row.amount_minor,
        settled=row.settled_minor,
        written_off=row.written_off_minor,
        state=ReceivableState(row.state),
        settled_by=row.settled_by,
        settled_at=row.settled_at,
        created_at=row.created_at,
    )
