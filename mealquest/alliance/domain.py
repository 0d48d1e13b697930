"""What an alliance is, without a database: who has consented to what, and who keeps the wallet."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class LinkState(StrEnum):
    """How two stores stand to each other, as one of them sees it; each act below leaves a state."""

    INVITED = "INVITED"  # this store lists the other and waits for its owner
    INVITES = "INVITES"  # the other lists this one: its owner accepts, declines, or lets it be
    AGREED = "AGREED"  # each lists the other; ends when one of them stops
    DECLINED = "DECLINED"  # the invitation stands in one list; the other's owner said no
    LEFT = "LEFT"  # it is over; a new invitation begins again


OPEN = frozenset({LinkState.INVITED, LinkState.INVITES, LinkState.AGREED})


class Act(StrEnum):
    INVITE = "INVITE"
    ACCEPT = "ACCEPT"
    DECLINE = "DECLINE"
    WITHDRAW = "WITHDRAW"  # an invitation that nobody had accepted
    LEAVE = "LEAVE"
    TERMS_CHANGED = "TERMS_CHANGED"  # wallets shared or not, or another order of the stores
    PROFILE_SENT = "PROFILE_SENT"  # a customer's profile, in the book of the store it came from
    PROFILE_RECEIVED = "PROFILE_RECEIVED"  # and in the book of the store that has it now


@dataclass(frozen=True, slots=True)
class WalletScope:
    """Whose wallets a store's customers pay from.

    Attributes:
        wallet_shared: the store shares wallets with at least one other, in effect.
        wallet_merchant_id: the store that keeps the wallets; without sharing the store itself.
    """

    wallet_shared: bool
    wallet_merchant_id: str


def holder(merchant_id: str, stores: Sequence[str], shares: Collection[str]) -> str:
    """Who keeps the wallets: the first store of its own list that is itself or shares in effect."""
    return next((one for one in stores if one == merchant_id or one in shares), merchant_id)


@dataclass(frozen=True, slots=True)
class Alliance:
    """What a store's owner has set: with whom the store acts, itself among them, in this order."""

    merchant_id: str
    cluster_id: str
    stores: tuple[str, ...]
    wallet_shared: bool
    tier_shared: bool
    updated_at: datetime

    def towards(self, partner_id: str) -> "Side":
        """What this list says about another store."""
        lists = partner_id in self.stores
        return Side(lists, lists and self.wallet_shared)


@dataclass(frozen=True, slots=True)
class Side:
    """What one store's own list says about another."""

    lists: bool = False
    offers: bool = False  # lists it, and shares its wallet with whom it lists


@dataclass(frozen=True, slots=True)
class Pair:
    """How two stores stand to each other, seen from the store that acts."""

    state: LinkState | None  # None: there was never anything between them
    own: Side
    other: Side

    @property
    def shares(self) -> bool:
        """Sharing that both want; currencies and databases are the caller's to compare."""
        return self.own.offers and self.other.offers


MIRROR = {LinkState.INVITED: LinkState.INVITES, LinkState.INVITES: LinkState.INVITED}


def mirrored(state: LinkState) -> LinkState:
    """The same state as the other store sees it."""
    return MIRROR.get(state, state)


def after(before: Pair, own: Side) -> tuple[LinkState | None, Act | None]:
    """Where a link stands once the acting store's list says `own`, and which act that was.

    What both lists say decides. A list that only goes on saying what it said is no new
    invitation: what was declined or left stays so until a store is listed anew.
    """
    if own.lists and before.other.lists:
        return LinkState.AGREED, None if before.state is LinkState.AGREED else Act.ACCEPT
    if own.lists and not (before.own.lists and before.state):
        return LinkState.INVITED, Act.INVITE
    if before.state and before.own.lists and not own.lists:
        return LinkState.LEFT, _ending(before.state)
    return before.state, None


def _ending(state: LinkState) -> Act | None:
    if state is LinkState.AGREED:
        return Act.LEAVE
    return Act.WITHDRAW if state is LinkState.INVITED else None
