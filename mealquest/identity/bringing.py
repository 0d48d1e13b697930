"""A customer's profile, brought from one store to another that its first store agreed with.

The profile only: name, tags, collected pieces, the phone they sign in with. Wallet and vouchers
never come along, and neither does the birthday, which was told to one store for its own use.
"""

from enum import StrEnum

from sqlalchemy.orm import Session

from mealquest.identity import names, phones, queries, social_queries
from mealquest.identity.customers import create_customer
from mealquest.identity.domain import Provider, last4_of
from mealquest.identity.erasing import personal_texts
from mealquest.identity.errors import UserNotFound
from mealquest.identity.models import Customer
from mealquest.identity.personal import personal_key
from mealquest.identity.sealing import seal
from mealquest.identity.social_queries import Key


class Brought(StrEnum):
    CREATED = "CREATED"  # the store did not know the customer
    UPDATED = "UPDATED"
    HAS_LEFT = "HAS_LEFT"  # erased at that store: nothing was written, and nothing ever will be


def bring_profile(session: Session, source: str, target: str, user_id: str) -> Brought:
    """Write a customer's profile at `source` into `target`; the transaction names both stores.

    The id is the same at both. What the target store knows besides stays: its own tags, the larger
    number of each kind of pieces, a phone it has; a phone that leads to somebody else there stays
    where it is. What is personal is sealed anew, under the customer's key at the target store.

    UserNotFound: not at the source, or erased there.
    """
    facts = queries.customer_facts(session, source, user_id)
    if facts is None:
        raise UserNotFound
    phone = personal_texts(session, source, user_id).phone
    if phone:
        social_queries.lock(session, target, [_key(phone)])
    known = queries.lock_customer(session, target, user_id)
    if known is None:
        pieces = {kind: int(count) for kind, count in facts.fragments.items()}
        create_customer(
            session,
            target,
            customer_id=user_id,
            display_name=facts.display_name,
            tags=list(facts.tags),
            fragments=pieces,
            phone=_free(session, target, user_id, phone),
        )
        return Brought.CREATED
    if known.deleted_at:
        return Brought.HAS_LEFT
    _renew(session, known, facts, _free(session, target, user_id, phone))
    return Brought.UPDATED


def _renew(
    session: Session, known: Customer, facts: queries.CustomerFacts, phone: str | None
) -> None:
    seal(session, known, facts.display_name)
    if known.phone is None and phone:
        known.phone = personal_key(session, known.merchant_id, known.id).seal(phone, names.PHONE)
        known.phone_hash, known.phone_last4 = phones.phone_hash(phone), last4_of(phone)
    known.tags = list(dict.fromkeys([*known.tags, *facts.tags]))
    known.fragments = {
        kind: max(int(known.fragments.get(kind, 0)), int(facts.fragments.get(kind, 0)))
        for kind in {**known.fragments, **facts.fragments}
    }
    session.flush()


def _free(session: Session, target: str, user_id: str, phone: str | None) -> str | None:
    """The phone, unless it leads to another customer of the store. The caller holds its lock."""
    if phone is None:
        return None
    key = _key(phone)
    leads_to = social_queries.bound_to(session, target, key)
    if leads_to not in {None, user_id}:
        return None
    social_queries.let_go_of_phone(session, target, key.subject_hash)
    return phone


def _key(phone: str) -> Key:
    return Key(Provider.PHONE, phones.phone_hash(phone))
