"""The acts of an owner towards another store: invite, accept, decline, leave.

Each of them but declining is a change of one's own list, so a page and the wire contract's route
cannot come to different ends.
"""

from collections.abc import Collection
from dataclasses import replace

from mealquest.alliance import linking, queries
from mealquest.alliance.domain import Act, Alliance, LinkState
from mealquest.alliance.errors import (
    InvitationChanged,
    InviteSomebodyElse,
    NameNotUnique,
    NoInvitation,
    NoSuchPartner,
    StoreNotFound,
)
from mealquest.alliance.forms import AcceptForm, InviteForm
from mealquest.alliance.linking import Change
from mealquest.alliance.replies import AllianceConfigView
from mealquest.alliance.setting import Table, beside, change, table_of, together
from mealquest.audit import service as audit
from mealquest.core.db import transaction
from mealquest.core.principal import Principal
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation


def invite(merchant_id: str, form: InviteForm, by: Principal) -> AllianceConfigView:
    """Put a store at the end of the own list, and share the wallet with all of it if wished.

    Also a store that declined or left before: it hears of it anew.

    Raises:
        StoreNotFound: nobody has this id, nor this name. NameNotUnique: several have this name.
        InviteSomebodyElse: it is the own store.
    """
    partner_id = _found(form.store)
    if partner_id == merchant_id:
        raise InviteSomebodyElse

    def wanted(table: Table) -> tuple[Alliance, Collection[str]]:
        own = table.own
        stores = tuple(dict.fromkeys([*own.stores, merchant_id, partner_id]))
        shared = own.wallet_shared or form.wallet_shared
        return replace(own, stores=stores, wallet_shared=shared), {partner_id}

    return AllianceConfigView.of(change(merchant_id, [partner_id], wanted, by))


def accept(merchant_id: str, form: AcceptForm, by: Principal) -> AllianceConfigView:
    """List the store that lists this one, in its order, and share the wallet if it does.

    Raises:
        NoInvitation: it does not list this store, or lies in another database.
        InvitationChanged: who would keep the wallets is not whom the form says.
    """
    partner_id = form.partner_id

    def wanted(table: Table) -> tuple[Alliance, Collection[str]]:
        now = accepting(table, partner_id)
        expected = form.wallet_merchant_id
        if expected and expected != table.would_hold(now):
            raise InvitationChanged
        return now, ()

    if partner_id not in tenancy.public_names([partner_id]):
        raise NoInvitation
    return AllianceConfigView.of(change(merchant_id, [partner_id], wanted, by))


def decline(merchant_id: str, partner_id: str, by: Principal) -> None:
    """Say no to an invitation; the other store's list is its own affair.

    NoInvitation: there is none, or none any more.
    """
    if not beside(merchant_id, [partner_id]):
        raise NoInvitation
    with together(merchant_id, [partner_id]) as session:
        table = table_of(session, merchant_id, [partner_id])
        link = table.links.get(partner_id)
        if link is None or link.state is not LinkState.INVITES:
            raise NoInvitation
        declined = Change(
            shop=table.shops[merchant_id],
            partner=table.shops[partner_id],
            before=link,
            state=LinkState.DECLINED,
            offers=False,
            offered=link.offered,
            shares=False,
            act=Act.DECLINE,
        )
        linking.keep(session, [declined])
        linking.tell(session, [declined], {}, by)
        details = {"partnerId": partner_id, "act": "DECLINE"}
        audit.record(session, merchant_id, Operation.ALLIANCE_CONFIG_SET.value, by, details)


def leave(merchant_id: str, partner_id: str | None, by: Principal) -> AllianceConfigView:
    """Take a store off the own list, or all of them; sharing stops with this moment.

    What the stores owe each other stays in both books. NoSuchPartner: it is not on the list.
    """

    def wanted(table: Table) -> tuple[Alliance, Collection[str]]:
        own = table.own
        if partner_id is not None and partner_id not in own.stores:
            raise NoSuchPartner
        staying = [one for one in own.stores if partner_id not in {None, one}]
        stores = tuple(staying) or (merchant_id,)
        alone = set(stores) <= {merchant_id}
        return replace(own, stores=stores, wallet_shared=own.wallet_shared and not alone), ()

    return AllianceConfigView.of(change(merchant_id, (), wanted, by))


def end_all(merchant_id: str, by: Principal) -> None:
    """Leave whatever alliance the store is in, if any."""
    with transaction(merchant_id) as session:
        known = queries.configs(session, [merchant_id]).get(merchant_id)
    if known and set(known.stores) - {merchant_id}:
        leave(merchant_id, None, by)


def accepting(table: Table, partner_id: str) -> Alliance:
    """The own list with the partner in it, in the order in which the partner has these stores.

    NoInvitation: the partner does not list this store.
    """
    own = table.own
    theirs = table.config_of(partner_id) if partner_id in table.shops else None
    if theirs is None or own.merchant_id not in theirs.stores or partner_id == own.merchant_id:
        raise NoInvitation
    mine = dict.fromkeys([*own.stores, own.merchant_id, partner_id])
    in_order = [one for one in theirs.stores if one in mine]
    return replace(
        own,
        stores=tuple(dict.fromkeys([*in_order, *mine])),
        wallet_shared=own.wallet_shared or theirs.wallet_shared,
    )


def _found(store: str) -> str:
    if store in tenancy.public_names([store]):
        return store
    called = tenancy.merchants_called(store)
    if not called:
        raise StoreNotFound(store)
    if len(called) > 1:
        raise NameNotUnique
    return called[0]
