"""The alliance of a store: everybody of the shop looks, the owner decides."""

from collections.abc import Iterator
from typing import Any

from flask import Response, url_for
from pydantic import Field

from mealquest.alliance import service
from mealquest.alliance.forms import (
    AcceptForm,
    ActsForm,
    ConfigForm,
    ConfigPageForm,
    InviteForm,
    LeaveForm,
    PartnerForm,
)
from mealquest.alliance.replies import (
    ActsPage,
    ActView,
    AllianceConfigView,
    LinksView,
    LinkView,
    StoresView,
)
from mealquest.core.paging import ListForm
from mealquest.core.principal import BOOTSTRAP, MERCHANT, SYSTEM, Role
from mealquest.core.spreadsheet import local
from mealquest.core.wire import NoInput
from mealquest.tenancy.service import Operation
from mealquest.web import lists, people
from mealquest.web.frame import Call, Face, Feature, Scope
from mealquest.web.lists import Listing
from mealquest.web.look import translate as _
from mealquest.web.look import zone

feature = Feature("alliance")
OWNER = frozenset({Role.OWNER})
PAGE = "alliance.alliance.page"
HISTORY = "alliance.acts.page"
GATE = Operation.ALLIANCE_CONFIG_SET
LAST_ACTS = 5  # on the alliance's own page


class AlliancePage(AllianceConfigView):
    """What was set, with what its page shows besides."""

    links: LinksView | None = Field(None, exclude=True)
    names: dict[str, str] = Field(default_factory=dict, exclude=True)
    last_acts: list[ActView] = Field(default_factory=list, exclude=True)
    people: dict[str, str] = Field(default_factory=dict, exclude=True)
    may_edit: bool = Field(False, exclude=True)


@feature.get(
    api="/api/merchant/alliance-config",
    page="/console/alliance",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="alliance/alliance",
)
def alliance(call: Call, form: NoInput) -> AlliancePage:
    """What the store has set about its alliance."""
    merchant_id = call.merchant_id
    own = service.config(merchant_id)
    if call.face is Face.API:
        return AlliancePage(**dict(own))
    links = service.links(merchant_id)
    may_edit = call.principal.role is Role.OWNER
    acts = service.acts(merchant_id, ActsForm(limit=LAST_ACTS)).items if may_edit else []
    return AlliancePage(
        **dict(own),
        links=links,
        names={merchant_id: _("your store")} | {one.partner_id: one.name for one in links.items},
        last_acts=acts,
        people=_people(merchant_id, acts),
        may_edit=may_edit,
    )


@feature.post(api="/api/merchant/alliance-config", roles=OWNER, scope=Scope.BODY, gate=GATE)
def set_alliance(call: Call, form: ConfigForm) -> AllianceConfigView:
    """Set the own list and what is shared; it takes effect where the other store does the same."""
    return service.set_config(call.merchant_id, form, call.principal)


@feature.post(
    page="/console/alliance",
    roles=OWNER,
    scope=Scope.BODY,
    gate=GATE,
    again="alliance.alliance",
    template="alliance/alliance",
    see_other=lambda view: url_for(PAGE),
    flash=lambda view: _("The alliance's settings are saved."),
)
def save_alliance(call: Call, form: ConfigPageForm) -> AllianceConfigView:
    """Set what is shared, and who keeps the wallets, from the page."""
    return service.set_on_page(call.merchant_id, form, call.principal)


@feature.get(api="/api/merchant/stores", roles=MERCHANT, scope=Scope.QUERY)
def stores(call: Call, form: NoInput) -> StoresView:
    """The stores of the own list, by name."""
    return service.stores(call.merchant_id)


# --- consent ------------------------------------------------------------------------------


@feature.post(
    api="/api/merchant/alliance/invitations",
    page="/console/alliance/invitations",
    roles=OWNER,
    scope=Scope.BODY,
    gate=GATE,
    again="alliance.alliance",
    template="alliance/alliance",
    see_other=lambda view: url_for(PAGE),
    flash=lambda view: _("The invitation is on its way. Nothing is shared until it is accepted."),
)
def invite(call: Call, form: InviteForm) -> AllianceConfigView:
    """Put a store on the own list, by id or exact name; its owner hears of it."""
    return service.invite(call.merchant_id, form, call.principal)


@feature.post(
    api="/api/merchant/alliance/invitations/<partner_id>/accept",
    page="/console/alliance/invitations/<partner_id>/accept",
    roles=OWNER,
    scope=Scope.BODY,
    gate=GATE,
    again="alliance.alliance",
    template="alliance/alliance",
    see_other=lambda view: url_for(PAGE),
    flash=lambda view: _("You act together from now on."),
)
def accept(call: Call, form: AcceptForm) -> AllianceConfigView:
    """List a store that lists this one, in its order, and share the wallet if it does."""
    return service.accept(call.merchant_id, form, call.principal)


