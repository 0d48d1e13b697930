"""Merchants: who there is, what they have set, and what their policy holds back."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core import directory
from mealquest.core.db import directory_transaction, transaction
from mealquest.core.money import Currency, Money
from mealquest.tenancy import migrating, queries, restoring
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
from mealquest.tenancy.contract import apply_for_contract, contract_status, seal_contracts_again
from mealquest.tenancy.domain import (
    Freeze,
    Limit,
    Operation,
    PolicyChange,
    RefundPolicy,
    Refusal,
    TenantPolicy,
    refusal,
)
from mealquest.tenancy.errors import CurrencyFixed, MerchantExists, MerchantNotFound
from mealquest.tenancy.forms import MerchantId, require_merchant_id, tidy_merchant_id
from mealquest.tenancy.models import Merchant, MerchantSettings
from mealquest.tenancy.moves.acts import BELL as MOVES_BELL
from mealquest.tenancy.moves.acts import prepare as prepare_move
from mealquest.tenancy.moves.acts import requirements as preflight
from mealquest.tenancy.moves.acts import verify_move
from mealquest.tenancy.moves.domain import (
    Migration,
    Move,
    MoveState,
    Outcome,
    Phase,
    Report,
    Requirement,
    Status,
    Step,
    Summary,
)
from mealquest.tenancy.moves.driving import drive_due as drive_moves
from mealquest.tenancy.moves.driving import tend as tend_moves
from mealquest.tenancy.moves.errors import (
    AlreadyApart,
    DriverBusy,
    MoveBlocked,
    MoveNotReady,
    NoDedicatedRoute,
    NoMove,
    NoWayBack,
    StepRefused,
    UnknownStep,
)
from mealquest.tenancy.moves.owner import abandon as abandon_move
from mealquest.tenancy.moves.owner import cutover, note_ends, rollback, waive_rollback
from mealquest.tenancy.moves.owner import step as migration_step
from mealquest.tenancy.moves.preflight import ask_also as ask_before_moves
from mealquest.tenancy.moves.status import (
    migration_status,
    moves_under_way,
    note_migration,
    past_moves,
)
from mealquest.tenancy.moves.watching import CHECKS as MOVE_CHECKS
from mealquest.tenancy.moves.watching import measure as measure_moves
from mealquest.tenancy.naming import merchants_called, public_names
from mealquest.tenancy.opening import claimed, exists, opening
from mealquest.tenancy.policy import ACTION as POLICY_ACTION
from mealquest.tenancy.policy import (
    PolicyFacts,
    change_policy,
    freeze_of,
    merchant_policy,
    policy_facts,
    policy_of,
    read_default_limits,
    set_policy,
    set_switches,
)
from mealquest.tenancy.queries import MerchantFacts
from mealquest.tenancy.replies import CatalogItem, CatalogView, ExistsView, SettingsView
from mealquest.tenancy.shop import change_shop_settings, guard_currency, shop_settings

__all__ = [
    "LOCALE",
    "MOVES_BELL",
    "MOVE_CHECKS",
    "POLICY_ACTION",
    "TIME_ZONE",
    "AlreadyApart",
    "CatalogItem",
    "CatalogView",
    "CurrencyFixed",
    "DriverBusy",
    "ExistsView",
    "Freeze",
    "Limit",
    "MerchantAccount",
    "MerchantExists",
    "MerchantFacts",
    "MerchantId",
    "MerchantNotFound",
    "Migration",
    "Move",
    "MoveBlocked",
    "MoveNotReady",
    "MoveState",
    "NoDedicatedRoute",
    "NoMove",
    "NoWayBack",
    "Operation",
    "Outcome",
    "Phase",
    "Place",
    "PolicyChange",
    "PolicyFacts",
    "RefundPolicy",
    "Refusal",
    "Report",
    "Requirement",
    "SettingsView",
    "Status",
    "Step",
    "StepRefused",
    "Summary",
    "TenantPolicy",
    "UnknownStep",
    "abandon_move",
    "account_of",
    "accounts",
    "apply_for_contract",
    "ask_before_moves",
    "catalog",
    "change_policy",
    "change_shop_settings",
    "claimed",
    "close_shop",
    "connect_account",
    "contract_status",
    "create_merchant",
    "cutover",
    "disconnect_account",
    "drive_moves",
    "email_was_set",
    "exists",
    "freeze_of",
    "guard_currency",
    "lock_shops",
    "measure_moves",
    "merchant_billed_as",
    "merchant_of_account",
    "merchant_policy",
    "merchants_called",
    "migrating",
    "migration_status",
    "migration_step",
    "moves_under_way",
    "names_of",
    "note_ends",
    "note_migration",
    "opening",
    "past_moves",
    "place_of",
    "policy_facts",
    "policy_of",
    "preflight",
    "prepare_move",
    "public_names",
    "read_default_limits",
    "realtime_merchants",
    "refusal",
    "require_merchant_id",
    "restoring",
    "rollback",
    "seal_contracts_again",
    "seal_tokens_again",
    "set_account",
    "set_kill_switch",
    "set_policy",
    "set_switches",
    "settings",
    "settings_of",
    "shop_settings",
    "tell_of_emails",
    "tend_moves",
    "tidy_merchant_id",
    "verify_move",
    "waive_rollback",
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


def lock_shops(session: Session, merchant_ids: Iterable[str]) -> dict[str, MerchantFacts]:
    """The settings of those of the merchants that are in scope, which stay until the end."""
    return queries.all_locked(session, merchant_ids)


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
    directory.changed(session, merchant_id)
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
    with directory_transaction("the public catalog lists every merchant") as session:
        rows = queries.everybody(session)
    items = [CatalogItem(merchant_id=id_, name=name, onboarded_at=at) for id_, name, at in rows]
    return CatalogView(items=items, total=len(items))


def set_kill_switch(session: Session, merchant_id: str, enabled: bool) -> bool:
    """Stop all campaigns, or let them run. False: so it was. MerchantNotFound."""
    was = queries.locked_facts(session, merchant_id)
    if was is None:
        raise MerchantNotFound
    queries.set_kill_switch(session, merchant_id, enabled)
    return was.kill_switch_enabled is not enabled


def realtime_merchants(session: Session, merchant_ids: set[str]) -> set[str]:
    """Those of the merchants whose policy lets sockets stay open, in one statement."""
    return merchant_ids - queries.without_realtime(session, merchant_ids)
