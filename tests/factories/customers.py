"""Customers of a merchant. Phones are no part of these rows: identity's own tests set them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import update

from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from mealquest.identity.customers import create_customer
from mealquest.identity.models import Customer


def make_customer(
    merchant_id: str,
    customer_id: str | None = None,
    *,
    display_name: str = "Fixture Customer",
    phone_last4: str | None = None,
    tags: Sequence[str] = ("REGULAR",),
    fragments: dict[str, int] | None = None,
    deleted_at: datetime | None = None,
) -> str:
    """Write a customer without a wallet; returns the id, a fresh one unless given."""
    customer_id = customer_id or new_id("u")
    with transaction(merchant_id) as session:
        create_customer(
            session,
            merchant_id,
            customer_id=customer_id,
            display_name=display_name,
            tags=list(tags),
            fragments=fragments if fragments is not None else {"spicy": 0, "noodle": 0},
        )
        if phone_last4 or deleted_at:
            session.execute(
                update(Customer)
                .where(Customer.merchant_id == merchant_id, Customer.id == customer_id)
                .values(phone_last4=phone_last4, deleted_at=deleted_at)
            )
    return customer_id
