"""Merchants as the routes of recovery know them: read, made and changed."""

from typing import Any

from pydantic.alias_generators import to_camel
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core.crypto import same
from mealquest.core.db import transaction
from mealquest.core.errors import Forbidden, Invalid, PolicyBlocked, Unauthenticated
from mealquest.core.ids import new_id
from mealquest.core.paging import Keyset, cut
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.recovery.errors import NoSuchMerchant, NothingToUpdate
from mealquest.recovery.merchant_forms import ChangeForm, MerchantsForm, NewMerchantForm
from mealquest.recovery.merchant_replies import MerchantsView, MerchantView, OwnMerchantView
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantAccount, MerchantNotFound, Operation

BUDGET_CAP = 300  # major units, as a shop that is opened by its owner begins with
OWNER = "staff_owner"


def listed(form: MerchantsForm) -> MerchantsView:
    """Merchants of the whole platform, newest first. Invalid: not a cursor of ours."""
    place = Keyset.decode(form.cursor) if form.cursor else None
    after = (place.moment, place.id) if place else None
    rows = tenancy.accounts(after, form.limit + 1)
    shown, following = cut(rows, form.limit, lambda r: Keyset(r.created_at, r.merchant_id).encode())
    return MerchantsView(items=[MerchantView.of(row) for row in shown], next_cursor=following)


def one(merchant_id: str) -> MerchantView:
    """NoSuchMerchant: there is none of this id."""
    tenancy_id = _well_formed(merchant_id)
    with transaction(tenancy_id) as session:
        return MerchantView.of(account(session, tenancy_id))


def own(merchant_id: str) -> OwnMerchantView:
    found = one(merchant_id)
    return OwnMerchantView(**{name: getattr(found, name) for name in OwnMerchantView.model_fields})


def create(form: NewMerchantForm, by: Principal) -> MerchantView:
    """A merchant with an empty shop; its owner signs in by `ownerPhone`, if one is given."""
    merchant_id = new_id("m").lower()
    with tenancy.opening(merchant_id) as session:
        name = form.name or merchant_id
        tenancy.create_merchant(session, merchant_id, name=name, budget_cap=BUDGET_CAP)
        identity.add_staff(
            session,
            merchant_id,
            staff_id=OWNER,
            role=Role.OWNER,
            name="Owner",
            phone=form.owner_phone,
        )
        tenancy.set_account(
            session,
            merchant_id,
            email=form.email,
            billing_country=form.billing_country,
            billing_address=form.billing_address,
        )
        if form.email:
            tenancy.email_was_set(session, merchant_id)
        audit.record(session, merchant_id, "MERCHANT_ONBOARD", by, {"seededUsers": 0})
        return MerchantView.of(account(session, merchant_id))


def require_account(merchant_id: str, header: str | None) -> None:
    """What is asked of whoever changes a merchant before anything else: its account at Stripe.

    Raises Unauthenticated without it, NoSuchMerchant, and Forbidden when it is another one.
    """
    if not header:
        raise Unauthenticated("X-Merchant-Stripe-Id is required")
    known = one(merchant_id).stripe_connect_id
    if known is None or not same(header, known):
        raise Forbidden("X-Merchant-Stripe-Id is not the merchant's", code="STRIPE_ID_MISMATCH")


def require_owner(merchant_id: str, by: Principal) -> None:
    """Its owner, or the operator; anybody else's merchant is not there for them."""
    if by.role is Role.OPERATOR:
        return
    if by.merchant_id is None:
        raise Unauthenticated("Authorization is required")
    if by.merchant_id != merchant_id:
        raise NoSuchMerchant
    if by.role is not Role.OWNER:
        raise Forbidden("permission denied")


def change(merchant_id: str, form: ChangeForm, by: Principal) -> MerchantView:
    """Set what the form names. The audit says what, and of what is no person's also to what.

    Raises NoSuchMerchant, NothingToUpdate, and PolicyBlocked while the merchant is frozen.
    """
    changes = form.changes()
    if not changes:
        raise NothingToUpdate
    with transaction(merchant_id) as session:
        before = account(session, merchant_id, lock=True)
        policy = tenancy.policy_of(session, merchant_id)
        if refused := tenancy.refusal(policy, Operation.MERCHANT_SETTINGS_SET):
            raise PolicyBlocked(refused.message, code=refused.code)
        changed = {name: to for name, to in changes.items() if to != getattr(before, name)}
        if changed:
            tenancy.set_account(session, merchant_id, **changed)
            if changed.get("email"):
                tenancy.email_was_set(session, merchant_id)
            details = {"changed": _difference(before, changed)}
            audit.record(session, merchant_id, Operation.MERCHANT_SETTINGS_SET, by, details)
        return MerchantView.of(account(session, merchant_id))


def account(session: Session, merchant_id: str, *, lock: bool = False) -> MerchantAccount:
    try:
        return tenancy.account_of(session, merchant_id, lock=lock)
    except MerchantNotFound:
        raise NoSuchMerchant from None


def _difference(before: MerchantAccount, changed: dict[str, Any]) -> dict[str, Any]:
    return {
        to_camel(name): {"from": getattr(before, name), "to": to} for name, to in changed.items()
    }


def _well_formed(merchant_id: str) -> str:
    try:
        return tenancy.require_merchant_id(merchant_id)
    except Invalid:
        raise NoSuchMerchant from None
