"""A merchant's customers: one for each phone."""

from collections.abc import Iterator, Sequence

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from mealquest.core.paging import EXPORT_BATCH, Keyset, batches, cut
from mealquest.core.principal import Principal
from mealquest.core.wire import PHONE
from mealquest.identity import names, phones, queries, social_queries
from mealquest.identity.domain import Provider, last4_of, masked
from mealquest.identity.errors import UserExists, UserNotFound
from mealquest.identity.forms import CustomerForm, CustomersForm
from mealquest.identity.models import Customer
from mealquest.identity.personal import PersonalKey, keep_new_key, new_material
from mealquest.identity.queries import CustomerFacts
from mealquest.identity.replies import CustomersPage, CustomerView
from mealquest.identity.sealing import seal
from mealquest.identity.social_queries import Key

DISPLAY_NAME = "MealQuest User"
NEW_TAGS = ("NEW_USER",)
NEW_FRAGMENTS = {"spicy": 0, "noodle": 0}


def customer_facts(
    session: Session, merchant_id: str, user_id: str, *, also_deleted: bool = False
) -> CustomerFacts:
    """One customer in one statement. UserNotFound: not at this merchant, or gone.

    `also_deleted`: whom the owner erased is there still, without a name; who cancelled is not.
    """
    found = queries.customer_facts(session, merchant_id, user_id, also_deleted=also_deleted)
    if found is None:
        raise UserNotFound
    return found


def find_or_create_customer(
    merchant_id: str, form: CustomerForm, by: Principal
) -> tuple[CustomerView, bool]:
    """The merchant's customer of that phone, and whether this call made them.

    The phone may also be a further one, which a sign-in has proved. Somebody who is there already
    keeps the name they have.
    """
    key = Key(Provider.PHONE, phones.phone_hash(form.phone))
    with transaction(merchant_id) as session:
        social_queries.lock(session, merchant_id, [key])
        known = social_queries.bound_to(session, merchant_id, key)
        customer = queries.lock_customer(session, merchant_id, known) if known else None
        if customer and customer.deleted_at:
            customer = None
        created = False
        while customer is None:  # a second round only when somebody with this phone leaves just now
            created = _added(
                session,
                merchant_id,
                new_id("u"),
                display_name=form.display_name or DISPLAY_NAME,
                phone=form.phone,
                tags=list(NEW_TAGS),
                fragments=dict(NEW_FRAGMENTS),
            )
            customer = queries.customer_by_phone(session, merchant_id, key.subject_hash)
        if created:
            audit.record(session, merchant_id, "CUSTOMER_CREATE", by, {"userId": customer.id})
        return views_of(session, merchant_id, [customer])[0], created


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
    if not _added(
        session,
        merchant_id,
        customer_id,
        display_name=display_name,
        phone=phone,
        tags=tags,
        fragments=fragments,
    ):
        raise UserExists


def rename_customer(
    session: Session, merchant_id: str, customer_id: str, display_name: str
) -> None:
    """Give a customer who is there another name. UserNotFound: they are gone."""
    customer = queries.lock_customer(session, merchant_id, customer_id)
    if customer is None or customer.deleted_at:
        raise UserNotFound
    seal(session, customer, display_name)


_ADD_FRAGMENTS = text(
    """
    UPDATE customers SET fragments = fragments || (
           SELECT jsonb_object_agg(more.key, coalesce(CAST(fragments ->> more.key AS bigint), 0)
                                             + CAST(more.value AS bigint))
             FROM jsonb_each_text(:more) AS more)
     WHERE merchant_id = :merchant AND id = :customer AND deleted_at IS NULL
    """
).bindparams(bindparam("more", type_=JSONB))


def add_fragments(
    session: Session, merchant_id: str, customer_id: str, more: dict[str, int]
) -> None:
    """Give a customer who is there fragments, by kind; below zero takes what `fragments_of` has.

    Take the wallet's lock first.
    """
    values = {"merchant": merchant_id, "customer": customer_id, "more": more}
    session.execute(_ADD_FRAGMENTS, values)


def fragments_of(session: Session, merchant_id: str, customer_id: str) -> dict[str, int]:
    """Pieces by kind; nobody changes them under the wallet's lock. Who has left has none."""
    kept = session.scalar(
        select(Customer.fragments).where(
            Customer.merchant_id == merchant_id, Customer.id == customer_id
        )
    )
    return {kind: int(count) for kind, count in (kept or {}).items()}


def customers(merchant_id: str, form: CustomersForm) -> CustomersPage:
    """A page of the merchant's customers; `query` finds a name, a phone, its end, or an id.

    Invalid: not a cursor of ours.
    """
    rows, next_cursor = _page(merchant_id, form, form.cursor, form.limit)
    return CustomersPage(merchant_id=merchant_id, items=rows, next_cursor=next_cursor)


def every_customer(merchant_id: str, form: CustomersForm) -> Iterator[list[CustomerView]]:
    """All customers the form finds, in batches that are read as they are asked for."""
    read = batches(lambda cursor: _page(merchant_id, form, cursor, EXPORT_BATCH))
    return map(list, read)


def _page(
    merchant_id: str, form: CustomersForm, cursor: str | None, limit: int
) -> tuple[list[CustomerView], str | None]:
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
        found, next_cursor = cut(rows, limit, lambda row: Keyset(row.created_at, row.id).encode())
        return views_of(session, merchant_id, found), next_cursor


def _added(
    session: Session,
    merchant_id: str,
    customer_id: str,
    *,
    display_name: str,
    phone: str | None,
    tags: list[str],
    fragments: dict[str, int],
) -> bool:
    """Write a customer with a key of their own; False: the id or the phone is taken."""
    material = new_material()
    key = PersonalKey(merchant_id, customer_id, material)
    added = session.scalar(
        insert(Customer)
        .values(
            merchant_id=merchant_id,
            id=customer_id,
            sealed_name=key.seal(display_name, names.NAME),
            phone=key.seal(phone, names.PHONE) if phone else None,
            phone_hash=phones.phone_hash(phone) if phone else None,
            phone_last4=last4_of(phone) if phone else None,
            tags=tags,
            fragments=fragments,
        )
        .on_conflict_do_nothing()
        .returning(Customer.id)
    )
    if added:
        keep_new_key(session, merchant_id, customer_id, material)
        names.index_name(session, merchant_id, customer_id, display_name)
    return added is not None


def views_of(
    session: Session, merchant_id: str, customers: Sequence[Customer]
) -> list[CustomerView]:
    shown = names.shown_customers(session, merchant_id, [customer.id for customer in customers])
    return [
        CustomerView(
            uid=customer.id,
            display_name=shown[customer.id].display_name,
            phone_masked=masked(customer.phone_last4),
            tags=customer.tags,
            created_at=customer.created_at,
        )
        for customer in customers
    ]
