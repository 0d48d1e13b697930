"""A new merchant: its row, its three staff, its first customers, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from flask import current_app
from sqlalchemy.orm import Session

from mealquest.alliance import service as alliances
from mealquest.alliance.service import AllianceConfigView
from mealquest.audit import service as audit
from mealquest.core.clock import utc_now
from mealquest.core.crypto import same
from mealquest.core.db import transaction
from mealquest.core.errors import Forbidden
from mealquest.core.money import Currency, Money
from mealquest.core.principal import BOOTSTRAP, Principal, Role
from mealquest.identity import service as identity
from mealquest.onboarding.domain import DEMO_USERS, STAFF, Gift, Guest, suggested_ids
from mealquest.onboarding.errors import OnboardSecretInvalid
from mealquest.onboarding.forms import OnboardForm, OwnerOnboardForm
from mealquest.onboarding.replies import (
    OnboardedMerchant,
    OnboardedView,
)
from mealquest.state.service import StaffItem
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantExists, MerchantFacts
from mealquest.wallet import service as wallet
from mealquest.wallet.service import VoucherType

ACTION = "MERCHANT_ONBOARD"
GRANTED_BY = "onboarding"
BEGUN = "merchant onboarded"


@dataclass(frozen=True, slots=True)
class Plan:
    """A merchant about to be; `budget_cap` in major units."""

    name: str
    budget_cap: int
    cluster_id: str | None
    owner_phone: str | None
    guests: Sequence[Guest]
    locale: str = tenancy.LOCALE


def onboard(form: OnboardForm, *, secret: str | None, by: Principal | None) -> OnboardedView:
    """Create a merchant for whoever holds the onboarding secret, or for an applicant.

    Raises:
        OnboardSecretInvalid: wrong, or none is configured outside development.
        MerchantExists: the id is taken.
    """
    applicant = by is not None and by.role is Role.APPLICANT
    if not applicant:
        _require_secret(secret)
    seeds = not applicant if form.seed_demo_users is None else form.seed_demo_users
    plan = Plan(
        name=form.name,
        budget_cap=form.budget_cap,
        cluster_id=form.cluster_id,
        owner_phone=by.subject if by and applicant else form.owner_phone,
        guests=DEMO_USERS if seeds else (),
    )
    return _create(form.merchant_id, plan)


def onboard_by_owner(
    form: OwnerOnboardForm, by: Principal, language: str = tenancy.LOCALE
) -> OnboardedView:
    """Create a merchant whose owner is the applicant `by`; without an id, one made of the name.

    `language`: what its console speaks, until the owner sets another.

    MerchantExists: the id is taken, or the applicant owns the merchant of that name already.
    """
    if by.role is not Role.APPLICANT:
        raise Forbidden("permission denied")
    guests = DEMO_USERS if form.seed_demo_users else ()
    plan = Plan(form.name, form.budget_cap, None, by.subject, guests, language)
    if form.merchant_id:
        return _create(form.merchant_id, plan)
    for merchant_id in suggested_ids(form.name):
        try:
            return _create(merchant_id, plan)
        except MerchantExists:
            if identity.works_at(merchant_id, by.subject):
                raise  # the same form, sent twice
    raise MerchantExists


def add_guest(
    session: Session, merchant_id: str, guest: Guest, currency: Currency, granted_by: str
) -> None:
    """Write a customer with balances and vouchers."""
    identity.create_customer(
        session,
        merchant_id,
        customer_id=guest.id,
        display_name=guest.name,
        tags=list(guest.tags),
        fragments=guest.fragments,
        phone=guest.phone,
    )
    wallet.open_balances(
        session,
        merchant_id,
        guest.id,
        currency=currency,
        principal=_minor(guest.principal, currency),
        bonus=_minor(guest.bonus, currency),
        silver=_minor(guest.silver, currency),
        granted_by=granted_by,
    )
    for gift in guest.gifts:
        _give(session, merchant_id, guest.id, gift, currency, granted_by)


def _require_secret(sent: str | None) -> None:
    settings = current_app.config["SETTINGS"]
    expected = settings.onboard_secret
    if expected:
        if not same(sent or "", expected):
            raise OnboardSecretInvalid
    elif not settings.is_development:
        raise OnboardSecretInvalid


def _create(merchant_id: str, plan: Plan) -> OnboardedView:
    with tenancy.opening(merchant_id) as session:
        merchant = tenancy.create_merchant(
            session,
            merchant_id,
            name=plan.name,
            budget_cap=plan.budget_cap,
            cluster_id=plan.cluster_id,
            locale=plan.locale,
        )
        for staff_id, (role, name) in STAFF.items():
            phone = plan.owner_phone if role is Role.OWNER else None
            identity.add_staff(
                session, merchant_id, staff_id=staff_id, role=role, name=name, phone=phone
            )
        for guest in plan.guests:
            add_guest(session, merchant_id, guest, merchant.currency, GRANTED_BY)
        audit.record(session, merchant_id, ACTION, BOOTSTRAP, {"seededUsers": len(plan.guests)})
        budget_used = wallet.budget_used(session, merchant_id)
    with transaction() as session:  # at home, where it is read while the merchant moves
        tenancy.note_migration(session, merchant_id, tenancy.Phase.IDLE, "INIT", BEGUN)
    return _view(merchant, plan, budget_used)


def _give(
    session: Session,
    merchant_id: str,
    customer_id: str,
    gift: Gift,
    currency: Currency,
    granted_by: str,
) -> None:
    wallet.grant_voucher(
        session,
        merchant_id,
        customer_id,
        voucher_id=gift.id,
        kind=VoucherType(gift.type),
        name=gift.name,
        value_minor=_minor(gift.value, currency),
        min_spend_minor=_minor(gift.min_spend, currency),
        expires_at=utc_now() + gift.lasts,
        granted_by=granted_by,
    )


def _minor(major: int, currency: Currency) -> int:
    return Money.of_major(Decimal(major), currency).minor


def _view(merchant: MerchantFacts, plan: Plan, budget_used: int) -> OnboardedView:
    return OnboardedView(
        merchant=OnboardedMerchant(
            merchant_id=merchant.merchant_id,
            name=merchant.name,
            kill_switch_enabled=merchant.kill_switch_enabled,
            budget_cap=Money(merchant.budget_cap_minor, merchant.currency).major,
            budget_used=Money(budget_used, merchant.currency).major,
            staff=[StaffItem(uid=uid, role=role) for uid, (role, _) in STAFF.items()],
            onboarded_at=merchant.onboarded_at,
            owner_phone=plan.owner_phone,
        ),
        seeded_users=[guest.id for guest in plan.guests],
        alliance_config=AllianceConfigView.of(alliances.alone(merchant)),
    )
