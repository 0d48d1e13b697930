"""One key for each customer: what is sealed under it is erased by destroying the key.

The key lies in `customer_keys`, wrapped by the keyring; any key of the ring unwraps it, and the
daily housekeeping wraps it again under the first one. A destroyed key leaves its row, so that no
second key is made for somebody who is gone. Backups and the write-ahead log of before keep the
wrapped key as long as they themselves are kept.
"""

import base64
import json
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core.crypto import Keyring
from mealquest.core.db import platform_transaction
from mealquest.identity.errors import UserNotFound
from mealquest.identity.models import CustomerKey

KEY_BYTES = 32
_SCHEME = "c1"  # names the way of sealing in every sealed text


class PersonalKey:
    """Seals and opens the personal texts of one customer.

    `place` says where a text is kept (for instance `customers.phone`); it is authenticated with
    merchant and customer, so that a sealed text does not open anywhere else.
    """

    def __init__(self, merchant_id: str, customer_id: str, material: bytes | None) -> None:
        self.merchant_id = merchant_id
        self.customer_id = customer_id
        self._ring = Keyring({_SCHEME: material}) if material else None

    @property
    def is_erased(self) -> bool:
        return self._ring is None

    def seals(self, text: str) -> bool:
        """Whether a text looks like one of ours."""
        return text.startswith(f"{_SCHEME}:")

    def seal(self, text: str, place: str) -> str:
        """UserNotFound: the key is destroyed, nothing of this customer is kept any more."""
        if self._ring is None:
            raise UserNotFound
        return self._ring.encrypt(text, place=self._bound(place))

    def open(self, sealed: str, place: str) -> str | None:
        """The text; None once the key is destroyed. CannotDecrypt: not sealed for this place."""
        if self._ring is None:
            return None
        return self._ring.decrypt(sealed, place=self._bound(place))

    def seal_bytes(self, raw: bytes, place: str) -> bytes:
        """As `seal`, for what is no text."""
        if self._ring is None:
            raise UserNotFound
        return self._ring.encrypt_bytes(raw, place=self._bound(place))

    def open_bytes(self, sealed: bytes, place: str) -> bytes | None:
        """As `open`, for what is no text."""
        if self._ring is None:
            return None
        return self._ring.decrypt_bytes(sealed, place=self._bound(place))

    def _bound(self, place: str) -> str:
        return json.dumps([place, self.merchant_id, self.customer_id])


def personal_key(session: Session, merchant_id: str, customer_id: str) -> PersonalKey:
    """The customer's key, made when it is asked for first; of two at once the first one counts."""
    wanted = select(CustomerKey.wrapped).where(
        CustomerKey.merchant_id == merchant_id, CustomerKey.customer_id == customer_id
    )
    row = session.execute(wanted).one_or_none()
    if row is None:
        keep_new_key(session, merchant_id, customer_id)
        row = session.execute(wanted).one()
    return key_of(merchant_id, customer_id, row.wrapped)


def personal_keys(
    session: Session, merchant_id: str, customer_ids: Iterable[str]
) -> Mapping[str, PersonalKey]:
    """The keys of many, to open what is sealed, in one statement.

    Somebody without a key has nothing sealed: theirs behaves like a destroyed one.
    """
    wanted = set(customer_ids)
    if not wanted:
        return {}
    rows = session.execute(
        select(CustomerKey.customer_id, CustomerKey.wrapped).where(
            CustomerKey.merchant_id == merchant_id, CustomerKey.customer_id.in_(wanted)
        )
    )
    found = {row.customer_id: row.wrapped for row in rows}
    return {who: key_of(merchant_id, who, found.get(who)) for who in wanted}


def new_material() -> bytes:
    return os.urandom(KEY_BYTES)


def keep_new_key(
    session: Session, merchant_id: str, customer_id: str, material: bytes | None = None
) -> None:
    """Store a key for a customer who is there and has none; else nothing changes."""
    session.execute(
        insert(CustomerKey)
        .values(
            merchant_id=merchant_id,
            customer_id=customer_id,
            wrapped=_wrap(merchant_id, customer_id, material or new_material()),
        )
        .on_conflict_do_nothing()
    )


def key_row(
    merchant_id: str, customer_id: str, material: bytes | None, now: datetime
) -> dict[str, Any]:
    """Columns of a customer's key; without material, of one that is destroyed already."""
    return {
        "merchant_id": merchant_id,
        "customer_id": customer_id,
        "wrapped": _wrap(merchant_id, customer_id, material) if material else None,
        "destroyed_at": None if material else now,
    }


def destroy_key(session: Session, merchant_id: str, customer_id: str) -> None:
    """Nothing sealed for the customer opens again, and no other key is ever made for them."""
    gone = {"wrapped": None, "destroyed_at": func.now()}
    session.execute(
        insert(CustomerKey)
        .values(merchant_id=merchant_id, customer_id=customer_id, **gone)
        .on_conflict_do_update(
            index_elements=["merchant_id", "customer_id"],
            set_=gone,
            where=CustomerKey.destroyed_at.is_(None),
        )
    )


def wrap_again(limit: int = 1_000) -> int:
    """Wrap keys that lie under an older key of the ring under its first one; returns how many.

    Part of the daily housekeeping: crosses merchants because the ring is everybody's.
    """
    current = f"{_keyring().current}:"
    with platform_transaction("the keyring turns for every merchant at once") as session:
        old = session.execute(
            select(CustomerKey.merchant_id, CustomerKey.customer_id, CustomerKey.wrapped)
            .where(
                CustomerKey.wrapped.is_not(None),
                ~CustomerKey.wrapped.startswith(current, autoescape=True),
            )
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        for merchant_id, customer_id, wrapped in old:
            material = _unwrap(merchant_id, customer_id, wrapped or "")
            session.execute(
                update(CustomerKey)
                .where(
                    CustomerKey.merchant_id == merchant_id, CustomerKey.customer_id == customer_id
                )
                .values(wrapped=_wrap(merchant_id, customer_id, material))
            )
        return len(old)


def key_of(merchant_id: str, customer_id: str, wrapped: str | None) -> PersonalKey:
    """A customer's key from what is stored of it."""
    material = _unwrap(merchant_id, customer_id, wrapped) if wrapped else None
    return PersonalKey(merchant_id, customer_id, material)


def _wrap(merchant_id: str, customer_id: str, material: bytes) -> str:
    text = base64.b64encode(material).decode()
    return _keyring().encrypt(text, place=_place(merchant_id, customer_id))


def _unwrap(merchant_id: str, customer_id: str, wrapped: str) -> bytes:
    return base64.b64decode(_keyring().decrypt(wrapped, place=_place(merchant_id, customer_id)))


def _place(merchant_id: str, customer_id: str) -> str:
    return json.dumps(["customer_keys.wrapped", merchant_id, customer_id])


def _keyring() -> Keyring:
    keyring: Keyring = current_app.extensions["keyring"]
    return keyring
