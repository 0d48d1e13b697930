"""What moved, as lists: the entries of the ledger, and the top-ups that staff took."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.core.paging import EXPORT_BATCH, Keyset, Span, batches, cut, span_of_days
from mealquest.core.principal import Principal, Role
from mealquest.core.wire import PageInfo
from mealquest.identity import service as identity
from mealquest.identity.service import ShownCustomer, UserScopeDenied
from mealquest.tenancy import service as tenancy
from mealquest.wallet import ledger, list_queries
from mealquest.wallet.errors import EntryNotFound
from mealquest.wallet.forms import LedgerForm, SpanForm, TopUpsForm
from mealquest.wallet.ledger import Bucket, wallet_account
from mealquest.wallet.models import EntryKind, TopUpMethod
from mealquest.wallet.replies import (
    LedgerPage,
    LedgerRowView,
    PostingView,
    TopUpRowView,
    TopUpsPage,
    TopUpSumsView,
    TopUpSumView,
    major,
)

LONGEST_SUM = timedelta(days=31)  # top-ups are summed up over at most so many days


def whose(merchant_id: str, user_id: str | None, by: Principal) -> str | None:
    """Whose rows are wanted; None for everybody's. UserScopeDenied: those of another customer.

    Somebody who has left may be named by the id that stands in their rows.
    """
    if by.role is Role.CUSTOMER:
        if user_id and user_id != by.subject:
            raise UserScopeDenied
        return by.subject
    return identity.named_user_id(merchant_id, user_id) if user_id else None


def span_of(form: SpanForm, time_zone: str) -> Span:
    days = span_of_days(form.from_day, form.to_day, ZoneInfo(time_zone))
    return days.within(form.since, form.until)


def customers_of(
    session: Session, merchant_id: str, ids: Iterable[str]
) -> dict[str, ShownCustomer]:
    """How rows show these customers, also those who have left."""
    return dict(identity.shown_customers(session, merchant_id, set(ids)))


# --- the ledger ---------------------------------------------------------------------------


def ledger_page(merchant_id: str, form: LedgerForm, by: Principal) -> LedgerPage:
    """Entries of the ledger; a customer sees own ones only.

    Raises UserScopeDenied: somebody else's; Invalid: not a cursor of ours.
    """
    items, following = _entries(merchant_id, form, by, form.cursor, form.limit)
    info = PageInfo(limit=form.limit, has_more=following is not None, next_cursor=following)
    asked = by.subject if by.role is Role.CUSTOMER else form.user_id
    return LedgerPage(merchant_id=merchant_id, user_id=asked, items=items, page_info=info)


def every_entry(
    merchant_id: str, form: LedgerForm, by: Principal
) -> Iterator[Sequence[LedgerRowView]]:
    """All entries of the filter, in batches that are read as they are asked for."""
    return batches(lambda cursor: _entries(merchant_id, form, by, cursor, EXPORT_BATCH))


def entry(merchant_id: str, txn_id: str, by: Principal) -> LedgerRowView:
    """EntryNotFound: no such entry at this merchant, or not of the customer who asks."""
    with transaction(merchant_id) as session:
        row = list_queries.entry(session, merchant_id, txn_id)
        if row is None or (by.role is Role.CUSTOMER and row.customer_id != by.subject):
            raise EntryNotFound
        shown = _ids_shown(session, merchant_id, [row])
        notes = _notes(session, merchant_id, [row], by)
    return _entry(merchant_id, row, shown[row.customer_id], by, notes)


def balance_in(merchant_id: str, user_id: str, bucket: Bucket) -> Decimal:
    """What all entries of a customer left in one of the buckets."""
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        account = wallet_account(identity.named_user_id(merchant_id, user_id), bucket)
        return major(ledger.balance_of(session, merchant_id, account), currency)


def moved(row: LedgerRowView, bucket: Bucket) -> Decimal:
    """What an entry added to one of its customer's buckets; below zero when it took."""
    account = wallet_account(row.user_id, bucket)
    postings = row.postings or ()
    into = sum((p.amount for p in postings if p.destination == account), Decimal(0))
    return into - sum((p.amount for p in postings if p.source == account), Decimal(0))


def all_moved(row: LedgerRowView) -> list[Decimal]:
    """As `moved`, for every bucket."""
    return [moved(row, bucket) for bucket in Bucket]


def _entries(
    merchant_id: str, form: LedgerForm, by: Principal, cursor: str | None, limit: int
) -> tuple[list[LedgerRowView], str | None]:
    after = Keyset.decode(cursor) if cursor else None
    customer_id = whose(merchant_id, form.user_id, by)
    bucket = form.bucket if customer_id else None
    account = wallet_account(customer_id, bucket) if customer_id and bucket else None
    with transaction(merchant_id) as session:
        span = span_of(form, _zone(session, merchant_id, form))
        wanted = list_queries.ledger_conditions(customer_id, form.type, account, span)
        rows = list_queries.entries(session, merchant_id, wanted, form.order, after, limit + 1)
        shown, following = cut(rows, limit, lambda row: Keyset(row.created_at, row.id).encode())
        ids = _ids_shown(session, merchant_id, shown)
        notes = _notes(session, merchant_id, shown, by)
    return [_entry(merchant_id, row, ids[row.customer_id], by, notes) for row in shown], following


