"""Merchants: who there is, what they have set, and what their policy holds back."""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core.db import platform_transaction, transaction
from mealquest.core.money import Currency, Money
from mealquest.tenancy import queries
from mealquest.tenancy.accounts import (
    MerchantAccount,
    account_of,
    accounts,
    connect_account,
    disconnect_account,
    email_was_set,
    merchant_billed_as,
    merchant_of_account,
    seal_tokens_again,
    set_account,
    tell_of_emails,
)
from mealquest.tenancy.closing import close_shop
from mealquest.tenancy.contract import apply_for_contract, contract_status
from mealquest.tenancy.domain import (
    Limit,
    Operation,
    RefundPolicy,
    Refusal,
    TenantPolicy,
    refusal,
)
from mealquest.tenancy.errors import CurrencyFixed, MerchantExists, MerchantNotFound
from mealquest.tenancy.forms import MerchantId, require_merchant_id, tidy_merchant_id
from mealquest.tenancy.models import Merchant, MerchantSettings, TenantPolicyRow
from mealquest.tenancy.queries import MerchantFacts
from mealquest.tenancy.replies import CatalogItem, CatalogView, ExistsView, SettingsView
from mealquest.tenancy.shop import change_shop_settings, shop_settings

__all__ = [
    "LOCALE",
    "CatalogItem",
    "CatalogView",
    "CurrencyFixed",
    "ExistsView",
    "Limit",
    "MerchantAccount",
    "MerchantExists",
    "MerchantFacts",
    "MerchantId",
    "MerchantNotFound",
    "Operation",
    "Place",
    "RefundPolicy",
    "Refusal",
    "SettingsView",
    "TenantPolicy",
    "account_of",
    "accounts",
    "apply_for_contract",
    "catalog",
    "change_shop_settings",
    "close_shop",
    "connect_account",
    "contract_status",
    "create_merchant",
    "disconnect_account",
    "email_was_set",
    "exists",
    "merchant_billed_as",
    "merchant_of_account",
    "names_of",
    "place_of",
    "policy_of",
    "realtime_merchants",
    "refusal",
    "require_merchant_id",
    "seal_tokens_again",
    "set_account",
    "set_kill_switch",
    "set_policy",
    "settings",
    "settings_of",
    "shop_settings",
    "tell_of_emails",
    "tidy_merchant_id",
]

TIME_ZONE = "Asia/Shanghai"
LOCALE = "en"


def settings_of(session: Session, merchant_id: str) -> MerchantFacts:
    """The merchant's settings, in one statement. MerchantNotFound: there is none in scope."""
    found = queries.facts(session, merchant_id)
    if found is None:
        raise MerchantNotFound
    return found


@dataclass(frozen=True, slots=True)
class Place:
    """Where a merchant is and what is spoken there."""

    time_zone: str = "UTC"
    locale: str = "en"


def place_of(session: Session, merchant_id: str) -> Place:
    """Of a merchant that an operator wrote by SQL there are no settings: UTC, and English."""
    found = queries.facts(session, merchant_id)
    return Place(found.time_zone, found.locale) if found else Place()


def settings(merchant_id: str) -> MerchantFacts:
    with transaction(merchant_id) as session:
        return settings_of(session, merchant_id)


def names_of(session: Session, merchant_ids: list[str]) -> dict[str, str]:
    """Names by id, of those of the named merchants that exist and are in scope."""
    return queries.names(session, merchant_ids)


def create_merchant(
    session: Session,
    merchant_id: str,
    *,
    name: str,
    budget_cap: int,
    cluster_id: str | None = None,
    currency: Currency = Currency.CNY,
    time_zone: str = TIME_ZONE,
    locale: str = LOCALE,
) -> MerchantFacts:
    """Add a merchant without staff or customers; `budget_cap` is in major units.

    MerchantExists: the id is taken, also when another transaction takes it at this moment.
    """
    taken = session.scalar(
        insert(Merchant)
        .values(id=merchant_id, name=name)
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(Merchant.id)
    )
    if taken is None:
        raise MerchantExists
    session.execute(
        insert(MerchantSettings).values(
            merchant_id=merchant_id,
            name=name,
            currency=currency,
            time_zone=time_zone,
            locale=locale,
            refund_policy=RefundPolicy.CLAWBACK,
            budget_cap_minor=Money.of_major(Decimal(budget_cap), currency).minor,
            cluster_id=cluster_id or f"cluster_{merchant_id}",
        )
    )
    return settings_of(session, merchant_id)


def catalog() -> CatalogView:
    """Every merchant by name, for people who choose one before they sign in."""
    with platform_transaction("the public catalog lists every merchant") as session:
        rows = queries.everybody(session)
    items = [CatalogItem(merchant_id=id_, name=name, onboarded_at=at) for id_, name, at in rows]
    return CatalogView(items=items, total=len(items))


def exists(merchant_id: str) -> ExistsView:
    with transaction(merchant_id) as session:
        found = queries.is_there(session, merchant_id)
    return ExistsView(merchant_id=merchant_id, exists=found)


def set_kill_switch(session: Session, merchant_id: str, enabled: bool) -> bool:
    """Stop all campaigns, or let them run. False: so it was. MerchantNotFound."""
    was = queries.locked_facts(session, merchant_id)
    if was is None:
        raise MerchantNotFound
    queries.set_kill_switch(session, merchant_id, enabled)
    return was.kill_switch_enabled is not enabled


def policy_of(session: Session, merchant_id: str) -> TenantPolicy:
    """The merchant's policy in one statement; without a row everything is allowed."""
    return queries.policy(session, merchant_id)


def realtime_merchants(session: Session, merchant_ids: set[str]) -> set[str]:
    """Those of the merchants whose policy lets sockets stay open, in one statement."""
    return merchant_ids - queries.without_realtime(session, merchant_ids)


def set_policy(session: Session, merchant_id: str, policy: TenantPolicy) -> None:
    """Replace the merchant's policy as a whole."""
    values = {
        "write_enabled": policy.write_enabled,
        "ws_enabled": policy.ws_enabled,
        "limits": {name: queries.stored_limit(limit) for name, limit in policy.limits.items()},
        "updated_at": func.now(),
    }
    session.execute(
        insert(TenantPolicyRow)
        .values(merchant_id=merchant_id, **values)
        .on_conflict_do_update(index_elements=["merchant_id"], set_=values)
    )
