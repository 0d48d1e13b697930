"""A merchant and a customer at a glance, as whoever asks may see them.

The package stands early, so that payments can answer with the state as well. What comes from
features behind it is read by `Sources`, which `application.py` fills in and `install` keeps.
"""

from flask import Flask, current_app
from sqlalchemy.orm import Session

from mealquest.alliance import service as alliances
from mealquest.alliance.service import AllianceConfigView, AllianceGlimpse
from mealquest.core.db import transaction
from mealquest.core.errors import Invalid
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.identity.service import UserScopeDenied
from mealquest.state.domain import Rows, Sources, pending, running
from mealquest.state.forms import StateForm
from mealquest.state.replies import (
    DashboardView,
    MerchantGlimpse,
    MerchantState,
    Nothing,
    PendingProposal,
    StaffItem,
    StateView,
    UserState,
    WalletScopeView,
)
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantFacts
from mealquest.wallet import service as wallets
from mealquest.wallet.service import WalletRow, major

__all__ = [
    "DashboardView",
    "Rows",
    "Sources",
    "StaffItem",
    "StateForm",
    "StateView",
    "WalletScopeView",
    "dashboard",
    "install",
    "scope_of",
    "scope_of_payment",
    "state",
    "state_in",
]

_EXTENSION = "state_sources"


def install(app: Flask, sources: Sources) -> None:
    app.extensions[_EXTENSION] = sources


def state(form: StateForm, by: Principal) -> StateView:
    """The state of a merchant and, when one is named, of a customer.

    Raises:
        Invalid: a customer who names nobody. UserScopeDenied: one who names somebody else.
        MerchantNotFound; UserNotFound, also for somebody who cancelled.
    """
    if by.role is Role.CUSTOMER:
        if form.user_id is None:
            raise Invalid("userId is required for customer role", code="USER_ID_REQUIRED")
        if form.user_id != by.subject:
            raise UserScopeDenied
    with transaction(form.merchant_id) as session:
        return state_in(session, form.merchant_id, form.user_id, by)


def state_in(session: Session, merchant_id: str, user_id: str | None, by: Principal) -> StateView:
    """As this transaction sees it; as many statements for one payment as for a million."""
    merchant = tenancy.settings_of(session, merchant_id)
    user = _user(session, merchant_id, user_id) if user_id is not None else None
    sources: Sources = current_app.extensions[_EXTENSION]
    read = _for_customer if by.role is Role.CUSTOMER else _for_staff
    return read(session, merchant, user, sources)


def dashboard(merchant_id: str) -> DashboardView:
    """What a merchant has going on, in numbers. MerchantNotFound."""
    sources: Sources = current_app.extensions[_EXTENSION]
    with transaction(merchant_id) as session:
        shown = _merchant(session, tenancy.settings_of(session, merchant_id))
        campaigns = sources.campaigns(session, merchant_id)
        return _dashboard(shown, campaigns, sources.proposals(session, merchant_id))


def scope_of(session: Session, merchant_id: str) -> WalletScopeView:
    """Whose wallets the store's customers use now."""
    scope = wallets.scope_of(session, merchant_id)
    return WalletScopeView(
        wallet_shared=scope.wallet_shared, wallet_merchant_id=scope.wallet_merchant_id
    )


def scope_of_payment(session: Session, wallet: WalletRow) -> WalletScopeView:
    """Whose wallet a payment was taken from, which may have been another one then."""
    shares = wallets.scope_of(session, wallet.store_id).wallet_shared
    return WalletScopeView(
        wallet_shared=shares or wallet.is_shared, wallet_merchant_id=wallet.merchant_id
    )


def _for_customer(
    session: Session, merchant: MerchantFacts, user: UserState | None, sources: Sources
) -> StateView:
    alliance = alliances.alliance_of(session, merchant)
    return StateView(
        merchant=MerchantGlimpse(
            merchant_id=merchant.merchant_id, name=merchant.name, currency=merchant.currency
        ),
        user=user,
        dashboard=Nothing(),
        campaigns=[],
        proposals=[],
        strategy_configs=[],
        activities=sources.activities(session, merchant.merchant_id),
        alliance_config=AllianceGlimpse(
            wallet_shared=alliance.wallet_shared, stores=list(alliance.stores)
        ),
        wallet_scope=scope_of(session, merchant.merchant_id),
    )


def _for_staff(
    session: Session, merchant: MerchantFacts, user: UserState | None, sources: Sources
) -> StateView:
    merchant_id = merchant.merchant_id
    campaigns = sources.campaigns(session, merchant_id)
    proposals = sources.proposals(session, merchant_id)
    shown = _merchant(session, merchant)
    return StateView(
        merchant=shown,
        user=user,
        dashboard=_dashboard(shown, campaigns, proposals),
        campaigns=campaigns,
        proposals=proposals,
        strategy_configs=sources.strategy_configs(session, merchant_id),
        activities=sources.activities(session, merchant_id),
        alliance_config=AllianceConfigView.of(alliances.alliance_of(session, merchant)),
        wallet_scope=scope_of(session, merchant_id),
    )


def _merchant(session: Session, merchant: MerchantFacts) -> MerchantState:
    used = wallets.budget_used(session, merchant.merchant_id)
    staff = identity.present_staff(session, merchant.merchant_id)
    return MerchantState(
        merchant_id=merchant.merchant_id,
        name=merchant.name,
        currency=merchant.currency,
        kill_switch_enabled=merchant.kill_switch_enabled,
        budget_cap=major(merchant.budget_cap_minor, merchant.currency),
        budget_used=major(used, merchant.currency),
        staff=[StaffItem(uid=person.id, role=person.role) for person in staff],
        onboarded_at=merchant.onboarded_at,
    )


def _dashboard(merchant: MerchantState, campaigns: Rows, proposals: Rows) -> DashboardView:
    return DashboardView(
        merchant_id=merchant.merchant_id,
        merchant_name=merchant.name,
        kill_switch_enabled=merchant.kill_switch_enabled,
        budget_cap=merchant.budget_cap,
        budget_used=merchant.budget_used,
        pending_proposals=[PendingProposal.model_validate(p) for p in pending(proposals)],
        active_campaign_count=running(campaigns),
    )


def _user(session: Session, merchant_id: str, user_id: str) -> UserState:
    facts = identity.customer_facts(session, merchant_id, user_id, also_deleted=True)
    pocket = wallets.pocket(session, merchant_id, user_id)
    return UserState(
        uid=facts.id,
        display_name=facts.display_name,
        phone_masked=identity.masked(facts.phone_last4),
        wallet=pocket.wallet,
        tags=facts.tags,
        fragments=facts.fragments,
        vouchers=[] if facts.is_deleted else pocket.vouchers,
        is_deleted=facts.is_deleted,
    )
