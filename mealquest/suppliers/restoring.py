"""Partners' orders as another server kept them; their partners are made, without keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from mealquest.core.money import Currency
from mealquest.core.principal import Principal
from mealquest.suppliers.domain import OrderStatus
from mealquest.suppliers.orders import Said, write
from mealquest.suppliers.partners import new_partner

__all__ = ["OldOrder", "OrderStatus", "restore"]


@dataclass(frozen=True, slots=True)
class OldOrder:
    partner_id: str
    order_id: str
    amount_minor: int
    status: OrderStatus
    paid_at: datetime | None


def restore(
    session: Session,
    merchant_id: str,
    orders: Sequence[OldOrder],
    currency: Currency,
    by: Principal,
) -> None:
    """Write orders, each named once, with the first line of their history."""
    for partner_id in sorted({one.partner_id for one in orders}):
        new_partner(session, merchant_id, partner_id, partner_id, by.subject)
    said = [
        Said(one.partner_id, one.order_id, one.amount_minor, one.status, one.paid_at)
        for one in orders
    ]
    if said:
        write(session, merchant_id, said, currency, by)
