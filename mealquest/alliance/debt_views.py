"""What stores owe each other: the daily statement, and one page to settle with a partner."""

from collections.abc import Iterator
from typing import Any

from flask import Response, url_for

from mealquest.alliance import service
from mealquest.alliance.debt_forms import DaysForm, LimitForm, SettleForm, StoreIdForm
from mealquest.alliance.debt_replies import (
    DayView,
    DebtsView,
    LimitView,
    LineView,
    PartnerDebtView,
    PositionView,
    SettledView,
)
from mealquest.core.principal import MERCHANT, Role
from mealquest.tenancy.service import Operation
from mealquest.wallet.service import EntryKind, SettlementKind
from mealquest.web import lists
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.lists import Listing
from mealquest.web.look import money
from mealquest.web.look import translate as _

feature = Feature("debts")
PAGE = "debts.debts.page"
OWNER = frozenset({Role.OWNER})


class StatementView(DebtsView, Listing):
    """The statement with what its page needs besides."""


@feature.get(
    api="/api/merchant/alliance/settlement",
    page="/console/alliance/settlement",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="alliance/debts",
)
def debts(call: Call, form: DaysForm) -> StatementView:
    """What this store and its partners owe each other, and the daily statement."""
    page = service.debts(call.merchant_id, form)
    listed = lists.links(call, form, PAGE, page.next_cursor, csv="debts.debts_csv.page")
    return StatementView(**dict(page), **listed)


@feature.get(
    api="/api/merchant/alliance/settlement.csv",
    page="/console/alliance/settlement.csv",
    roles=lists.EXPORTERS,
    scope=Scope.QUERY,
    media="text/csv",
)
def debts_csv(call: Call, form: DaysForm) -> Response:
    """The daily statement as a CSV file: a line for each kind of movement of each day."""
    header = [_("Day"), _("Partner"), _("Partner id"), _("Currency"), _("Owed by you at first")]
    header += [_("What moved"), _("Entries"), _("Owed by you"), _("Owed to you")]
    header += [_("Owed by you at last"), _("Closed")]
    batches = service.every_day(call.merchant_id, form)
    rows: Iterator[Any] = (
        [_cells(day, line) for day in batch for line in day.lines] for batch in batches
    )
    return lists.csv_file(call, "settlement", form, header, rows)


def _cells(day: DayView, line: LineView) -> list[Any]:
    of_day = [day.day.isoformat(), day.name, day.partner_id, day.currency, day.opening]
    what = [moved_between(line.kind), line.count, line.owes, line.owed]
    return [*of_day, *what, day.closing, _("yes") if day.is_closed else _("no")]


@feature.get(
    api="/api/merchant/alliance/settlement/<store_id>",
    page="/console/alliance/settlement/<store_id>",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="alliance/partner",
)
def with_partner(call: Call, form: StoreIdForm) -> PartnerDebtView:
    """Everything between this store and one partner."""
    return service.with_partner(call.merchant_id, form.store_id)


@feature.post(
    api="/api/merchant/alliance/settlement/<store_id>/settle",
    page="/console/alliance/settlement/<store_id>/settle",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.ALLIANCE_SETTLE,
    idempotent=True,
    again="debts.with_partner",
    see_other=lambda view: url_for("debts.with_partner.page", store_id=view.partner_id),
    flash=lambda view: _("Noted. %(sum)s is still owed.", sum=money(view.still_owed)),
)
def settle(call: Call, form: SettleForm) -> SettledView:
    """Note that a partner paid what it owes, or that it is given up."""
    return service.settle(call.merchant_id, form, call.principal, call.keyed)


@feature.post(
    api="/api/merchant/alliance/settlement/<store_id>/limit",
    page="/console/alliance/settlement/<store_id>/limit",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.ALLIANCE_LIMIT_SET,
    again="debts.with_partner",
    see_other=lambda view: url_for("debts.with_partner.page", store_id=view.partner_id),
    flash=lambda view: (
        _("The limit holds from now on.")
        if view.limit is not None
        else _("There is no limit any more.")
    ),
)
def set_limit(call: Call, form: LimitForm) -> LimitView:
    """Say how much a partner may owe this store at most."""
    return service.set_limit(call.merchant_id, form, call.principal)


@feature.word
def moved_between(kind: EntryKind) -> str:
    """What entries of a kind are, between stores."""
    return {
        EntryKind.PAYMENT: _("Payments"),
        EntryKind.PAYMENT_EXTERNAL_CONFIRM: _("Payments, in part from outside"),
        EntryKind.REFUND: _("Refunds"),
        EntryKind.TOP_UP: _("Top-ups"),
        EntryKind.CAMPAIGN_GRANT: _("Campaign gifts"),
        EntryKind.WALLET_MOVED: _("Balances moved into the shared wallet"),
        EntryKind.RECEIVABLE_SETTLED: _("Owed by customers, settled"),
        EntryKind.SETTLEMENT: _("Paid between the stores"),
        EntryKind.SETTLEMENT_WRITTEN_OFF: _("Given up"),
    }.get(kind, _("Other movements"))


@feature.word
def settlement_word(kind: SettlementKind, is_creditor: bool) -> str:
    """What a settlement was, seen from this store."""
    if kind is SettlementKind.PAID:
        return _("You received it") if is_creditor else _("The partner received it from you")
    return _("You gave it up") if is_creditor else _("The partner gave it up")


@feature.word
def partner_choices(positions: list[PositionView]) -> list[tuple[str, str]]:
    return [(one.partner_id, one.name) for one in positions]
