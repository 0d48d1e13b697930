"""What customers owe after refunds: the list, and noting that it was paid or given up."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, url_for
from pydantic import Field

from mealquest.core.principal import MANAGEMENT, MERCHANT
from mealquest.core.spreadsheet import local
from mealquest.payments import service
from mealquest.payments.domain import ReceivableState, SettleMethod
from mealquest.payments.refund_forms import ReceivableIdForm, ReceivablesForm, SettleForm
from mealquest.payments.refund_replies import ReceivablesPage, ReceivableView
from mealquest.tenancy.service import Operation
from mealquest.web import lists, people
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.lists import Listing
from mealquest.web.look import money, principal, zone
from mealquest.web.look import translate as _

feature = Feature("payments")


class ReceivablesView(ReceivablesPage, Listing):
    customer: str | None = Field(None, exclude=True)


@feature.get(
    api="/api/receivables",
    page="/console/receivables",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="payments/receivables",
)
def receivables(call: Call, form: ReceivablesForm) -> ReceivablesView:
    """What customers owe after refunds, newest first."""
    page = service.receivables.listed(call.merchant_id, form)
    named = people.names(call.merchant_id, [form.user_id]) if form.user_id else {}
    return ReceivablesView(
        **dict(page),
        **lists.links(
            call,
            form,
            "payments.receivables.page",
            page.next_cursor,
            csv="payments.receivables_csv.page",
        ),
        customer=named.get(form.user_id or "", form.user_id),
    )


@feature.get(
    api="/api/receivables.csv",
    page="/console/receivables.csv",
    roles=lists.EXPORTERS,
    scope=Scope.QUERY,
    media="text/csv",
)
def receivables_csv(call: Call, form: ReceivablesForm) -> Response:
    """The list of what customers owe as a CSV file, all pages of it."""
    here = zone()
    header = [_("Time (%(zone)s)", zone=here.key), _("Number"), _("Customer"), _("Customer id")]
    header += [_("Payment"), _("Refund"), _("State"), _("Currency"), _("Amount"), _("Paid")]
    header += [_("Given up"), _("Still owed"), _("Closed by")]
    batches = service.receivables.every(call.merchant_id, form)
    rows: Iterator[Any] = ([_owed_cells(row, here) for row in batch] for batch in batches)
    return lists.csv_file(call, "receivables", form, header, rows)


def _owed_cells(row: ReceivableView, here: ZoneInfo) -> list[Any]:
    who = [row.receivable_id, row.display_name, row.user_id, row.payment_txn_id]
    sums = [row.amount, row.settled_amount, row.written_off_amount, row.open_amount]
    what = [row.refund_txn_id, row.state, row.currency]
    return [local(row.created_at, here), *who, *what, *sums, row.settled_by]


@feature.get(
    api="/api/receivables/<receivable_id>",
    page="/console/receivables/<receivable_id>",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="payments/receivable",
)
def receivable(call: Call, form: ReceivableIdForm) -> ReceivableView:
    """What one customer owes for one refund."""
    return service.receivables.one(call.merchant_id, form.receivable_id)


@feature.post(
    api="/api/receivables/<receivable_id>/settle",
    page="/console/receivables/<receivable_id>/settle",
    roles=MERCHANT,
    scope=Scope.BODY,
    gate=Operation.RECEIVABLE_SETTLE,
    idempotent=True,
    again="payments.receivable",
    see_other=lambda view: url_for("payments.receivable.page", receivable_id=view.receivable_id),
    flash=lambda view: _("Noted. %(sum)s is still owed.", sum=money(view.open_amount)),
)
def settle(call: Call, form: SettleForm) -> ReceivableView:
    """Note that a customer paid what they owe, or (managers, owners) that it is given up."""
    return service.receivables.settle(call.merchant_id, form, call.principal, call.keyed)


@feature.word
def owed_state(state: ReceivableState) -> tuple[str, str]:
    """What a receivable's state is called, and the tone of its badge."""
    return {
        ReceivableState.OPEN: (_("Still owed"), "warning"),
        ReceivableState.SETTLED: (_("Paid"), "success"),
        ReceivableState.WRITTEN_OFF: (_("Given up"), "neutral"),
    }[state]


@feature.word
def owed_states() -> list[tuple[str, str]]:
    return [(state.value, owed_state(state)[0]) for state in ReceivableState]


@feature.word
def settle_methods() -> list[tuple[str, str]]:
    """How whoever looks at the page may close a receivable."""
    words = {
        SettleMethod.CASH: _("Paid in cash"),
        SettleMethod.CARD: _("Paid by card"),
        SettleMethod.TRANSFER: _("Paid by transfer"),
        SettleMethod.OTHER: _("Paid otherwise"),
        SettleMethod.WRITE_OFF: _("Given up"),
    }
    who = principal()
    manages = who is not None and who.role in MANAGEMENT
    allowed = [m for m in SettleMethod if manages or m is not SettleMethod.WRITE_OFF]
    return [(method.value, words[method]) for method in allowed]
