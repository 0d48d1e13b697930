"""Alliances: whose wallets a store uses, whom it agreed with, and every act of consent."""

from sqlalchemy.orm import Session

from mealquest.alliance import queries, restoring
from mealquest.alliance.checks import CHECKS
from mealquest.alliance.consent import accept, decline, end_all, invite, leave
from mealquest.alliance.debts import debts, every_day, set_limit, settle, with_partner
from mealquest.alliance.domain import Alliance, WalletScope
from mealquest.alliance.echoes import SUBSCRIPTIONS
from mealquest.alliance.errors import CurrencyShared
from mealquest.alliance.history import acts, copies, every_act
from mealquest.alliance.reading import (
    agreed_stores,
    alliance_of,
    config,
    has_agreed,
    links,
    partner_names,
    stores,
    waiting_invitations,
)
from mealquest.alliance.replies import AllianceConfigView, AllianceGlimpse, LinksView
from mealquest.alliance.setting import alone, set_config, set_first, set_on_page
from mealquest.alliance.syncing import bring_customer, sync_user
from mealquest.core.db import transaction
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import public_names as names_of
from mealquest.wallet.service import settlement

__all__ = [
    "CHECKS",
    "SUBSCRIPTIONS",
    "Alliance",
    "AllianceConfigView",
    "AllianceGlimpse",
    "LinksView",
    "WalletScope",
    "accept",
    "acts",
    "agreed_stores",
    "alliance_of",
    "alone",
    "bring_customer",
    "config",
    "copies",
    "debts",
    "decline",
    "end_all",
    "every_act",
    "every_day",
    "has_agreed",
    "invite",
    "leave",
    "links",
    "names_of",
    "partner_names",
    "restoring",
    "scope_of",
    "set_config",
    "set_first",
    "set_limit",
    "set_on_page",
    "settle",
    "shares_with",
    "stores",
    "sync_user",
    "waiting_invitations",
    "with_partner",
]


def scope_of(session: Session, merchant_id: str) -> WalletScope:
    """Whose wallets the store's customers pay from, in one statement over the store's own rows."""
    return queries.scope(session, merchant_id)


def shares_with(session: Session, merchant_id: str) -> list[str]:
    """The stores that this one shares wallets with, in effect; they must stay in one database."""
    return sorted(queries.sharing(session, [merchant_id])[merchant_id])


def _keep_currency(session: Session, merchant_id: str) -> None:
    """CurrencyShared: the store shares a wallet, and a wallet has one currency."""
    if shares_with(session, merchant_id):
        raise CurrencyShared
    settlement.forget_empty(session, merchant_id)


tenancy.guard_currency(_keep_currency)


def _part_before_moving(merchant_id: str) -> list[str]:
    """Why a store cannot move to another database yet: wallets are shared within one only."""
    with transaction(merchant_id) as session:
        partners = shares_with(session, merchant_id)
    return [f"it shares its wallet with {one}: one of the two leaves first" for one in partners]


tenancy.ask_before_moves(_part_before_moving)
