"""Customers who sign in by WeChat or Alipay: each person is one customer at a merchant.

Two things lead to a customer: what the provider calls the person, and their phone. A phone counts
only when the provider has verified it, or when a code that was sent to it comes along; what a
client says of itself proves nothing.
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.audit.service import AuditStatus
from mealquest.core import outbox
from mealquest.core.db import transaction
from mealquest.core.errors import Invalid, PolicyBlocked
from mealquest.core.ids import new_id
from mealquest.core.principal import ANONYMOUS, Principal, Role
from mealquest.core.wire import PHONE
from mealquest.identity import codes, names, phones, queries, social_queries, tokens
from mealquest.identity.customers import (
    DISPLAY_NAME,
    NEW_FRAGMENTS,
    NEW_TAGS,
    create_customer,
    rename_customer,
)
from mealquest.identity.domain import Provider, SocialPerson
from mealquest.identity.errors import CodeRefused, PhoneBound, PhoneRequired, UserNotFound
from mealquest.identity.models import Customer
from mealquest.identity.personal import personal_key
from mealquest.identity.replies import CustomerProfile, CustomerSignedInView
from mealquest.identity.social_forms import SocialSignInForm
from mealquest.identity.social_gateway import person_behind
from mealquest.identity.social_queries import Key, Linked
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation

ACTION = Operation.CUSTOMER_SIGN_IN.value
ENTERED = "USER_ENTER_SHOP"


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody whom a provider vouches for, at one merchant; the phone is proved."""

    merchant_id: str
    provider: Provider
    subject: Key
    union_hash: str | None
    phone: str | None
    phone_key: Key | None
    display_name: str | None

    @property
    def keys(self) -> list[Key]:
        """Everything that may lead to a customer."""
        return [self.subject, self.phone_key] if self.phone_key else [self.subject]


def sign_in_customer(provider: Provider, form: SocialSignInForm) -> CustomerSignedInView:
    """Turn a provider's code into a token of the customer it leads to, made when there is none.

    The provider is asked outside any transaction. Known people pass a freeze, new ones do not.

    Raises:
        MerchantNotFound, CodeRefused (of the phone's code), Invalid (the phone's form).
        SocialNotConfigured, SocialIdentityInvalid, SocialProviderFailed, SocialProviderTimedOut.
        PhoneRequired: somebody new, without a phone that is proved.
        PhoneBound: provider and phone lead to two customers.
        PolicyBlocked: somebody new, while the merchant is frozen.
    """
    tenancy.settings(form.merchant_id)
    arrival = _arrival(form, person_behind(provider, form.code))
    try:
        with transaction(form.merchant_id) as session:
            return _enter(session, arrival)
    except (PhoneBound, PolicyBlocked) as refused:
        _tell_of_refusal(arrival, refused)
        raise


def forget_identities(session: Session, merchant_id: str, customer_id: str) -> None:
    """No provider and no further phone leads to the customer any more.

    To be called once the customer's row is marked as deleted: a sign-in that runs meanwhile waits
    for that row, and then finds nobody.
    """
    social_queries.forget(session, merchant_id, customer_id)


def identities_of(session: Session, merchant_id: str, customer_id: str) -> list[Linked]:
    """How the customer can sign in, the oldest way first."""
    return social_queries.linked(session, merchant_id, customer_id)


def _arrival(form: SocialSignInForm, person: SocialPerson) -> Arrival:
    merchant_id, provider = form.merchant_id, person.provider
    phone = _proved_phone(form, person)
    union = phones.subject_hash(merchant_id, provider, f"union:{person.union}")
    return Arrival(
        merchant_id,
        provider,
        Key(provider, phones.subject_hash(merchant_id, provider, person.subject)),
        union if person.union else None,
        phone,
        Key(Provider.PHONE, phones.phone_hash(phone)) if phone else None,
        form.display_name,
    )


def _proved_phone(form: SocialSignInForm, person: SocialPerson) -> str | None:
    """The provider's phone, else the one that a code proves; never one that is merely said."""
    if person.phone is not None:
        if not PHONE.fullmatch(person.phone):
            raise Invalid("phone format invalid")
        return person.phone
    if form.phone is None or form.phone_code is None:
        return None
    proof = codes.redeem(form.phone, form.phone_code, chooses=True)
    if not proof.verdict.proves:
        raise CodeRefused(proof.verdict.value, code=f"CODE_{proof.verdict.name}")
    return form.phone


