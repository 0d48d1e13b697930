"""Statements on what binds people of WeChat and Alipay, and phones, to customers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.identity.domain import Provider
from mealquest.identity.models import Customer, SocialIdentity


@dataclass(frozen=True, slots=True)
class Key:
    """What may lead to a customer, as it is stored."""

    provider: Provider
    subject_hash: str


@dataclass(frozen=True, slots=True)
class Linked:
    """One way in which a customer can sign in. Hashes stay where they are."""

    provider: Provider
    linked_at: datetime
    last_login_at: datetime


_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


def lock(session: Session, merchant_id: str, keys: Iterable[Key]) -> None:
    """Let nobody else bind any of these until the transaction ends; in one order for everybody."""
    for name in sorted(f"{merchant_id}:{key.provider}:{key.subject_hash}" for key in keys):
        session.execute(_LOCK, {"name": f"social:{name}"})


def bound_to(session: Session, merchant_id: str, key: Key) -> str | None:
    """The customer that a key leads to; nobody who has left."""
    own_phone = [Customer.phone_hash == key.subject_hash] if key.provider is Provider.PHONE else []
    linked = select(SocialIdentity.customer_id).where(
        SocialIdentity.merchant_id == merchant_id,
        SocialIdentity.provider == key.provider,
        SocialIdentity.subject_hash == key.subject_hash,
    )
    return session.scalar(
        select(Customer.id)
        .where(
            Customer.merchant_id == merchant_id,
            Customer.deleted_at.is_(None),
            or_(Customer.id.in_(linked), *own_phone),
        )
        .order_by(Customer.id)
        .limit(1)
    )


def bind(
    session: Session, merchant_id: str, key: Key, customer_id: str, union_hash: str | None
) -> None:
    """Let a key lead to the customer from now on; when it was linked first is kept."""
    session.execute(
        insert(SocialIdentity)
        .values(
            merchant_id=merchant_id,
            provider=key.provider,
            subject_hash=key.subject_hash,
            union_hash=union_hash,
            customer_id=customer_id,
        )
        .on_conflict_do_update(
            index_elements=["merchant_id", "provider", "subject_hash"],
            set_={
                "customer_id": customer_id,
                "union_hash": func.coalesce(union_hash, SocialIdentity.union_hash),
                "linked_at": text(
                    "CASE WHEN social_identities.customer_id = excluded.customer_id"
                    " THEN social_identities.linked_at ELSE now() END"
                ),
                "last_login_at": func.now(),
            },
        )
    )


def of_further_phone(merchant_id: str, phone_hash: str) -> Select[str]:
    """Selects whoever a sign-in has proved this phone of, besides the one in their own row."""
    return select(SocialIdentity.customer_id).where(
        SocialIdentity.merchant_id == merchant_id,
        SocialIdentity.provider == Provider.PHONE,
        SocialIdentity.subject_hash == phone_hash,
    )


def let_go_of_phone(session: Session, merchant_id: str, phone_hash: str) -> None:
    """A customer who has left keeps no phone from somebody new."""
    session.execute(
        update(Customer)
        .where(
            Customer.merchant_id == merchant_id,
            Customer.phone_hash == phone_hash,
            Customer.deleted_at.is_not(None),
        )
        .values(phone=None, phone_hash=None, phone_last4=None)
    )


def forget(session: Session, merchant_id: str, customer_id: str) -> None:
    session.execute(
        delete(SocialIdentity).where(
            SocialIdentity.merchant_id == merchant_id, SocialIdentity.customer_id == customer_id
        )
    )


def linked(session: Session, merchant_id: str, customer_id: str) -> list[Linked]:
    """How the customer signs in, the oldest way first."""
    rows = session.execute(
        select(SocialIdentity.provider, SocialIdentity.linked_at, SocialIdentity.last_login_at)
        .where(SocialIdentity.merchant_id == merchant_id, SocialIdentity.customer_id == customer_id)
        .order_by(SocialIdentity.linked_at, SocialIdentity.provider)
    )
    return [Linked(*row) for row in rows]
