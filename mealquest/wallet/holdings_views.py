"""What customers hold, to read and to take along: wallets that hold something, and vouchers."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response
from pydantic import Field

from mealquest.core.clock import iso_millis
from mealquest.core.principal import CASHIER, MERCHANT
from mealquest.core.spreadsheet import local
from mealquest.core.wire import NoInput
from mealquest.wallet import service
from mealquest.wallet.domain import VoucherType
from mealquest.wallet.forms import VouchersForm, VoucherState, WalletsForm
from mealquest.wallet.replies import (
    KeeperView,
    OwedView,
    VoucherRowView,
    VouchersPage,
    WalletRowView,
    WalletsPage,
)
from mealquest.web import lists, people
from mealquest.web.frame import Call, Face, Feature, Scope
from mealquest.web.lists import Listing
from mealquest.web.look import merchant, zone
from mealquest.web.look import translate as _

feature = Feature("holdings")
WALLETS, VOUCHERS = "holdings.wallets.page", "holdings.vouchers.page"


class WalletsView(WalletsPage, Listing):
    """The list with what its page needs besides."""

    owed: OwedView | None = Field(None, exclude=True)  # on the first page
    keeper: KeeperView | None = Field(None, exclude=True)  # of the wallets that are used instead


class VouchersView(VouchersPage, Listing):
    """The list with what its page needs besides."""

    customer: str | None = Field(None, exclude=True)  # whose, when one was asked for
    until: datetime | None = Field(None, exclude=True)


@feature.get(
    api="/api/wallets",
    page="/console/wallets",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="wallet/wallets",
)
def wallets(call: Call, form: WalletsForm) -> WalletsView:
    """Every wallet that holds something: the entries that sum to what the shop owes."""
    page = service.wallets(call.merchant_id, form)
    if call.face is Face.API:
        return WalletsView(**dict(page))
    return WalletsView(
        **dict(page),
        **lists.links(call, form, WALLETS, page.next_cursor, csv="holdings.wallets_csv.page"),
        owed=None if form.cursor else service.all_owed(call.merchant_id),
        keeper=service.keeper_of(call.merchant_id),
    )


@feature.get(
    api="/api/wallets.csv",
    page="/console/wallets.csv",
    roles=lists.EXPORTERS,
    scope=Scope.QUERY,
    media="text/csv",
)
def wallets_csv(call: Call, form: NoInput) -> Response:
    """Every wallet that holds something, as a CSV file."""
    currency = _currency()
    header = [_("Customer"), _("Customer id"), _("Currency"), _("Principal"), _("Bonus")]
    header += [_("Change"), _("Held principal"), _("Held bonus"), _("Held change")]
    rows: Iterator[Any] = (
        [_wallet_cells(row, currency) for row in batch]
        for batch in service.every_wallet(call.merchant_id)
    )
    return lists.csv_file(call, "wallets", WalletsForm(), header, rows)


def _wallet_cells(row: WalletRowView, currency: str) -> list[Any]:
    wallet, held = row.wallet, row.wallet.held
    sums = [wallet.principal, wallet.bonus, wallet.silver]
    return [
        row.display_name,
        row.user_id,
        currency,
        *sums,
        held.principal,
        held.bonus,
        held.silver,
    ]


@feature.get(
    api="/api/vouchers",
    page="/console/vouchers",
    roles=CASHIER,
    scope=Scope.QUERY,
    template="wallet/vouchers",
)
def vouchers(call: Call, form: VouchersForm) -> VouchersView:
    """Vouchers by state, kind, customer and expiry; customers see their own."""
    page = service.vouchers(call.merchant_id, form, call.principal)
    if call.face is Face.API:
        return VouchersView(**dict(page))
    names = people.names(call.merchant_id, [form.user_id]) if form.user_id else {}
    return VouchersView(
        **dict(page),
        **lists.links(call, form, VOUCHERS, page.next_cursor, csv="holdings.vouchers_csv.page"),
        customer=names.get(form.user_id or "", form.user_id),
        until=form.until,
    )


@feature.get(
    api="/api/vouchers.csv",
    page="/console/vouchers.csv",
    roles=lists.EXPORTERS,
    scope=Scope.QUERY,
    media="text/csv",
)
def vouchers_csv(call: Call, form: VouchersForm) -> Response:
    """The list of vouchers as a CSV file, all pages of it."""
    here, currency = zone(), _currency()
    times = [_("Expires (%(zone)s)", zone=here.key), _("Given (%(zone)s)", zone=here.key)]
    header = [*times, _("Voucher"), _("Voucher id"), _("Kind"), _("State"), _("Customer")]
    header += [_("Customer id"), _("Currency"), _("Value"), _("From order"), _("Rate")]
    header += [_("Payment")]
    batches = service.every_voucher(call.merchant_id, form, call.principal)
    rows: Iterator[Any] = (
        [_voucher_cells(row, here, currency) for row in batch] for batch in batches
    )
    return lists.csv_file(call, "vouchers", form, header, rows)


def _voucher_cells(row: VoucherRowView, here: ZoneInfo, currency: str) -> list[Any]:
    voucher = row.voucher
    times = [local(voucher.expires_at, here), local(row.created_at, here)]
    what = [voucher.name, voucher.id, voucher.type, voucher.status]
    worth = [currency, voucher.value, voucher.min_spend, voucher.discount_rate]
    return [*times, *what, row.display_name, row.user_id, *worth, row.payment_txn_id]


def _currency() -> str:
    facts = merchant()
    return facts.currency if facts else ""


@feature.word
def voucher_types() -> list[tuple[str, str]]:
    """Every kind of voucher, as options of a filter."""
    return [
        (VoucherType.ITEM_WARRANT.value, _("For a dish")),
        (VoucherType.NO_THRESHOLD_VOUCHER.value, _("For any order")),
        (VoucherType.DISCOUNT_CARD.value, _("Percentage off")),
    ]


@feature.word
def voucher_states() -> list[tuple[str, str]]:
    """Every state of a voucher, as options of a filter."""
    return [
        (VoucherState.ACTIVE.value, _("Can be used")),
        (VoucherState.HELD.value, _("Held for a payment")),
        (VoucherState.USED.value, _("Used")),
        (VoucherState.EXPIRED.value, _("Expired")),
        (VoucherState.WITHDRAWN.value, _("Taken back")),
        (VoucherState.ALL.value, _("All")),
    ]


@feature.word
def wire_moment(moment: datetime) -> str:
    """A moment as a filter in an address takes it."""
    return iso_millis(moment)
