"""A merchant's customers: one for each phone."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from mealquest.core.paging import EXPORT_BATCH, Keyset, batches, cut
from mealquest.core.principal import Principal
from mealquest.core.wire import PHONE
from mealquest.identity import phones, queries
from mealquest.identity.domain import last4_of, masked
from mealquest.identity.errors import UserExists, UserNotFound
from mealquest.identity.forms import CustomerForm, CustomersForm
from mealquest.identity.models import Customer
from mealquest.identity.queries import CustomerFacts
from mealquest.identity.replies import CustomersPage, CustomerView

DISPLAY_NAME = "MealQuest User"
NEW_TAGS = ("NEW_USER",)
NEW_FRAGMENTS = {"spicy": 0, "noodle": 0}


def customer_facts(session: Session, merchant_id: str, user_id: str) -> CustomerFacts:
    """One customer in one statement. UserNotFound: not at this merchant, or gone."""
    found = queries.customer_facts(session, merchant_id, user_id)
    if found is None:
        raise UserNotFound
    return found


def find_or_create_customer(
    merchant_id: str, form: CustomerForm, by: Principal
) -> tuple[CustomerView, bool]:
    """The merchant's customer of that phone, and whether this call made them.

    Somebody who is there already keeps the name they have.
    """
    phone_hash = phones.phone_hash(form.phone)
    values = _values(
        merchant_id,
        new_id("u"),
        display_name=form.display_name or DISPLAY_NAME,
        phone=form.phone,
        tags=list(NEW_TAGS),
        fragments=dict(NEW_FRAGMENTS),
    )
    with transaction(merchant_id) as session:
        created = session.scalar(
            insert(Customer)
            .values(values)
            .on_conflict_do_nothing(index_elements=["merchant_id", "phone_hash"])
            .returning(Customer.id)
        )
        if created:
            audit.record(session, merchant_id, "CUSTOMER_CREATE", by, {"userId": created})
        customer = queries.customer_by_phone(session, merchant_id, phone_hash)
        return view_of(customer), created is not None


def create_customer(
    session: Session,
    merchant_id: str,
    *,
    customer_id: str,
    display_name: str,
    tags: list[str],
    fragments: dict[str, int],
    phone: str | None = None,
) -> None:
    """Add a customer under a given id. UserExists: the id or the phone is taken."""
    added = session.scalar(
        insert(Customer)
        .values(
            _values(
                merchant_id,
                customer_id,
                display_name=display_name,
                phone=phone,
                tags=tags,
                fragments=fragments,
            )
        )
        .on_conflict_do_nothing()
        .returning(Customer.id)
    )
    if added is None:
        raise UserExists


def customers(merchant_id: str, form: CustomersForm) -> CustomersPage:
    """A page of the merchant's customers; `query` finds a name, a phone, its end, or an id.

    Invalid: not a cursor of ours.
    """
    rows, next_cursor = _page(merchant_id, form, form.cursor, form.limit)
    items = [view_of(row) for row in rows]
    return CustomersPage(merchant_id=merchant_id, items=items, next_cursor=next_cursor)


def every_customer(merchant_id: str, form: CustomersForm) -> Iterator[list[CustomerView]]:
    """All customers the form finds, in batches that are read as they are asked for."""
    read = batches(lambda cursor: _page(merchant_id, form, cursor, EXPORT_BATCH))
    return ([view_of(row) for row in rows] for rows in read)


def _page(
    merchant_id: str, form: CustomersForm, cursor: str | None, limit: int
) -> tuple[Sequence[Customer], str | None]:
    text = form.query
    phone_hash = phones.phone_hash(text) if text and PHONE.fullmatch(text) else None
    after = Keyset.decode(cursor) if cursor else None
    with transaction(merchant_id) as session:
        rows = queries.customers_page(
            session,
            merchant_id,
            text=text,
            phone_hash=phone_hash,
            order=form.order,
            after=after,
            limit=limit + 1,
        )
    return cut(rows, limit, lambda row: Keyset(row.created_at, row.id).encode())


def _values(
    merchant_id: str, customer_id: str, *, phone: str | None, **rest: Any
) -> dict[str, Any]:
    return {
        "merchant_id": merchant_id,
        "id": customer_id,
        "phone": phones.sealed_customer_phone(merchant_id, phone) if phone else None,
        "phone_hash": phones.phone_hash(phone) if phone else None,
        "phone_last4": last4_of(phone) if phone else None,
        **rest,
    }


def view_of(customer: Customer) -> CustomerView:
    return CustomerView(
        uid=customer.id,
        display_name=customer.display_name,
        phone_masked=masked(customer.phone_last4),
        tags=customer.tags,
        created_at=customer.created_at,
    )
