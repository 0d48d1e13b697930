"""The ledger to read: its entries, what each moved, and all of them as CSV."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from flask import Response, url_for
from pydantic import Field

from mealquest.core.principal import CASHIER
from mealquest.core.spreadsheet import local
from mealquest.tenancy import service as tenancy
from mealquest.wallet import service
from mealquest.wallet.booking import HOLDER, STORE
from mealquest.wallet.forms import EntryForm, LedgerForm
from mealquest.wallet.ledger import Bucket
from mealquest.wallet.models import EntryKind
from mealquest.wallet.replies import LedgerPage, LedgerRowView
from mealquest.wallet.top_up_views import top_up_methods
from mealquest.wallet.views import entry_label
from mealquest.web import lists, people
from mealquest.web.frame import Call, Face, Feature, Scope
from mealquest.web.lists import Listing
from mealquest.web.look import merchant, moment, zone
from mealquest.web.look import translate as _

feature = Feature("ledger")
PAGE = "ledger.ledger.page"
# Details of an entry that people can read, in this order; the rest is for programs.
TOLD = (
    "method",
    "externalTxnId",
    "refundTxnId",
    "refundId",
    "grantedBy",
    "campaignId",
    "expiredAt",
    "note",
)


class LedgerView(LedgerPage, Listing):
    """The list with what its page needs besides."""

    people: dict[str, str] = Field(default_factory=dict, exclude=True)
    balance: Decimal | None = Field(None, exclude=True)  # of the bucket asked for


class EntryView(LedgerRowView):
    """`partner_name`: the other store of an entry that stands in two books."""

    display_name: str
    partner_name: str | None = None


@feature.get(
    api="/api/payment/ledger",
    page="/console/ledger",
    roles=CASHIER,
    scope=Scope.QUERY,
    template="wallet/ledger",
)
def ledger(call: Call, form: LedgerForm) -> LedgerView:
    """Entries of the ledger by kind, customer and day, newest first; customers see their own."""
    page = service.ledger_page(call.merchant_id, form, call.principal)
    if call.face is Face.API:
        return LedgerView(**dict(page))
    following = page.page_info.next_cursor
    ids = {row.user_id for row in page.items} | ({page.user_id} if page.user_id else set())
    return LedgerView(
        **dict(page),
        **lists.links(call, form, PAGE, following, csv="ledger.ledger_csv.page"),
        people=people.names(call.merchant_id, ids),
        balance=_balance(call, page.user_id, form.bucket),
    )


def _balance(call: Call, user_id: str | None, bucket: Bucket | None) -> Decimal | None:
    if user_id is None or bucket is None:
        return None
    return service.balance_in(call.merchant_id, user_id, bucket)


@feature.get(
    api="/api/payment/ledger.csv",
    page="/console/ledger.csv",
    roles=lists.EXPORTERS,
    scope=Scope.QUERY,
    media="text/csv",
)
def ledger_csv(call: Call, form: LedgerForm) -> Response:
    """The ledger as a CSV file, all pages of it."""
    here = zone()
    header = [_("Time (%(zone)s)", zone=here.key), _("Entry"), _("Kind"), _("Customer id")]
    header += [_("Currency"), _("Amount"), _("Principal"), _("Bonus"), _("Change"), _("Payment")]
    facts = merchant()
    currency = facts.currency if facts else ""
    batches = service.every_entry(call.merchant_id, form, call.principal)
    rows: Iterator[Any] = (
        [
            [
                local(row.timestamp, here),
                row.txn_id,
                row.type,
                row.user_id,
                currency,
                row.amount,
                *service.all_moved(row),
                payment_of(row),
            ]
            for row in batch
        ]
        for batch in batches
    )
    return lists.csv_file(call, "ledger", form, header, rows)


@feature.get(
    api="/api/payment/ledger/<txn_id>",
    page="/console/ledger/<txn_id>",
    roles=CASHIER,
    scope=Scope.QUERY,
    template="wallet/entry",
)
def entry(call: Call, form: EntryForm) -> EntryView:
    """One entry with its postings; a customer sees own ones only, without postings."""
    row = service.entry(call.merchant_id, form.txn_id, call.principal)
    names = people.names(call.merchant_id, [row.user_id])
    partner = row.details.get(STORE) or row.details.get(HOLDER)
    stores = tenancy.public_names([partner]) if partner else {}
    return EntryView(
        **dict(row),
        display_name=names.get(row.user_id, row.user_id),
        partner_name=stores.get(partner, partner) if partner else None,
    )


@feature.word
def payment_of(row: LedgerRowView) -> str | None:
    """The payment an entry is about, if it is about one of this store."""
    if row.details.get(STORE):
        return None
    if row.type is EntryKind.PAYMENT:
        return row.txn_id
    found = row.details.get("paymentTxnId")
    return found if isinstance(found, str) else None


@feature.word
def entry_details(row: LedgerRowView) -> list[tuple[str, str]]:
    """What else an entry says, as label and text."""
    labels = {
        "method": _("Paid by"),
        "externalTxnId": _("Outside id"),
        "refundTxnId": _("Refund"),
        "refundId": _("Refund"),
        "grantedBy": _("Granted by"),
        "campaignId": _("Campaign"),
        "expiredAt": _("Expired"),
        "note": _("Note"),
    }
    told = ((labels[name], _told(name, row.details.get(name))) for name in TOLD)
    return [(label, value) for label, value in told if value]


def _told(name: str, value: Any) -> str:
    """A detail as people read it."""
    if name == "method":
        return str(dict(top_up_methods()).get(value, value or ""))
    if name == "expiredAt" and value:
        return moment(datetime.fromisoformat(value))
    return str(value or "")


@feature.word
def entry_kinds() -> list[tuple[str, str]]:
    """Every kind of entry, as options of a filter."""
    return [(kind.value, str(entry_label(kind))) for kind in EntryKind]


@feature.word
def bucket_name(bucket: str) -> str:
    return str(dict(bucket_names())[bucket])


@feature.word
def bucket_names() -> list[tuple[str, str]]:
    """What a wallet holds, as options of a filter."""
    return [
        (Bucket.PRINCIPAL.value, _("Principal")),
        (Bucket.BONUS.value, _("Bonus")),
        (Bucket.SILVER.value, _("Change")),
    ]


@feature.word
def moved_in(row: LedgerRowView, bucket: str) -> Decimal:
    """What an entry added to one of its customer's buckets; below zero when it took."""
    return service.moved(row, Bucket(bucket))


@feature.word
def bucket_url(user_id: str, bucket: str) -> str:
    """The entries that sum to what a customer has in a bucket."""
    return url_for(PAGE, userId=user_id, bucket=bucket)
