"""Lists of orders from a file: chosen, looked at, imported as a whole."""

from flask import url_for

from mealquest.core.principal import MANAGEMENT
from mealquest.core.wire import NoInput
from mealquest.suppliers import service
from mealquest.suppliers.forms import ImportForm, ImportPathForm
from mealquest.suppliers.replies import ImportView, PartnersView
from mealquest.tenancy.service import Operation
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import translate as _

feature = Feature("order_imports")


def _its_page(view: ImportView) -> str:
    return url_for("order_imports.preview.page", import_id=view.import_id)


@feature.get(page="/console/suppliers/imports", roles=MANAGEMENT, template="suppliers/import")
def choose(call: Call, form: NoInput) -> PartnersView:
    """The page on which a file is chosen."""
    return service.partners(call.merchant_id)


@feature.post(
    api="/api/supplier/imports",
    page="/console/suppliers/imports",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.SUPPLIER_ORDER_SET,
    again="order_imports.choose",
    see_other=_its_page,
    status=201,
)
def upload(call: Call, form: ImportForm) -> ImportView:
    """Check a file and say what it would do. Nothing of it counts yet."""
    return service.stage_import(call.merchant_id, form, call.principal)


@feature.get(
    api="/api/supplier/imports/<import_id>",
    page="/console/suppliers/imports/<import_id>",
    roles=MANAGEMENT,
    scope=Scope.QUERY,
    template="suppliers/preview",
)
def preview(call: Call, form: ImportPathForm) -> ImportView:
    """What a file would do, or did."""
    return service.shown_import(call.merchant_id, form.import_id)


@feature.post(
    api="/api/supplier/imports/<import_id>/apply",
    page="/console/suppliers/imports/<import_id>",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.SUPPLIER_ORDER_SET,
    see_other=_its_page,
    flash=lambda view: _("The orders are imported."),
)
def apply(call: Call, form: ImportPathForm) -> ImportView:
    """Take all rows of a file over, or none. A second time changes nothing."""
    return service.apply_import(call.merchant_id, form.import_id, call.principal)
