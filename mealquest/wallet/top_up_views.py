"""The top-ups that staff took: to read, to sum up at the end of a day, to take along as CSV."""

from collections.abc import Iterator
from typing import Any

from flask import Response, url_for
from pydantic import Field

from mealquest.core.principal import MERCHANT
from mealquest.core.spreadsheet import local
from mealquest.wallet import service
from mealquest.wallet.forms import TopUpsForm
from mealquest.wallet.models import TopUpMethod
from mealquest.wallet.replies import TopUpRowView, TopUpsPage, TopUpSumsView, TopUpSumView
from mealquest.web import lists, people
from mealquest.web.frame import Call, Face, Feature, Scope
from mealquest.web.lists import Listing
from mealquest.web.look import merchant, zone
from mealquest.web.look import translate as _

feature = Feature("top_ups")
PAGE = "top_ups.top_ups.page"


class TopUpsView(TopUpsPage, Listing):
    """The list with what its page needs besides."""

    people: dict[str, str] = Field(default_factory=dict, exclude=True)
    staff: list[tuple[str, str]] = Field(default_factory=list, exclude=True)
    sums: TopUpSumsView | None = Field(None, exclude=True)
    customer: str | None = Field(None, exclude=True)  # whose, when one was asked for
    taken_by: str | None = Field(None, exclude=True)


@feature.get(
    api="/api/wallet/top-ups",
    page="/console/top-ups",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="wallet/top_ups",
)
def top_ups(call: Call, form: TopUpsForm) -> TopUpsView:
    """Top-ups by method, customer, day and who took them, newest first."""
    page = service.top_ups_page(call.merchant_id, form)
    if call.face is Face.API:
        return TopUpsView(**dict(page))
    asked = {form.user_id} if form.user_id else set()
    known = people.directory(call.merchant_id, {row.taken_by for row in page.items} | asked)
    return TopUpsView(
        **dict(page),
        **lists.links(call, form, PAGE, page.next_cursor, csv="top_ups.top_ups_csv.page"),
        people=known.names,
        staff=known.staff,
        sums=service.top_up_sums(call.merchant_id, form),
        customer=known.names.get(form.user_id or "", form.user_id),
        taken_by=form.taken_by,
    )


@feature.get(
    api="/api/wallet/top-ups.csv",
    page="/console/top-ups.csv",
    roles=lists.EXPORTERS,
    scope=Scope.QUERY,
    media="text/csv",
)
def top_ups_csv(call: Call, form: TopUpsForm) -> Response:
    """The list of top-ups as a CSV file, all pages of it."""
    here = zone()
    header = [_("Time (%(zone)s)", zone=here.key), _("Top-up"), _("Customer"), _("Customer id")]
    header += [_("Paid by"), _("Currency"), _("Amount"), _("Bonus"), _("Taken by"), _("Note")]
    header += [_("Entry")]
    facts = merchant()
    currency = facts.currency if facts else ""
    batches = service.every_top_up(call.merchant_id, form)
    rows: Iterator[Any] = (
        [_cells(row, local(row.timestamp, here), currency) for row in batch] for batch in batches
    )
    return lists.csv_file(call, "top-ups", form, header, rows)


def _cells(row: TopUpRowView, when: str, currency: str) -> list[Any]:
    who = [row.top_up_id, row.display_name, row.user_id]
    sums = [currency, row.amount, row.bonus]
    return [when, *who, row.method, *sums, row.taken_by, row.note, row.txn_id]


@feature.word
def top_up_method(method: TopUpMethod) -> str:
    return {
        TopUpMethod.CASH: _("Cash"),
        TopUpMethod.CARD: _("Card"),
        TopUpMethod.TRANSFER: _("Transfer"),
        TopUpMethod.OTHER: _("Other"),
    }[method]


@feature.word
def top_up_methods() -> list[tuple[str, str]]:
    """Every way to pay in, as options of a filter."""
    return [(method.value, top_up_method(method)) for method in TopUpMethod]


@feature.word
def top_up_sum_url(view: TopUpsView, form: Any, row: TopUpSumView) -> str:
    """The top-ups that sum to what came in by one method."""
    sums = view.sums
    return url_for(
        PAGE,
        method=row.method,
        fromDay=sums.from_day if sums else None,
        toDay=sums.to_day if sums else None,
        userId=form.value("userId") or None,
        takenBy=form.value("takenBy") or None,
    )
