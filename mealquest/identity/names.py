"""Names of customers: sealed under their key, opened for a page, found by hashed parts of them.

A search finds the words that begin with what is typed, and Chinese characters that stand side by
side. Of a name nothing is stored that can be read without the customer's key.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Select, and_, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.identity import phones
from mealquest.identity.domain import anonymous_name, anonymous_user_id, terms_of
from mealquest.identity.models import Customer, CustomerKey, CustomerNameTerm
from mealquest.identity.personal import key_of

NAME, PHONE = "customers.display_name", "customers.phone"  # places of what is sealed

# What a statement selects, from customers joined by `with_keys`, to know a name.
COLUMNS = (
    Customer.display_name,
    Customer.sealed_name,
    Customer.deleted_at,
    Customer.cancelled_at,
    CustomerKey.wrapped,
)


class NameRow(Protocol):
    """A row that has `COLUMNS`."""

    display_name: str
    sealed_name: str | None
    deleted_at: datetime | None
    cancelled_at: datetime | None
    wrapped: str | None


@dataclass(frozen=True, slots=True)
class ShownCustomer:
    """How a list names a customer; one who has left by the id that the contract gives them."""

    user_id: str
    display_name: str


def with_keys(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return query.outerjoin(
        CustomerKey,
        and_(
            CustomerKey.merchant_id == Customer.merchant_id,
            CustomerKey.customer_id == Customer.id,
        ),
    )


def name_of(merchant_id: str, customer_id: str, row: NameRow) -> str:
    """The name; of somebody erased what the contract puts in its place."""
    if row.cancelled_at:
        return anonymous_user_id(merchant_id, customer_id)
    if row.deleted_at:
        return anonymous_name(customer_id)
    if row.sealed_name is None:
        return row.display_name
    key = key_of(merchant_id, customer_id, row.wrapped)
    return key.open(row.sealed_name, NAME) or anonymous_name(customer_id)


def shown_customers(
    session: Session, merchant_id: str, customer_ids: Iterable[str]
) -> Mapping[str, ShownCustomer]:
    """How rows that name these customers show them, also those who have left: one statement."""
    wanted = set(customer_ids)
    if not wanted:
        return {}
    rows = session.execute(
        with_keys(select(Customer.id, *COLUMNS)).where(
            Customer.merchant_id == merchant_id, Customer.id.in_(wanted)
        )
    )
    return {
        row.id: ShownCustomer(
            user_id=anonymous_user_id(merchant_id, row.id) if row.cancelled_at else row.id,
            display_name=name_of(merchant_id, row.id, row),
        )
        for row in rows
    }


def cancelled_among(
    session: Session, merchant_id: str, customer_ids: Iterable[str]
) -> dict[str, str]:
    """Of these customers those who closed their account, with the id that stands for them now."""
    gone = select(Customer.id).where(
        Customer.merchant_id == merchant_id,
        Customer.id.in_(set(customer_ids)),
        Customer.cancelled_at.is_not(None),
    )
    return {one: anonymous_user_id(merchant_id, one) for one in session.scalars(gone)}


def index_name(session: Session, merchant_id: str, customer_id: str, name: str) -> None:
    """From now on a search finds the customer by this name and by no other."""
    forget_terms(session, merchant_id, customer_id)
    terms = [phones.term_hash(merchant_id, term) for term in sorted(terms_of(name))]
    if terms:
        row = {"merchant_id": merchant_id, "customer_id": customer_id}
        session.execute(
            insert(CustomerNameTerm)
            .values([row | {"term": term} for term in terms])
            .on_conflict_do_nothing()
        )


def forget_terms(session: Session, merchant_id: str, customer_id: str) -> None:
    session.execute(
        delete(CustomerNameTerm).where(
            CustomerNameTerm.merchant_id == merchant_id,
            CustomerNameTerm.customer_id == customer_id,
        )
    )
