"""Addresses that get no more mail, without their addresses: managers see and change it."""

from flask import url_for
from pydantic import Field

from mealquest.core.principal import MANAGEMENT
from mealquest.recovery import suppressions
from mealquest.recovery.suppression_forms import SuppressForm, SuppressionForm, SuppressionsForm
from mealquest.recovery.suppression_replies import SuppressionsView, SuppressionView
from mealquest.recovery.suppressions import Why
from mealquest.tenancy.service import Operation
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import translate as _

feature = Feature("suppressions")
PAGE = "/console/recovery/suppressions"
GATE = Operation.RECOVERY_SUPPRESSION_SET


class SuppressionsPage(SuppressionsView):
    next_url: str | None = Field(None, exclude=True)


def _page_again(_view: object) -> str:
    return url_for("suppressions.suppressions_list.page")


@feature.get(
    api="/api/recovery/suppressions",
    page=PAGE,
    roles=MANAGEMENT,
    scope=Scope.QUERY,
    template="recovery/suppressions",
)
def suppressions_list(call: Call, form: SuppressionsForm) -> SuppressionsPage:
    """Who gets no more reminders, newest first. Only a keyed hash of each address is kept."""
    found = suppressions.suppressions(call.merchant_id, form)
    after = found.next_cursor
    more = url_for("suppressions.suppressions_list.page", cursor=after) if after else None
    return SuppressionsPage(**dict(found), next_url=more)


@feature.post(
    api="/api/recovery/suppressions",
    page=PAGE,
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=GATE,
    again="suppressions.suppressions_list",
    see_other=_page_again,
    flash=lambda _view: _("This address gets no more reminders."),
    status=201,
)
def add(call: Call, form: SuppressForm) -> SuppressionView:
    """Send an address no more reminders."""
    return suppressions.add(call.merchant_id, form, call.principal)


@feature.delete(
    api="/api/recovery/suppressions/<address_hash>",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=GATE,
)
def remove(call: Call, form: SuppressionForm) -> SuppressionView:
    """Let an address be written to again."""
    return suppressions.remove(call.merchant_id, form.address_hash, call.principal)


@feature.post(
    page=f"{PAGE}/<address_hash>/remove",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=GATE,
    see_other=_page_again,
    flash=lambda _view: _("This address may be written to again."),
)
def remove_by_page(call: Call, form: SuppressionForm) -> SuppressionView:
    """Let an address be written to again, from the page, where a browser can only post."""
    return suppressions.remove(call.merchant_id, form.address_hash, call.principal)


@feature.word
def suppressed_why(why: str) -> str:
    words = {
        Why.UNSUBSCRIBED: _("Refused by its reader"),
        Why.BOUNCED: _("Mails come back"),
        Why.COMPLAINED: _("Reported as spam"),
        Why.BY_MERCHANT: _("Added by the shop"),
    }
    return {reason.value: text for reason, text in words.items()}.get(why, why)