def _notes(
    session: Session, merchant_id: str, rows: Sequence[Any], by: Principal
) -> dict[str, str]:
    """What was noted by hand, by entry; for staff, and gone with the customer."""
    noted = [row for row in rows if ledger.NOTE in row.details]
    if not noted or by.role is Role.CUSTOMER:
        return {}
    keys = identity.personal_keys(session, merchant_id, {row.customer_id for row in noted})
    opened = {
        row.id: keys[row.customer_id].open(row.details[ledger.NOTE], ledger.note_place(row.id))
        for row in noted
    }
    return {entry_id: note for entry_id, note in opened.items() if note}


def _ids_shown(session: Session, merchant_id: str, rows: Sequence[Any]) -> dict[str, str]:
    """By what id each row's customer is told: no name has to be opened for it."""
    ids = sorted({row.customer_id for row in rows})
    gone = list_queries.who_cancelled(session, merchant_id, ids)
    return {
        user_id: identity.anonymous_user_id(merchant_id, user_id) if user_id in gone else user_id
        for user_id in ids
    }


def _zone(session: Session, merchant_id: str, form: SpanForm) -> str:
    """Read only where days have to be told apart."""
    if not (form.from_day or form.to_day):
        return "UTC"
    return tenancy.settings_of(session, merchant_id).time_zone


def _entry(
    merchant_id: str, row: Any, user_id: str, by: Principal, notes: Mapping[str, str]
) -> LedgerRowView:
    """The accounts of somebody who has left go by the id that stands in their rows."""
    currency = Currency(row.currency)
    details = {name: said for name, said in row.details.items() if name != ledger.NOTE}
    if row.id in notes:
        details["note"] = notes[row.id]
    own, shown = f"wallet:{row.customer_id}:", f"wallet:{user_id}:"
    postings = [
        PostingView(
            source=source.replace(own, shown),
            destination=destination.replace(own, shown),
            amount=major(minor, currency),
        )
        for source, destination, minor in row.postings or ()
    ]
    return LedgerRowView(
        txn_id=row.id,
        merchant_id=merchant_id,
        user_id=user_id,
        type=EntryKind(row.kind),
        amount=major(row.amount_minor, currency),
        details=details,
        timestamp=row.created_at,
        postings=None if by.role is Role.CUSTOMER else postings,
    )


# --- top-ups ------------------------------------------------------------------------------


def top_ups_page(merchant_id: str, form: TopUpsForm) -> TopUpsPage:
    """Top-ups by method, customer, day and who took them. Invalid: not a cursor of ours."""
    items, following = _top_ups(merchant_id, form, form.cursor, form.limit)
    return TopUpsPage(items=items, next_cursor=following)


def every_top_up(merchant_id: str, form: TopUpsForm) -> Iterator[Sequence[TopUpRowView]]:
    """All top-ups of the filter, in batches that are read as they are asked for."""
    return batches(lambda cursor: _top_ups(merchant_id, form, cursor, EXPORT_BATCH))


def top_up_sums(merchant_id: str, form: TopUpsForm) -> TopUpSumsView:
    """What came in by each method over the days of the filter, its method left out.

    Without a day at either end, or over more than a month, today's.
    """
    with transaction(merchant_id) as session:
        settings = tenancy.settings_of(session, merchant_id)
        first, last = _summed(form, ZoneInfo(settings.time_zone))
        span = span_of_days(first, last, ZoneInfo(settings.time_zone))
        whom = form.user_id and identity.named_user_id(merchant_id, form.user_id)
        wanted = list_queries.top_up_conditions(whom, None, form.taken_by, span)
        rows = list_queries.top_up_sums(session, merchant_id, wanted)
    found = {TopUpMethod(row.method): row for row in rows}
    items = [
        TopUpSumView(
            method=method,
            count=found[method].count,
            paid=major(found[method].paid, settings.currency),
            bonus=major(found[method].bonus, settings.currency),
        )
        for method in TopUpMethod
        if method in found
    ]
    return TopUpSumsView(from_day=first, to_day=last, items=items)


def _summed(form: TopUpsForm, zone: ZoneInfo) -> tuple[date, date]:
    first, last = form.from_day, form.to_day
    if first and last and timedelta() <= last - first < LONGEST_SUM:
        return first, last
    today = utc_now().astimezone(zone).date()
    return today, today


def _top_ups(
    merchant_id: str, form: TopUpsForm, cursor: str | None, limit: int
) -> tuple[list[TopUpRowView], str | None]:
    after = Keyset.decode(cursor) if cursor else None
    with transaction(merchant_id) as session:
        settings = tenancy.settings_of(session, merchant_id)
        span = span_of(form, settings.time_zone)
        whom = form.user_id and identity.named_user_id(merchant_id, form.user_id)
        wanted = list_queries.top_up_conditions(whom, form.method, form.taken_by, span)
        rows = list_queries.top_ups(session, merchant_id, wanted, form.order, after, limit + 1)
        shown, following = cut(rows, limit, lambda row: Keyset(row.created_at, row.id).encode())
        people = customers_of(session, merchant_id, (row.customer_id for row in shown))
    return [_top_up(row, people[row.customer_id], settings.currency) for row in shown], following


def _top_up(row: Any, customer: ShownCustomer, currency: Currency) -> TopUpRowView:
    return TopUpRowView(
        top_up_id=row.id,
        txn_id=row.entry_id,
        user_id=customer.user_id,
        display_name=customer.display_name,
        amount=major(row.amount_minor, currency),
        bonus=major(row.bonus_minor, currency),
        method=TopUpMethod(row.method),
        note=row.note,
        taken_by=row.taken_by,
        timestamp=row.created_at,
    )
