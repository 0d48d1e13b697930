"""What a store's alliance looks like, for its people."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from mealquest.alliance import queries
from mealquest.alliance.consent import accepting
from mealquest.alliance.domain import Alliance, LinkState, WalletScope
from mealquest.alliance.errors import NoInvitation
from mealquest.alliance.models import AllianceLink
from mealquest.alliance.replies import (
    AllianceConfigView,
    LinksView,
    LinkView,
    Obstacle,
    StoreItem,
    StoresView,
)
from mealquest.alliance.setting import Table, alone, beside, together
from mealquest.core.db import transaction
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantFacts

MOST_LOOKED_AT = 50  # partners whose lists a page reads


@dataclass(frozen=True, slots=True)
class Known:
    """What was read about the store itself, before its partners are looked at."""

    own: Alliance
    links: dict[str, AllianceLink]
    scope: WalletScope

    @property
    def partners(self) -> list[str]:
        """The list's other stores in their order, then whoever else there is a link with."""
        own = self.own.merchant_id
        waiting = [one for one, link in self.links.items() if link.state is LinkState.INVITES]
        return [
            one for one in dict.fromkeys([*self.own.stores, *waiting, *self.links]) if one != own
        ]

    @property
    def open_to_us(self) -> list[str]:
        """Partners that list this store, and so let it know how."""
        shown = {LinkState.AGREED, LinkState.INVITES}
        return [one for one, link in self.links.items() if link.state in shown]


def alliance_of(session: Session, shop: MerchantFacts) -> Alliance:
    """What the store's owner has set; without anything set the store is alone. One statement."""
    return queries.configs(session, [shop.merchant_id]).get(shop.merchant_id) or alone(shop)


def config(merchant_id: str) -> AllianceConfigView:
    """MerchantNotFound."""
    return AllianceConfigView.of(_own(merchant_id))


def stores(merchant_id: str) -> StoresView:
    """The stores of the list with their names; a name nobody has any more is the id."""
    own = _own(merchant_id)
    names = tenancy.public_names(own.stores)
    return StoresView(
        merchant_id=merchant_id,
        cluster_id=own.cluster_id,
        wallet_shared=own.wallet_shared,
        tier_shared=own.tier_shared,
        stores=[StoreItem(merchant_id=one, name=names.get(one) or one) for one in own.stores],
    )


def links(merchant_id: str) -> LinksView:
    """Every store that this one lists, is listed by, or was; with what keeps them from sharing."""
    with transaction(merchant_id) as session:
        shop = tenancy.settings_of(session, merchant_id)
        known = Known(
            alliance_of(session, shop),
            queries.links(session, merchant_id),
            queries.scope(session, merchant_id),
        )
    names = tenancy.public_names(known.partners)
    near = beside(merchant_id, names)
    holders, would_hold = _seen(known, sorted(near & set(known.open_to_us))[:MOST_LOOKED_AT])
    items = [
        _link(known, one, names.get(one), one in near, holders.get(one), would_hold.get(one))
        for one in known.partners
    ]
    return LinksView(
        merchant_id=merchant_id,
        wallet_shared=known.scope.wallet_shared,
        wallet_merchant_id=known.scope.wallet_merchant_id,
        items=items,
    )


def partner_names(merchant_id: str) -> list[tuple[str, str]]:
    """Every store that there ever was something with, by name."""
    with transaction(merchant_id) as session:
        found = list(queries.links(session, merchant_id))
    names = tenancy.public_names(found)
    return sorted(((one, names.get(one) or one) for one in found), key=lambda pair: pair[1])


def agreed_stores(merchant_id: str) -> list[StoreItem]:
    """The stores of the own list that list this one too, in the list's order."""
    listed = [one for one in _own(merchant_id).stores if one != merchant_id]
    with transaction(merchant_id) as session:
        agreed = queries.agreed(session, merchant_id, listed)
    names = tenancy.public_names(agreed)
    found = [one for one in listed if one in agreed]
    return [StoreItem(merchant_id=one, name=names.get(one) or one) for one in found]


def has_agreed(merchant_id: str) -> bool:
    """Whether any store acts together with this one."""
    with transaction(merchant_id) as session:
        return queries.has_agreed(session, merchant_id)


def waiting_invitations(merchant_id: str) -> list[StoreItem]:
    """Stores that invited this one and have no answer yet, the longest waiting first."""
    with transaction(merchant_id) as session:
        found = [link.partner_id for link in queries.invitations(session, merchant_id)]
    names = tenancy.public_names(found)
    return [StoreItem(merchant_id=one, name=names[one]) for one in found if one in names]


def _seen(known: Known, partners: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Whose wallets the partners use, and who would keep ours if we accepted what they offer."""
    own = known.own.merchant_id
    if not partners:
        return {}, {}
    with together(own, partners) as session:
        shops = {one: tenancy.settings_of(session, one) for one in [own, *partners]}
        table = Table(session, own, shops, queries.configs(session, shops), known.links)
        holders = queries.holders(session, partners)
    would_hold = {}
    for one in partners:
        if known.links[one].shares:
            continue
        try:
            would_hold[one] = table.would_hold(accepting(table, one))
        except NoInvitation:  # its list has changed since the link was read
            continue
    return {one: holders.get(one, one) for one in partners}, would_hold


def _link(
    known: Known,
    partner_id: str,
    name: str | None,
    is_near: bool,
    holder: str | None,
    would_hold: str | None,
) -> LinkView:
    link = known.links.get(partner_id)
    return LinkView(
        partner_id=partner_id,
        name=name or partner_id,
        state=link.state if link else None,
        listed=partner_id in known.own.stores,
        offers=known.own.towards(partner_id).offers,
        offered=bool(link and link.offered),
        shares=bool(link and link.shares),
        obstacle=_obstacle(known, link, name, is_near, holder),
        wallet_merchant_id=holder if link and link.state is LinkState.AGREED else None,
        would_hold=would_hold,
        invited_at=link.invited_at if link else None,
        agreed_at=link.agreed_at if link else None,
        shares_since=link.shares_since if link else None,
        left_at=link.left_at if link else None,
    )


def _obstacle(
    known: Known, link: AllianceLink | None, name: str | None, is_near: bool, holder: str | None
) -> Obstacle | None:
    if name is None:
        return Obstacle.GONE
    if not is_near:
        return Obstacle.ELSEWHERE
    if link and link.shares:
        same = holder in {None, known.scope.wallet_merchant_id}
        return None if same else Obstacle.OTHER_HOLDER
    if link and link.offers and link.offered:
        return Obstacle.CURRENCY
    return None


def _own(merchant_id: str) -> Alliance:
    with transaction(merchant_id) as session:
        return alliance_of(session, tenancy.settings_of(session, merchant_id))
