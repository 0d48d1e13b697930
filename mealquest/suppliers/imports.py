"""Uploaded lists of orders: checked and shown first, then applied as a whole, once."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import AppError, FieldError
from mealquest.core.ids import new_id
from mealquest.core.money import Currency, Money
from mealquest.core.principal import Principal
from mealquest.suppliers import queries, sheet
from mealquest.suppliers.domain import OrderStatus
from mealquest.suppliers.errors import ImportNotFound
from mealquest.suppliers.forms import ImportForm
from mealquest.suppliers.models import OrderImport, PartnerOrder
from mealquest.suppliers.orders import Counts, Said, changes, tell, write
from mealquest.suppliers.replies import ImportLine, ImportView, major, major_or_none
from mealquest.suppliers.sheet import Line
from mealquest.tenancy import service as tenancy

KEPT = timedelta(days=1)  # a list that was shown and not applied
MOST_LINES = 100  # shown of a list


def stage(merchant_id: str, form: ImportForm, by: Principal) -> ImportView:
    """Check a list against what is known and keep it, to be applied as a whole.

    Invalid: names each row that cannot be taken; then nothing is kept.
    """
    with transaction(merchant_id) as session:
        facts = tenancy.settings_of(session, merchant_id)
        lines = sheet.read(form.file, form.partner_id, ZoneInfo(facts.time_zone))
        rows = _said(lines, facts.currency)
        known = _checked(session, merchant_id, rows)
        queries.forget_unused(session, merchant_id, KEPT)
        staged = OrderImport(
            merchant_id=merchant_id,
            id=new_id("imp"),
            rows={"rows": [[row, *_stored(said)] for row, said in rows]},
            created_by=by.subject,
            created_at=utc_now(),
        )
        session.add(staged)
    return _preview(staged.id, rows, known, facts.currency)


def shown(merchant_id: str, import_id: str) -> ImportView:
    """What a list would do now, or what it did. ImportNotFound: there is none, or no longer."""
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        staged = _found(session, merchant_id, import_id)
        if staged.applied_at:
            return _applied(staged, currency)
        rows = _opened(staged)
        return _preview(import_id, rows, _checked(session, merchant_id, rows), currency)


def apply(merchant_id: str, import_id: str, by: Principal) -> ImportView:
    """Write the list down, all rows or none. A second time answers what the first one did."""
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        staged = _found(session, merchant_id, import_id, lock=True)
        if not staged.applied_at:
            rows = _opened(staged)
            _checked(session, merchant_id, rows)
            orders = [said for _row, said in rows]
            counts = write(session, merchant_id, orders, currency, by)
            tell(session, merchant_id, orders, counts, by)
            staged.rows, staged.result, staged.applied_at = None, vars(counts), utc_now()
        return _applied(staged, currency)


def _found(
    session: Session, merchant_id: str, import_id: str, *, lock: bool = False
) -> OrderImport:
    staged = queries.uploaded(session, merchant_id, import_id, lock=lock)
    if staged is None:
        raise ImportNotFound
    return staged


def _said(lines: list[Line], currency: Currency) -> list[tuple[int, Said]]:
    rows: list[tuple[int, Said]] = []
    errors: list[FieldError] = []
    for line in lines:
        order = line.order
        try:
            sums = [
                None if sum_ is None else Money.of_major(sum_, currency).minor
                for sum_ in (order.delivered, order.invoiced)
            ]
            amount = Money.of_major(order.amount, currency).minor
        except AppError as wrong:
            errors.append(sheet.error_at(line.row, "amount", wrong.message))
            continue
        said = Said(order.partner_id, order.order_id, amount, order.status, order.paid_at, *sums)
        rows.append((line.row, said))
    if errors:
        raise sheet.refused(errors)
    return rows


def _checked(
    session: Session, merchant_id: str, rows: list[tuple[int, Said]]
) -> dict[tuple[str, str], PartnerOrder]:
    """The orders that are there already. Invalid: what a row says cannot be."""
    partners = {partner.partner_id for partner in queries.partners(session, merchant_id)}
    known = queries.orders_of(session, merchant_id, (said.key for _row, said in rows))
    errors: list[FieldError] = []
    seen: set[tuple[str, str]] = set()
    for row, said in rows:
        if said.partner_id not in partners:
            errors.append(sheet.error_at(row, "partnerId", "partner not found"))
        if said.key in seen:
            errors.append(sheet.error_at(row, "orderId", "orders must not name an order twice"))
        seen.add(said.key)
        try:
            _effect(known.get(said.key), said)
        except AppError as wrong:
            errors.append(sheet.error_at(row, "orderId", wrong.message))
    if errors:
        raise sheet.refused(errors)
    return known


def _effect(order: PartnerOrder | None, said: Said) -> str:
    if order is None:
        return "created"
    return "updated" if changes(order, said) else "unchanged"


def _preview(
    import_id: str,
    rows: list[tuple[int, Said]],
    known: dict[tuple[str, str], PartnerOrder],
    currency: Currency,
) -> ImportView:
    effects = [_effect(known.get(said.key), said) for _row, said in rows]
    lines = [
        ImportLine(
            row=row,
            partner_id=said.partner_id,
            order_id=said.order_id,
            amount=major(said.amount_minor, currency),
            status=said.status,
            delivered_amount=major_or_none(said.delivered_minor, currency),
            invoiced_amount=major_or_none(said.invoiced_minor, currency),
            effect=effect,
        )
        for (row, said), effect in zip(rows[:MOST_LINES], effects, strict=False)
    ]
    return ImportView(
        import_id=import_id,
        applied_at=None,
        rows=len(rows),
        created=effects.count("created"),
        updated=effects.count("updated"),
        unchanged=effects.count("unchanged"),
        currency=currency,
        lines=lines,
    )


def _applied(staged: OrderImport, currency: Currency) -> ImportView:
    counts = Counts(**(staged.result or {}))
    return ImportView(
        import_id=staged.id,
        applied_at=staged.applied_at,
        rows=counts.created + counts.updated + counts.unchanged,
        currency=currency,
        lines=[],
        **vars(counts),
    )


def _stored(said: Said) -> list[Any]:
    paid_at = said.paid_at.isoformat() if said.paid_at else None
    amounts = [said.delivered_minor, said.invoiced_minor]
    return [said.partner_id, said.order_id, said.amount_minor, said.status, paid_at, *amounts]


def _opened(staged: OrderImport) -> list[tuple[int, Said]]:
    stored = (staged.rows or {}).get("rows", [])
    return [
        (
            row,
            Said(
                partner_id,
                order_id,
                amount,
                OrderStatus(status),
                datetime.fromisoformat(paid_at) if paid_at else None,
                delivered,
                invoiced,
            ),
        )
        for row, partner_id, order_id, amount, status, paid_at, delivered, invoiced in stored
    ]
