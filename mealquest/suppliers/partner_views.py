"""Partners and their keys: managers look, owners set."""

from flask import url_for
from pydantic import Field

from mealquest.core.principal import MANAGEMENT, Role
from mealquest.core.wire import NoInput
from mealquest.suppliers import service
from mealquest.suppliers.forms import PartnerChangeForm, PartnerForm, PartnerPathForm
from mealquest.suppliers.replies import PartnerKeyView, PartnersView, PartnerView
from mealquest.tenancy.service import Operation
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import translate as _

feature = Feature("partners")
OWNER = frozenset({Role.OWNER})
PAGE = "partners.partners.page"


class PartnersPage(PartnersView):
    may_edit: bool = Field(False, exclude=True)


@feature.get(
    api="/api/suppliers/partners",
    page="/console/suppliers/partners",
    roles=MANAGEMENT,
    scope=Scope.QUERY,
    template="suppliers/partners",
)
def partners(call: Call, form: NoInput) -> PartnersPage:
    """Everybody whose orders the shop honours."""
    found = service.partners(call.merchant_id)
    return PartnersPage(**dict(found), may_edit=call.principal.role in OWNER)


@feature.post(
    api="/api/suppliers/partners",
    page="/console/suppliers/partners",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.SUPPLIER_PARTNER_SET,
    again="partners.partners",
    template="suppliers/key",
    status=201,
)
def add_partner(call: Call, form: PartnerForm) -> PartnerKeyView:
    """Add a partner. Its key is in this answer and in no other."""
    return service.add_partner(call.merchant_id, form, call.principal)


@feature.patch(
    api="/api/suppliers/partners/<partner_id>",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.SUPPLIER_PARTNER_SET,
)
def change_partner(call: Call, form: PartnerChangeForm) -> PartnerView:
    """Change a partner's name, and what difference of amounts is none."""
    return service.change_partner(call.merchant_id, form, call.principal)


@feature.post(
    page="/console/suppliers/partners/<partner_id>",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.SUPPLIER_PARTNER_SET,
    again="partners.partners",
    see_other=lambda view: url_for(PAGE),
    flash=lambda view: _("The partner is saved."),
)
def save_partner(call: Call, form: PartnerChangeForm) -> PartnerView:
    """Change a partner from its page, where a browser can only post."""
    return service.change_partner(call.merchant_id, form, call.principal)


@feature.post(
    api="/api/suppliers/partners/<partner_id>/key",
    page="/console/suppliers/partners/<partner_id>/key",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.SUPPLIER_PARTNER_SET,
    template="suppliers/key",
    status=201,
)
def new_key(call: Call, form: PartnerPathForm) -> PartnerKeyView:
    """Another key for a partner; the one before is good for nothing from now on."""
    return service.new_key(call.merchant_id, form.partner_id, call.principal)


@feature.delete(
    api="/api/suppliers/partners/<partner_id>/key",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.SUPPLIER_PARTNER_SET,
)
def revoke_key(call: Call, form: PartnerPathForm) -> PartnerView:
    """Leave a partner without a key."""
    return service.revoke_key(call.merchant_id, form.partner_id, call.principal)


@feature.post(
    page="/console/suppliers/partners/<partner_id>/revoke",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.SUPPLIER_PARTNER_SET,
    see_other=lambda view: url_for(PAGE),
    flash=lambda view: _("The key is revoked."),
)
def revoke_by_page(call: Call, form: PartnerPathForm) -> PartnerView:
    """Leave a partner without a key, from its page."""
    return service.revoke_key(call.merchant_id, form.partner_id, call.principal)
