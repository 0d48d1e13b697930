"""Invoices in recovery on pages: the list, one of them, and what a merchant may do about it."""

from collections.abc import Iterator, Sequence
from typing import Any

from flask import Response, current_app, url_for

from mealquest.core.clock import iso_millis
from mealquest.core.principal import MANAGEMENT
from mealquest.recovery import case_pages, money_words
from mealquest.recovery.activity_forms import CaseForm, CasesForm
from mealquest.recovery.case_replies import CaseRowView, CaseView, ChangedCaseView
from mealquest.tenancy.service import Operation
from mealquest.web import lists
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.lists import Listing
from mealquest.web.look import translate as _

feature = Feature("recovery_cases")
PAGE = "/console/recovery/invoices"
CSV = [
    "invoice",
    "status",
    "closed",
    "amount",
    "currency",
    "decline",
    "reminders",
    "firstFailed",
    "nextAttempt",
    "nextReminder",
]


class CasesPage(Listing):
    items: list[CaseRowView]


def _to_case(view: ChangedCaseView) -> str:
    return url_for("recovery_cases.case.page", invoice_id=view.invoice_id)


@feature.get(page=PAGE, roles=MANAGEMENT, scope=Scope.QUERY, template="recovery/cases")
def cases(call: Call, form: CasesForm) -> CasesPage:
    """Invoices whose payment failed, the newest first; live."""
    found = case_pages.listed(call.merchant_id, form)
    here, csv = "recovery_cases.cases.page", "recovery_cases.cases_csv.page"
    around = lists.links(call, form, here, found.next_cursor, csv=csv)
    return CasesPage(items=found.items, **around)


@feature.get(page=f"{PAGE}.csv", roles=lists.EXPORTERS, media="text/csv")
def cases_csv(call: Call, form: CasesForm) -> Response:
    """The invoices in recovery as a CSV file."""
    rows = (_lines(batch) for batch in case_pages.every(call.merchant_id, form))
    return lists.csv_file(call, "recovery-invoices", form, CSV, rows)


@feature.get(
    page=f"{PAGE}/<invoice_id>", roles=MANAGEMENT, scope=Scope.QUERY, template="recovery/case"
)
def case(call: Call, form: CaseForm) -> CaseView:
    """One invoice: what is known, what comes next and why, and its timeline; live."""
    return case_pages.one(call.merchant_id, form.invoice_id)


@feature.post(
    page=f"{PAGE}/<invoice_id>/stop",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.RECOVERY_REMINDERS_STOP,
    see_other=_to_case,
    flash=lambda view: _("No more reminders of this invoice go out."),
)
def stop(call: Call, form: CaseForm) -> ChangedCaseView:
    """Send no more reminders of this invoice."""
    return case_pages.stop(call.merchant_id, form.invoice_id, call.principal)


@feature.post(
    page=f"{PAGE}/<invoice_id>/remind",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.RECOVERY_REMINDER_SEND,
    see_other=_to_case,
    flash=lambda view: _("The reminder goes out as soon as your rules allow it."),
)
def remind(call: Call, form: CaseForm) -> ChangedCaseView:
    """Make the reminder that waits due now."""
    return case_pages.hurry(call.merchant_id, form.invoice_id, call.principal)


def _lines(batch: Sequence[CaseRowView]) -> Iterator[list[Any]]:
    for one in batch:
        moments = (one.first_failed_at, one.next_payment_attempt, one.next_at)
        known = [iso_millis(moment) if moment else "" for moment in moments]
        amount = money_words.major(one.amount_due, one.currency)
        about = [one.invoice_id, one.status, one.closed_why or "", amount, one.currency.upper()]
        yield [*about, one.decline_code or one.decline_class or "", one.mails_sent, *known]


@feature.word
def charge_endpoint() -> str | None:
    """The page route that charges by hand, where this installation has one."""
    known = "charges.charge.page"
    return known if known in current_app.view_functions else None
