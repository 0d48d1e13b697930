"""A customer's data for themselves, and a customer who is erased: the owner's pages and the API."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from flask import Response, stream_with_context, url_for
from pydantic import Field

from mealquest.core.clock import utc_now
from mealquest.core.principal import Principal, Role
from mealquest.core.wire import NoInput
from mealquest.identity import service as identity
from mealquest.privacy import service
from mealquest.privacy.domain import ExportState
from mealquest.privacy.errors import ConfirmDeletion
from mealquest.privacy.forms import DeleteForm, ExportForm, ExportsForm, UserForm
from mealquest.privacy.replies import (
    CancelledView,
    DeletedView,
    ExportsPage,
    ExportView,
    LeavingView,
)
from mealquest.tenancy.service import Operation
from mealquest.web import people
from mealquest.web.frame import Call, Face, Feature, Scope
from mealquest.web.look import principal, zone
from mealquest.web.look import translate as _

feature = Feature("privacy")
OWNER = frozenset({Role.OWNER})
CUSTOMER = frozenset({Role.CUSTOMER})
LIST = "privacy.exports.page"


# --- erasing ------------------------------------------------------------------------------


@feature.get(
    page="/console/customers/<user_id>/delete",
    roles=OWNER,
    scope=Scope.QUERY,
    template="privacy/deletion",
)
def deletion(call: Call, form: UserForm) -> LeavingView:
    """What deleting a customer's data erases, what stays and why, before it is done."""
    return service.what_goes(call.merchant_id, form.user_id)


@feature.post(
    api="/api/privacy/delete-user",
    page="/console/customers/<user_id>/delete",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.PRIVACY_DELETE,
    again="privacy.deletion",
    see_other=lambda view: url_for("wallet.customer.page", user_id=view.user_id),
    flash=lambda view: _("The personal data of this customer are erased."),
)
def delete_user(call: Call, form: DeleteForm) -> DeletedView:
    """Erase everything personal about a customer; payments, ledger and invoices stay."""
    if call.face is Face.PAGE and not form.confirm:
        raise ConfirmDeletion
    return service.delete_user(call.merchant_id, form.user_id, call.principal)


@feature.post(
    api="/api/privacy/cancel-account",
    roles=CUSTOMER,
    scope=Scope.BODY,
    gate=Operation.PRIVACY_CANCEL,
)
def cancel_account(call: Call, form: NoInput) -> CancelledView:
    """Close the caller's own account: everything personal is erased, and the token dies."""
    return service.cancel_account(call.merchant_id, call.principal.subject, call.principal)


# --- exporting ----------------------------------------------------------------------------


@feature.post(
    api="/api/privacy/export-user",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.PRIVACY_EXPORT,
    media="application/json",
)
def export_user(call: Call, form: UserForm) -> Response:
    """Everything about a customer as one JSON object, written while it is read."""
    text = service.document(call.merchant_id, form.user_id, call.principal)
    return _sent(text, "application/json", f"customer-{form.user_id}.json")


class ExportsView(ExportsPage):
    """The list with what its page needs besides."""

    user_id: str | None = Field(None, exclude=True)
    people: dict[str, str] = Field(default_factory=dict, exclude=True)
    next_url: str | None = Field(None, exclude=True)
    first_url: str | None = Field(None, exclude=True)


@feature.get(
    api="/api/privacy/exports",
    page="/console/privacy/exports",
    roles=OWNER,
    scope=Scope.QUERY,
    template="privacy/exports",
)
def exports(call: Call, form: ExportsForm) -> ExportsView:
    """Files with everything about a customer that are still kept, newest first."""
    page = service.exports(call.merchant_id, form)
    whose: dict[str, Any] = {"userId": form.user_id} if form.user_id else {}
    following = page.next_cursor
    wanted = {item.user_id for item in page.items} | ({form.user_id} if form.user_id else set())
    return ExportsView(
        **dict(page),
        user_id=form.user_id,
        people=people.names(call.merchant_id, wanted),
        next_url=url_for(LIST, cursor=following, **whose) if following else None,
        first_url=url_for(LIST, **whose) if form.cursor else None,
    )


@feature.post(
    api="/api/privacy/exports",
    page="/console/privacy/exports",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.PRIVACY_EXPORT,
    again="privacy.exports",
    see_other=lambda view: url_for("privacy.export.page", export_id=view.export_id),
    status=201,
)
def begin_export(call: Call, form: UserForm) -> ExportView:
    """Begin a ZIP file with everything about a customer; a small one is ready with the answer."""
    return service.ask(call.merchant_id, form.user_id, call.principal)


@feature.get(
    api="/api/privacy/exports/<export_id>",
    page="/console/privacy/exports/<export_id>",
    roles=OWNER,
    scope=Scope.QUERY,
    template="privacy/export",
)
def export(call: Call, form: ExportForm) -> ExportView:
    """How far a file with everything about a customer is."""
    return service.export_of(call.merchant_id, form.export_id)


@feature.get(
    api="/api/privacy/exports/<export_id>/file",
    page="/console/privacy/exports/<export_id>/file",
    roles=OWNER,
    scope=Scope.QUERY,
    media="application/zip",
)
def file(call: Call, form: ExportForm) -> Response:
    """The ZIP file of a finished export, with JSON and CSV."""
    content = service.take(call.merchant_id, form.export_id, call.principal)
    return _sent(content, "application/zip", f"{form.export_id}-{_today()}.zip")


def _sent(content: Iterator[Any], media: str, name: str) -> Response:
    response = Response(stream_with_context(content), mimetype=media)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _today() -> date:
    return utc_now().astimezone(zone()).date()


# --- words for pages ----------------------------------------------------------------------


@feature.word
def may_use_privacy() -> bool:
    """Whether the person who looks may export and erase."""
    who: Principal | None = principal()
    return who is not None and who.role is Role.OWNER


@feature.word
def export_state(view: ExportView) -> tuple[str, str]:
    """A state's word and tone."""
    return {
        ExportState.WAITING: (_("Waiting"), "pending"),
        ExportState.RUNNING: (_("Being made"), "info"),
        ExportState.READY: (_("Ready"), "success"),
        ExportState.FAILED: (_("Failed"), "danger"),
    }[view.state]


@feature.word
def customer_called(merchant_id: str, user_id: str) -> str:
    """The name of a customer for a heading; of one who has left what stands in its place."""
    return people.names(merchant_id, {user_id}).get(user_id, identity.masked(user_id[-4:]) or "")
