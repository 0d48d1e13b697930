"""The code on a customer's phone: it names them at one shop, and is a new one every minute.

It reads `MQ1.` and sixteen characters without I, L, O and U, which nobody can misread: one for the
minute, six for the customer, nine that sign. A short reference of the customer, blurred with the
minute, finds a few rows at most; the signature over merchant, minute and the customer's id tells
which of them it is. So the code holds nothing about anybody, and two codes of one customer have
nothing in common.
"""

from dataclasses import dataclass

from flask import current_app

from mealquest.core.clock import utc_now
from mealquest.core.crypto import derive_key, same, signature
from mealquest.core.db import transaction
from mealquest.core.qr import svg
from mealquest.identity import queries
from mealquest.identity.customers import views_of
from mealquest.identity.errors import CustomerCodeRefused, UserNotFound
from mealquest.identity.replies import CustomerCodeView, CustomerView

PREFIX = "MQ1"
PERIOD_S = 60
EARLIER = 1  # minutes besides the running one that count, for a code shown just before the change
CODE_TRIES = ("customer-code", ("60/minute",))  # name and limits of the throttle, per credential
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans("OIL", "011", " .-")
_LENGTH = 16
_CYCLE = 32  # minutes after which the first character comes round again
_REFERENCE_BITS, _TAG_BITS = 30, 45


@dataclass(frozen=True, slots=True)
class CustomerCode:
    """What a code says, nothing of it proved. `minute` counts within the cycle."""

    minute: int
    reference: int
    tag: int

    def __str__(self) -> str:
        bits = (self.minute << _REFERENCE_BITS | self.reference) << _TAG_BITS | self.tag
        places = range(5 * (_LENGTH - 1), -1, -5)
        return f"{PREFIX}." + "".join(_ALPHABET[bits >> place & 31] for place in places)


def parse_code(text: str) -> CustomerCode | None:
    """The code that was scanned or typed, in small letters, with gaps and with O for 0 as well."""
    if not begins_as_code(text):
        return None
    typed = text.strip().upper()[len(PREFIX) :].translate(_READ_AS)
    if len(typed) != _LENGTH or not set(typed) <= set(_ALPHABET):
        return None
    bits = 0
    for character in typed:
        bits = bits << 5 | _ALPHABET.index(character)
    return CustomerCode(
        bits >> (_REFERENCE_BITS + _TAG_BITS),
        bits >> _TAG_BITS & (1 << _REFERENCE_BITS) - 1,
        bits & (1 << _TAG_BITS) - 1,
    )


def begins_as_code(text: str) -> bool:
    """Whether it is going to be a code, as far as it has been typed."""
    return text.strip().upper().startswith(PREFIX)


@dataclass(frozen=True, slots=True)
class Signer:
    """Makes and checks the codes of one shop."""

    key: bytes
    merchant_id: str

    def code(self, customer_id: str, reference: int, minute: int) -> CustomerCode:
        """`reference`: the customer's, `minute`: counted since 1970."""
        tag = self._number("customer", minute, customer_id, bits=_TAG_BITS)
        return CustomerCode(minute % _CYCLE, self.blurred(reference, minute), tag)

    def blurred(self, reference: int, minute: int) -> int:
        """A reference as it stands in the codes of a minute, and from there back again."""
        return reference ^ self._number("reference", minute, "", bits=_REFERENCE_BITS)

    def names(self, code: CustomerCode, customer_id: str, minute: int) -> bool:
        """Whether the code was made for this customer in that minute. Takes as long either way."""
        wanted = self._number("customer", minute, customer_id, bits=_TAG_BITS)
        return same(f"{code.tag:012x}", f"{wanted:012x}")

    def _number(self, purpose: str, minute: int, customer_id: str, *, bits: int) -> int:
        text = f"{purpose}:{self.merchant_id}:{minute}:{customer_id}"
        return int(signature(self.key, text.encode())[:16], 16) >> (64 - bits)


def minute_in(code: CustomerCode, running: int) -> int:
    """The newest minute, at most the running one, that the code may be from."""
    return running - (running - code.minute) % _CYCLE


def own_code(merchant_id: str, user_id: str) -> CustomerCodeView:
    """The code of a customer at this moment. UserNotFound: not at this merchant, or gone."""
    seconds = int(utc_now().timestamp())
    with transaction(merchant_id) as session:
        reference = queries.reference_of(session, merchant_id, user_id)
    if reference is None:
        raise UserNotFound
    code = str(_signer(merchant_id).code(user_id, reference, seconds // PERIOD_S))
    left = PERIOD_S - seconds % PERIOD_S
    return CustomerCodeView(code=code, expires_in_sec=left, qr_svg=svg(code, code))


def resolve_code(merchant_id: str, text: str) -> CustomerView:
    """The customer who shows this code. CustomerCodeRefused says what is wrong with it."""
    code = parse_code(text)
    if code is None:
        raise CustomerCodeRefused("customer code format invalid")
    running = int(utc_now().timestamp()) // PERIOD_S
    minute, signer = minute_in(code, running), _signer(merchant_id)
    reference = signer.blurred(code.reference, minute)
    with transaction(merchant_id) as session:
        found = queries.customers_of_reference(session, merchant_id, reference)
        named = [one for one in found if signer.names(code, one.id, minute)]
        customer = next(iter(views_of(session, merchant_id, named)), None)
    if customer is None:
        raise CustomerCodeRefused("customer code is not of this shop")
    if running - minute > EARLIER:
        raise CustomerCodeRefused("customer code expired", code="CUSTOMER_CODE_EXPIRED")
    return customer


def _signer(merchant_id: str) -> Signer:
    secret = current_app.config["SETTINGS"].jwt_secret
    return Signer(derive_key(secret, "customer code"), merchant_id)
