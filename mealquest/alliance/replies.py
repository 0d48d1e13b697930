"""What alliances answer."""

from enum import StrEnum
from typing import Any

from mealquest.alliance.domain import Act, Alliance, LinkState
from mealquest.core.wire import Page, Timestamp, View


class AllianceGlimpse(View):
    """What a customer is told of it."""

    wallet_shared: bool
    stores: list[str]


class AllianceConfigView(AllianceGlimpse):
    merchant_id: str
    cluster_id: str
    tier_shared: bool
    updated_at: Timestamp

    @classmethod
    def of(cls, alliance: Alliance) -> "AllianceConfigView":
        return cls(
            merchant_id=alliance.merchant_id,
            cluster_id=alliance.cluster_id,
            stores=list(alliance.stores),
            wallet_shared=alliance.wallet_shared,
            tier_shared=alliance.tier_shared,
            updated_at=alliance.updated_at,
        )


class StoreItem(View):
    merchant_id: str
    name: str


class StoresView(View):
    merchant_id: str
    cluster_id: str
    wallet_shared: bool
    tier_shared: bool
    stores: list[StoreItem]


class Obstacle(StrEnum):
    """Why two lists that agree have no effect."""

    ELSEWHERE = "ELSEWHERE"  # the store lies in another database
    CURRENCY = "CURRENCY"  # it keeps another currency
    GONE = "GONE"  # there is no such store any more
    OTHER_HOLDER = "OTHER_HOLDER"  # its own customers pay from another store's wallets


class LinkView(View):
    """How a partner stands to this store.

    `offers`: this store shares its wallet with it; `offered`: it does with this one; `shares`: in
    effect. `state` is null where nothing was ever written between the two.
    """

    partner_id: str
    name: str
    state: LinkState | None
    listed: bool
    offers: bool
    offered: bool
    shares: bool
    obstacle: Obstacle | None
    wallet_merchant_id: str | None  # whose wallets its customers pay from, of who agreed
    would_hold: str | None  # who would keep this store's wallets if its invitation were accepted
    invited_at: Timestamp | None
    agreed_at: Timestamp | None
    shares_since: Timestamp | None
    left_at: Timestamp | None


class LinksView(View):
    merchant_id: str
    wallet_shared: bool  # in effect
    wallet_merchant_id: str
    items: list[LinkView]


class ActView(View):
    """`by_subject`: the member of staff, of one's own store only."""

    act_id: str
    timestamp: Timestamp
    act: Act
    partner_id: str
    partner_name: str
    by_merchant_id: str
    by_subject: str | None
    user_id: str | None
    terms: dict[str, Any]


class ActsPage(Page):
    merchant_id: str
    items: list[ActView]


class CopyView(View):
    """A store that was sent a customer's profile, and when last."""

    merchant_id: str
    name: str
    sent_at: Timestamp


class LeftOutReason(StrEnum):
    """Why a store of one's own list got no copy."""

    NOT_AGREED = "NOT_AGREED"  # it does not list this store
    ELSEWHERE = "ELSEWHERE"
    FROZEN = "FROZEN"  # it takes no changes at the moment
    HAS_LEFT = "HAS_LEFT"  # the customer was erased there


class LeftOut(View):
    merchant_id: str
    reason: LeftOutReason


class SyncedView(View):
    merchant_id: str
    user_id: str
    synced_stores: list[str]
    left_out: list[LeftOut]
