"""How phones are kept: encrypted to be read, hashed under a key of the installation to be found.

The key is made once, wrapped by the keyring and stored in `lookup_keys`; a process reads it once,
in a transaction aside, because the caller's may be open and may yet be rolled back.
"""

import base64
import json
import os
import threading

from flask import current_app
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from mealquest.core.crypto import Keyring, keyed_hash
from mealquest.core.db import transaction, transaction_aside
from mealquest.identity.domain import Provider, digits_of
from mealquest.identity.models import LookupKey

NAME = "phone"
KEY_BYTES = 32
_EXTENSION = "phone_lookup_key"
_PLACE = "lookup_keys.wrapped:phone"

_loading = threading.Lock()


def phone_hash(phone: str) -> str:
    return keyed_hash(_lookup_key(), digits_of(phone))


def subject_hash(merchant_id: str, provider: Provider, subject: str) -> str:
    """Of what a provider calls a person; the same person at two merchants looks like two."""
    text = json.dumps(["social", merchant_id, provider.value, subject])
    return keyed_hash(_lookup_key(), text)


def code_hash(phone: str, code: str) -> str:
    """Bound to the phone, so that equal codes of two phones do not look equal."""
    return keyed_hash(_lookup_key(), f"code:{digits_of(phone)}:{code}")


def sealed_staff_phone(merchant_id: str, phone: str) -> str:
    return _keyring().encrypt(phone, place=f"staff.phone:{merchant_id}")


def opened_staff_phone(merchant_id: str, sealed: str) -> str:
    return _keyring().decrypt(sealed, place=f"staff.phone:{merchant_id}")


def opened_customer_phone(merchant_id: str, sealed: str) -> str:
    """Of a row that is not sealed under the customer's own key yet."""
    return _keyring().decrypt(sealed, place=f"customers.phone:{merchant_id}")


def term_hash(merchant_id: str, term: str) -> int:
    """64 bits that tell one part of a name from others, at one merchant."""
    return _bits(f"name:{merchant_id}:{term}")


def birthday_mark(merchant_id: str, text: str) -> int:
    """64 bits that stand for a day (`MM-DD`) or a month (`MM`), at one merchant."""
    return _bits(f"birthday:{merchant_id}:{text}")


def _bits(text: str) -> int:
    return int.from_bytes(bytes.fromhex(keyed_hash(_lookup_key(), text)[:16]), signed=True)


def current_key() -> str:
    """What a text begins with that is sealed under the first key of the ring."""
    return f"{_keyring().current}:"


def wrap_lookup_key_again() -> int:
    """Wrap the key of look-ups under the ring's first key; 1 when it lay under an older one."""
    with transaction() as session:
        row = session.get(LookupKey, NAME, with_for_update=True)
        if row is None or row.wrapped.startswith(current_key()):
            return 0
        row.wrapped = _keyring().encrypt(
            _keyring().decrypt(row.wrapped, place=_PLACE), place=_PLACE
        )
        return 1


def _lookup_key() -> bytes:
    with _loading:
        if _EXTENSION not in current_app.extensions:
            current_app.extensions[_EXTENSION] = base64.b64decode(
                _keyring().decrypt(_stored_or_made(), place=_PLACE)
            )
        key: bytes = current_app.extensions[_EXTENSION]
        return key


def _stored_or_made() -> str:
    """The wrapped key; of several processes that make one at once, the first one's counts."""
    fresh = base64.b64encode(os.urandom(KEY_BYTES)).decode()
    wrapped = _keyring().encrypt(fresh, place=_PLACE)
    with transaction_aside() as session:
        session.execute(
            insert(LookupKey)
            .values(name=NAME, wrapped=wrapped)
            .on_conflict_do_nothing(index_elements=["name"])
        )
        return session.scalars(select(LookupKey.wrapped).where(LookupKey.name == NAME)).one()


def _keyring() -> Keyring:
    keyring: Keyring = current_app.extensions["keyring"]
    return keyring
