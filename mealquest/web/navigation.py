"""The ways through the console: which there are, who sees them, and which one a page belongs to."""

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from typing import Any

from flask import g, request, url_for
from flask_babel import lazy_gettext

from mealquest.core.principal import MANAGEMENT, MERCHANT, Principal, Role


class NavigationGroup(StrEnum):
    """Under which heading an entry stands; the groups come in this order."""

    DAILY = "daily"  # first and without a heading: on a phone these are the bar below
    MONEY = "money"
    OFFERS = "offers"
    RECOVERY = "recovery"
    SHOP = "shop"


GROUP_LABELS = {
    NavigationGroup.DAILY: "",
    NavigationGroup.MONEY: lazy_gettext("Money"),
    NavigationGroup.OFFERS: lazy_gettext("Offers"),
    NavigationGroup.RECOVERY: lazy_gettext("Recovery"),
    NavigationGroup.SHOP: lazy_gettext("Shop"),
}


@dataclass(frozen=True, slots=True)
class NavigationEntry:
    label: Any
    icon: str
    endpoint: str
    roles: frozenset[Role]
    keys: str = ""  # of its keyboard shortcut
    group: NavigationGroup = NavigationGroup.SHOP
    also: tuple[str, ...] = ()  # endpoints whose pages belong to it too
    url: str = ""
    current: bool = False


@dataclass(frozen=True, slots=True)
class NavigationSection:
    name: str
    label: Any
    entries: tuple[NavigationEntry, ...]


DAILY, MONEY, OFFERS, RECOVERY, SHOP = NavigationGroup
NAVIGATION = (  # in each group in this order
    NavigationEntry(lazy_gettext("Home"), "home", "payments.home.page", MERCHANT, "g h", DAILY),
    NavigationEntry(
        lazy_gettext("Take a payment"), "cash", "payments.counter.page", MERCHANT, "g t", DAILY
    ),
    NavigationEntry(
        lazy_gettext("Customers"),
        "users",
        "identity.customers.page",
        MERCHANT,
        "g c",
        DAILY,
        also=("privacy.exports.page",),
    ),
    NavigationEntry(
        lazy_gettext("Payments"),
        "receipt",
        "payments.payments.page",
        MERCHANT,
        "g p",
        MONEY,
        also=("payments.refunds.page", "payments.receivables.page"),
    ),
    NavigationEntry(lazy_gettext("Ledger"), "list", "ledger.ledger.page", MERCHANT, "g l", MONEY),
    NavigationEntry(
        lazy_gettext("Top-ups"), "coins", "top_ups.top_ups.page", MERCHANT, "g u", MONEY
    ),
    NavigationEntry(
        lazy_gettext("Wallets"), "wallet", "holdings.wallets.page", MERCHANT, "g w", MONEY
    ),
    NavigationEntry(
        lazy_gettext("Partner orders"), "truck", "suppliers.desk.page", MERCHANT, "g o", MONEY
    ),
    NavigationEntry(
        lazy_gettext("Vouchers"), "ticket", "holdings.vouchers.page", MERCHANT, "g v", OFFERS
    ),
    NavigationEntry(
        lazy_gettext("Invoices"), "file-invoice", "invoices.invoices.page", MERCHANT, "g i", MONEY
    ),
    NavigationEntry(
        lazy_gettext("Top-up rules"), "gift", "wallet.top_up_rules.page", MERCHANT, "g r", OFFERS
    ),
    NavigationEntry(
        lazy_gettext("Campaigns"),
        "speakerphone",
        "campaigns.campaigns.page",
        MERCHANT,
        "g m",
        OFFERS,
    ),
    NavigationEntry(
        lazy_gettext("Strategist"), "robot", "strategy_chat.chat.page", MANAGEMENT, "g y", OFFERS
    ),
    NavigationEntry(
        lazy_gettext("Proposals"), "inbox", "strategy.proposals.page", MANAGEMENT, "g b", OFFERS
    ),
    NavigationEntry(
        lazy_gettext("Contract"), "shield-check", "contract.status.page", MANAGEMENT, "g k", SHOP
    ),
    NavigationEntry(lazy_gettext("Staff"), "user", "staff.staff.page", MANAGEMENT, "g s", SHOP),
    NavigationEntry(lazy_gettext("Audit"), "history", "audit.audit.page", MERCHANT, "g a", SHOP),
    NavigationEntry(
        lazy_gettext("Recovered money"),
        "receipt-refund",
        "recovery.overview.page",
        MANAGEMENT,
        "g d",
        RECOVERY,
    ),
    NavigationEntry(
        lazy_gettext("Unpaid invoices"),
        "credit-card",
        "recovery_cases.cases.page",
        MANAGEMENT,
        "g n",
        RECOVERY,
    ),
    NavigationEntry(
        lazy_gettext("Reminders"),
        "mail",
        "sequence.page.page",
        MANAGEMENT,
        "g q",
        RECOVERY,
        also=("suppressions.suppressions_list.page",),
    ),
    NavigationEntry(
        lazy_gettext("Tasks"), "clock", "tasks.tasks.page", MANAGEMENT, "g j", RECOVERY
    ),
    NavigationEntry(
        lazy_gettext("Freeze and limits"),
        "lock",
        "tenant_policy.policy.page",
        frozenset({Role.OWNER}),
        "g f",
        SHOP,
    ),
    NavigationEntry(
        lazy_gettext("Database"),
        "database",
        "migration.status.page",
        frozenset({Role.OWNER}),
        "g z",
        SHOP,
    ),
    NavigationEntry(
        lazy_gettext("Alliance"),
        "affiliate",
        "alliance.alliance.page",
        MERCHANT,
        "g x",
        SHOP,
        also=("debts.debts.page",),
    ),
    NavigationEntry(
        lazy_gettext("Settings"), "settings", "tenancy.settings.page", MERCHANT, "g e", SHOP
    ),
)


def entries_for(who: Principal | None) -> list[NavigationEntry]:
    """What a person may open, with addresses, and the one entry this page belongs to."""
    if who is None:
        return []
    order = list(NavigationGroup)
    shown = sorted(
        (entry for entry in NAVIGATION if who.role in entry.roles),
        key=lambda entry: order.index(entry.group),
    )
    entries = [(entry, url_for(entry.endpoint)) for entry in shown]
    near = [_nearness(url, *map(url_for, entry.also)) for entry, url in entries]
    best = max(near, default=0) or None
    return [
        replace(entry, url=url, current=close == best)
        for (entry, url), close in zip(entries, near, strict=True)
    ]


def _nearness(*urls: str) -> int:
    """How much of this page's address these have in common with it; 0 when it is not theirs."""
    return max((len(url) for url in urls if _is_at(url)), default=0)


def sections(entries: list[NavigationEntry]) -> list[NavigationSection]:
    """The same entries under their headings."""
    return [
        NavigationSection(group.value, GROUP_LABELS[group], tuple(found))
        for group, found in groupby(entries, key=lambda entry: entry.group)
    ]


def _is_at(url: str) -> bool:
    """Whether this page belongs to the entry of that address; to home, only home itself does."""
    here = g.get("shown_at") or request.path
    return bool(here == url or (not url.endswith("/") and here.startswith(url)))
