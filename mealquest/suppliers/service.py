"""Suppliers: partners with keys, their orders, the one use of each, and the three-way match."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from mealquest.core.money import Currency, Money
from mealquest.core.principal import Principal
from mealquest.suppliers import restoring
from mealquest.suppliers.domain import OrderStatus
from mealquest.suppliers.imports import apply as apply_import
from mealquest.suppliers.imports import shown as shown_import
from mealquest.suppliers.imports import stage as stage_import
from mealquest.suppliers.listing import desk, detail, every, listed
from mealquest.suppliers.orders import Said, set_delivered, set_invoiced, take, write
from mealquest.suppliers.partners import (
    HEADER,
    PartnerKey,
    add_partner,
    change_partner,
    new_key,
    new_partner,
    partner_of_key,
    partners,
    revoke_key,
)
from mealquest.suppliers.verifying import EVENT, verify

__all__ = [
    "EVENT",
    "HEADER",
    "OrderStatus",
    "PartnerKey",
    "add_paid_order",
    "add_partner",
    "apply_import",
    "change_partner",
    "desk",
    "detail",
    "every",
    "listed",
    "new_key",
    "new_partner",
    "partner_of_key",
    "partners",
    "restoring",
    "revoke_key",
    "set_delivered",
    "set_invoiced",
    "shown_import",
    "stage_import",
    "take",
    "verify",
]


def add_paid_order(
    session: Session,
    merchant_id: str,
    *,
    partner_id: str,
    order_id: str,
    amount: int,
    currency: Currency,
    paid_at: datetime,
    by: Principal,
) -> None:
    """Write an order of a partner that is there; `amount` in major units."""
    minor = Money.of_major(Decimal(amount), currency).minor
    said = Said(partner_id, order_id, minor, OrderStatus.PAID, paid_at)
    write(session, merchant_id, [said], currency, by)
