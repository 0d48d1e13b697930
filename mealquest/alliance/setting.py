"""An owner's list is changed: what follows for every store it names, in one transaction.

All stores that are touched are locked by their settings' rows, in the order of their ids; so two
owners who change their lists at once do it one after the other, and neither waits for ever.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from mealquest.alliance import linking, queries
from mealquest.alliance.domain import OPEN, Alliance, Pair, WalletScope, after, holder
from mealquest.alliance.errors import AllianceBusy, StoreNotFound
from mealquest.alliance.forms import ConfigForm, ConfigPageForm
from mealquest.alliance.linking import Change
from mealquest.alliance.models import AllianceLink
from mealquest.alliance.replies import AllianceConfigView
from mealquest.audit import service as audit
from mealquest.core.db import databases, transaction
from mealquest.core.errors import MerchantUnavailable
from mealquest.core.places import Elsewhere
from mealquest.core.principal import Principal
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantFacts, MerchantNotFound, Operation

TRIES = 5  # rounds, when others change what this change has to look at


@dataclass(frozen=True, slots=True)
class Table:
    """The stores of one change, as they are under their locks."""

    session: Session
    merchant_id: str
    shops: dict[str, MerchantFacts]  # of those that lie in the same database
    configs: dict[str, Alliance]
    links: dict[str, AllianceLink]  # the acting store's own

    @property
    def own(self) -> Alliance:
        return self.config_of(self.merchant_id)

    def config_of(self, merchant_id: str) -> Alliance:
        """What the store has stored, or what holds without: it is alone."""
        return self.configs.get(merchant_id) or alone(self.shops[merchant_id])

    def pair(self, partner_id: str) -> Pair:
        link = self.links.get(partner_id)
        return Pair(
            link.state if link else None,
            self.own.towards(partner_id),
            self.config_of(partner_id).towards(self.merchant_id),
        )

    def would_hold(self, now: Alliance) -> str:
        """Who keeps the own wallets once `now` is set and all others stay as they are."""
        here = self.shops[self.merchant_id]
        shares = [
            one
            for one in now.stores
            if one in self.shops
            and self.shops[one].currency is here.currency
            and self.config_of(one).towards(self.merchant_id).offers
        ]
        return holder(self.merchant_id, now.stores, shares if now.wallet_shared else ())


# What an owner wants, worked out under the locks; the names of stores that are invited anew.
Wanted = Callable[[Table], tuple[Alliance, Collection[str]]]


@contextmanager
def together(merchant_id: str, near: Collection[str]) -> Iterator[Session]:
    """A transaction of these stores. MerchantUnavailable: one has just been moved elsewhere."""
    try:
        with transaction(merchant_id, *near) as session:
            yield session
    except Elsewhere:
        raise MerchantUnavailable from None


def alone(shop: MerchantFacts) -> Alliance:
    return Alliance(
        merchant_id=shop.merchant_id,
        cluster_id=shop.cluster_id,
        stores=(shop.merchant_id,),
        wallet_shared=False,
        tier_shared=False,
        updated_at=shop.onboarded_at,
    )


def set_config(merchant_id: str, form: ConfigForm, by: Principal) -> AllianceConfigView:
    """Set what the form names; what it leaves out, or leaves empty, stays.

    Only the caller's own list changes; what follows for wallets follows for both sides at once.

    Raises:
        StoreNotFound: there is no such store. MerchantNotFound: nor this one.
        AllianceBusy: others changed the same lists at the same moment, again and again.
    """

    def wanted(table: Table) -> tuple[Alliance, Collection[str]]:
        return _changed(table.own, form), ()

    return AllianceConfigView.of(change(merchant_id, form.stores, wanted, by))


def set_on_page(merchant_id: str, form: ConfigPageForm, by: Principal) -> AllianceConfigView:
    """As `set_config`, with the store that is to keep the wallets put first."""

    def wanted(table: Table) -> tuple[Alliance, Collection[str]]:
        now = _changed(table.own, form)
        if form.first not in now.stores:
            return now, ()
        return replace(now, stores=tuple(dict.fromkeys([form.first, *now.stores]))), ()

    return AllianceConfigView.of(change(merchant_id, form.stores, wanted, by))


def set_first(merchant_id: str, *, cluster_id: str, stores: list[str], by: Principal) -> None:
    """Set a list, without sharing anything, for a store whose owner has never set one."""
    with transaction(merchant_id) as session:
        if queries.configs(session, [merchant_id]):
            return
    set_config(merchant_id, ConfigForm(cluster_id=cluster_id, stores=stores), by)


def _changed(before: Alliance, form: ConfigForm) -> Alliance:
    return replace(
        before,
        cluster_id=form.cluster_id or before.cluster_id,
        stores=tuple(form.stores) or before.stores,
        wallet_shared=_or(form.wallet_shared, before.wallet_shared),
        tier_shared=_or(form.tier_shared, before.tier_shared),
    )


def change(merchant_id: str, named: Collection[str], wanted: Wanted, by: Principal) -> Alliance:
    """Put `wanted` into effect; `named`: the stores it may name besides those known already."""
    _require_stores(merchant_id, named)
    for _round in range(TRIES):
        near = _near(merchant_id, named)
        try:
            with transaction(merchant_id, *near) as session:
                done = change_in(session, merchant_id, near, wanted, by)
        except Elsewhere:  # one of them has just been moved
            continue
        if done is not None:
            return done
    raise AllianceBusy


def change_in(
    session: Session, merchant_id: str, near: Collection[str], wanted: Wanted, by: Principal
) -> Alliance | None:
    """As `change`, in a transaction of the store and those `near` it that it may touch.

    None: by now it concerns stores that this transaction does not name.
    """
    table = table_of(session, merchant_id, near)
    before = table.own
    now, anew = wanted(table)
    touched = (set(before.stores) | set(now.stores)) - {merchant_id}
    if beside(merchant_id, touched) - set(near):
        return None
    now = replace(now, updated_at=queries.keep_config(session, now, by.subject))
    changes = []
    for partner_id in sorted(touched):
        if partner_id in table.shops:
            changes.append(_towards(table, before, now, partner_id, partner_id in anew))
        else:
            _leave_behind(session, table, partner_id, by)
    linking.keep(session, changes)
    scopes = _derive(session, table, now, [change.partner_id for change in changes])
    linking.tell(session, changes, scopes, by)
    audit.record(session, merchant_id, Operation.ALLIANCE_CONFIG_SET.value, by, _details(now))
    return now


def _leave_behind(session: Session, table: Table, partner_id: str, by: Principal) -> None:
    """Note that a store which cannot be reached is no partner any more, in the own book only."""
    link = table.links.get(partner_id)
    if link and link.state in OPEN:
        linking.end_alone(session, table.merchant_id, partner_id, by)


def table_of(session: Session, merchant_id: str, near: Collection[str]) -> Table:
    """Lock these stores and read what they have set. MerchantNotFound: the acting one is gone."""
    shops = tenancy.lock_shops(session, [merchant_id, *near])
    if merchant_id not in shops:
        raise MerchantNotFound
    return Table(
        session,
        merchant_id,
        shops,
        queries.configs(session, shops),
        queries.links(session, merchant_id),
    )


def _towards(table: Table, before: Alliance, now: Alliance, partner_id: str, anew: bool) -> Change:
    """What becomes of the link with one store."""
    pair = table.pair(partner_id)
    own = now.towards(partner_id)
    seen = replace(pair, own=replace(pair.own, lists=False)) if anew else pair
    state, act = after(seen, own)
    here, there = table.shops[table.merchant_id], table.shops[partner_id]
    agree = Pair(state, own, pair.other).shares
    terms_moved = (before.stores, before.wallet_shared) != (now.stores, now.wallet_shared)
    return Change(
        shop=here,
        partner=there,
        before=table.links.get(partner_id),
        state=state,
        offers=own.offers,
        offered=pair.other.offers,
        shares=agree and here.currency is there.currency,
        act=act,
        terms_moved=terms_moved and own.lists,
    )


def _derive(
    session: Session, table: Table, now: Alliance, partners: Collection[str]
) -> dict[str, WalletScope]:
    """Work out anew who keeps the wallets of every store that was touched, and store it."""
    configs = table.configs | {now.merchant_id: now}
    concerned = [one for one in sorted({now.merchant_id, *partners}) if one in configs]
    sharing = queries.sharing(session, concerned)
    found = {}
    for one in concerned:
        shares = sharing[one]
        found[one] = WalletScope(bool(shares), holder(one, configs[one].stores, shares))
        queries.keep_scope(session, one, found[one])
    return found


def _require_stores(merchant_id: str, named: Collection[str]) -> None:
    others = [one for one in named if one != merchant_id]
    known = tenancy.public_names(others)
    for one in others:
        if one not in known:
            raise StoreNotFound(one)


def _near(merchant_id: str, named: Collection[str]) -> list[str]:
    """Every store that the change may touch and that lies in the same database, by id."""
    with transaction(merchant_id) as session:
        known = queries.configs(session, [merchant_id]).get(merchant_id)
    stores = {*named, *(known.stores if known else ())} - {merchant_id}
    return sorted(beside(merchant_id, stores))


def beside(merchant_id: str, stores: Collection[str]) -> set[str]:
    """Those of the stores that lie in the same database as this one."""
    places = databases()
    here = places.of([merchant_id])
    return {one for one in stores if places.of([one]) is here}


def _details(config: Alliance) -> dict[str, object]:
    return {
        "clusterId": config.cluster_id,
        "stores": list(config.stores),
        "walletShared": config.wallet_shared,
        "tierShared": config.tier_shared,
    }


def _or(value: bool | None, otherwise: bool) -> bool:
    return otherwise if value is None else value