@feature.post(
    api="/api/merchant/alliance/invitations/<partner_id>/decline",
    page="/console/alliance/invitations/<partner_id>/decline",
    roles=OWNER,
    scope=Scope.BODY,
    gate=GATE,
    again="alliance.alliance",
    template="alliance/alliance",
    see_other=lambda view: url_for(PAGE),
    flash=lambda view: _("The invitation is declined."),
)
def decline(call: Call, form: PartnerForm) -> AllianceConfigView:
    """Say no to a store that lists this one."""
    service.decline(call.merchant_id, form.partner_id, call.principal)
    return service.config(call.merchant_id)


@feature.post(
    api="/api/merchant/alliance/leave",
    page="/console/alliance/leave",
    roles=OWNER,
    scope=Scope.BODY,
    gate=GATE,
    again="alliance.alliance",
    template="alliance/alliance",
    see_other=lambda view: url_for(PAGE),
    flash=lambda view: _("Nothing is shared any more. What is owed stays owed."),
)
def leave(call: Call, form: LeaveForm) -> AllianceConfigView:
    """Stop acting together with one store, or with all; sharing ends at once."""
    return service.leave(call.merchant_id, form.partner_id, call.principal)


# --- lists --------------------------------------------------------------------------------


@feature.get(api="/api/merchant/alliance/links", roles=OWNER, scope=Scope.QUERY)
def links(call: Call, form: NoInput) -> LinksView:
    """How every other store stands to this one."""
    return service.links(call.merchant_id)


class ActsView(ActsPage, Listing):
    """The history with what its page needs besides."""

    people: dict[str, str] = Field(default_factory=dict, exclude=True)
    partners: list[tuple[str, str]] = Field(default_factory=list, exclude=True)


@feature.get(
    api="/api/merchant/alliance/acts",
    page="/console/alliance/history",
    roles=OWNER,
    scope=Scope.QUERY,
    template="alliance/history",
)
def acts(call: Call, form: ActsForm) -> ActsView:
    """Who invited, accepted, declined, left, changed terms or copied a profile, newest first."""
    page = service.acts(call.merchant_id, form)
    if call.face is Face.API:
        return ActsView(**dict(page))
    return ActsView(
        **dict(page),
        **lists.links(call, form, HISTORY, page.next_cursor, csv="alliance.acts_csv.page"),
        people=_people(call.merchant_id, page.items),
        partners=service.partner_names(call.merchant_id),
    )


@feature.get(
    api="/api/merchant/alliance/acts.csv",
    page="/console/alliance/history.csv",
    roles=OWNER,
    scope=Scope.QUERY,
    media="text/csv",
)
def acts_csv(call: Call, form: ActsForm) -> Response:
    """The history of the alliance as a CSV file, all pages of it."""
    here = zone()
    header = [_("Time (%(zone)s)", zone=here.key), _("Entry"), _("What"), _("Store")]
    header += [_("Store id"), _("Done by the store"), _("Person"), _("Customer id")]
    header += [_("Wallet shared in effect"), _("Keeps the wallets")]
    batches = service.every_act(call.merchant_id, form)
    rows: Iterator[Any] = (
        [_cells(row, local(row.timestamp, here)) for row in batch] for batch in batches
    )
    return lists.csv_file(call, "alliance", form, header, rows)


@feature.get(
    api="/api/merchant/alliance/links.csv",
    page="/console/alliance/stores.csv",
    roles=OWNER,
    scope=Scope.QUERY,
    media="text/csv",
)
def links_csv(call: Call, form: ListForm) -> Response:
    """How every other store stands to this one, as a CSV file."""
    here = zone()
    header = [_("Store"), _("Store id"), _("State"), _("This store shares its wallet")]
    header += [_("The other one does"), _("Wallet shared in effect"), _("Invited"), _("Agreed")]
    header += [_("Shared since"), _("Ended")]
    found = service.links(call.merchant_id).items

    def cells(link: LinkView) -> list[Any]:
        moments = (link.invited_at, link.agreed_at, link.shares_since, link.left_at)
        flags = [link.offers, link.offered, link.shares]
        times = [local(moment, here) if moment else "" for moment in moments]
        return [link.name, link.partner_id, link.state or "", *flags, *times]

    return lists.csv_file(call, "alliance-stores", form, header, iter([[*map(cells, found)]]))


def _cells(row: ActView, when: str) -> list[Any]:
    what = [row.act_id, row.act, row.partner_name, row.partner_id, row.by_merchant_id]
    terms = [row.terms.get("shares", ""), row.terms.get("walletMerchantId", "")]
    return [when, *what, row.by_subject or "", row.user_id or "", *terms]


def _people(merchant_id: str, rows: list[ActView]) -> dict[str, str]:
    """Names of the staff and customers of these rows; machines act where the shop was set up."""
    named = {row.by_subject for row in rows} | {row.user_id for row in rows}
    machines = {BOOTSTRAP.subject: _("Opening of the shop"), SYSTEM.subject: _("The system")}
    return machines | people.names(merchant_id, [one for one in named if one])