def _enter(session: Session, arrival: Arrival) -> CustomerSignedInView:
    """Find or make the customer, bind what led here, and let them in."""
    merchant_id = arrival.merchant_id
    social_queries.lock(session, merchant_id, arrival.keys)
    customer = _known(session, arrival)
    is_new = customer is None
    if customer is None:
        customer = _new(session, arrival)
    elif arrival.display_name:
        rename_customer(session, merchant_id, customer.id, arrival.display_name)
    _bind(session, arrival, customer)
    about = {"provider": arrival.provider.value, "isNewUser": is_new}
    principal, epoch = _principal(session, merchant_id, customer.id)
    audit.record(session, merchant_id, ACTION, principal, about)
    outbox.publish(session, merchant_id, ENTERED, {"userId": customer.id, **about})
    profile = CustomerProfile(
        merchant_id=merchant_id,
        user_id=customer.id,
        phone=arrival.phone or _own_phone(session, customer),
    )
    token = tokens.mint(principal, epoch)
    return CustomerSignedInView(token=token, profile=profile, is_new_user=is_new)


def _known(session: Session, arrival: Arrival) -> Customer | None:
    """The customer that provider and phone lead to, locked; PhoneBound when they are two."""
    while True:  # a second round only when they leave at this moment
        found = {social_queries.bound_to(session, arrival.merchant_id, k) for k in arrival.keys}
        found.discard(None)
        if len(found) > 1:
            raise PhoneBound
        if not found:
            return None
        customer = queries.lock_customer(session, arrival.merchant_id, str(found.pop()))
        if customer and customer.deleted_at is None:
            return customer


def _new(session: Session, arrival: Arrival) -> Customer:
    merchant_id = arrival.merchant_id
    if arrival.phone is None or arrival.phone_key is None:
        raise PhoneRequired
    policy = tenancy.policy_of(session, merchant_id)
    if refused := tenancy.refusal(policy, Operation.CUSTOMER_CREATE):
        raise PolicyBlocked(refused.message, code=refused.code)
    social_queries.let_go_of_phone(session, merchant_id, arrival.phone_key.subject_hash)
    customer_id = new_id("u")
    create_customer(
        session,
        merchant_id,
        customer_id=customer_id,
        display_name=arrival.display_name or DISPLAY_NAME,
        tags=list(NEW_TAGS),
        fragments=dict(NEW_FRAGMENTS),
        phone=arrival.phone,
    )
    customer = queries.lock_customer(session, merchant_id, customer_id)
    if customer is None:
        raise UserNotFound
    return customer


def _bind(session: Session, arrival: Arrival, customer: Customer) -> None:
    """What led here leads here from now on; the phone in the customer's own row does anyway."""
    bind = social_queries.bind
    bind(session, arrival.merchant_id, arrival.subject, customer.id, arrival.union_hash)
    another = arrival.phone_key
    if another and another.subject_hash != customer.phone_hash:
        bind(session, arrival.merchant_id, another, customer.id, None)


def _principal(session: Session, merchant_id: str, customer_id: str) -> tuple[Principal, int]:
    person = queries.customer_person(session, merchant_id, customer_id)
    if person is None:
        raise UserNotFound
    principal = Principal(Role.CUSTOMER, person.id, merchant_id, person.name)
    return principal, person.validity.epoch


def _own_phone(session: Session, customer: Customer) -> str | None:
    if customer.phone is None:
        return None
    if customer.sealed_name is None:  # of a row that no sealing has reached yet
        return phones.opened_customer_phone(customer.merchant_id, customer.phone)
    key = personal_key(session, customer.merchant_id, customer.id)
    return key.open(customer.phone, names.PHONE)


def _tell_of_refusal(arrival: Arrival, refused: PhoneBound | PolicyBlocked) -> None:
    """Into the merchant's audit, where only people that a provider knows can bring it."""
    details = {"provider": arrival.provider.value}
    if isinstance(refused, PolicyBlocked):
        details |= {"reason": refused.message, "policyCode": refused.reason}
        status = AuditStatus.BLOCKED
    else:
        details |= {"error": refused.message}
        status = AuditStatus.DENIED
    audit.record_alone(arrival.merchant_id, ACTION, ANONYMOUS, details, status)
