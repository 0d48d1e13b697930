"""What a merchant's customers hold, all together and one by one: balances and vouchers."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.core.paging import EXPORT_BATCH, Keyset, Order, batches, cut
from mealquest.core.principal import Principal
from mealquest.identity.service import ShownCustomer
from mealquest.tenancy import service as tenancy
from mealquest.wallet import list_queries, sharing
from mealquest.wallet.books import customers_of, span_of, whose
from mealquest.wallet.domain import Balances, VoucherFacts, VoucherStatus, VoucherType
from mealquest.wallet.forms import VoucherOrder, VouchersForm, WalletsForm
from mealquest.wallet.replies import (
    OwedView,
    VoucherRowView,
    VouchersPage,
    VoucherView,
    WalletRowView,
    WalletsPage,
    WalletView,
    major,
)

_OWED = text(
    """
    SELECT CAST(coalesce(sum(principal_minor), 0) AS bigint),
           CAST(coalesce(sum(bonus_minor), 0) AS bigint),
           CAST(coalesce(sum(silver_minor), 0) AS bigint),
           count(*) FILTER (WHERE principal_minor + bonus_minor + silver_minor > 0)
      FROM wallets WHERE merchant_id = :merchant
    """
)
_EXPIRING = text(
    """
    SELECT count(*) FROM vouchers
     WHERE merchant_id = :merchant AND status = 'ACTIVE'
       AND expires_at > now() AND expires_at < :until
    """
)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def owed(session: Session, merchant_id: str, currency: Currency) -> OwedView:
    """The sum of all balances; bonus still holds lots that expired and were not swept yet."""
    row = session.execute(_OWED, {"merchant": merchant_id}).one()
    return OwedView(
        principal=major(row[0], currency),
        bonus=major(row[1], currency),
        silver=major(row[2], currency),
        wallets=row[3],
    )


def all_owed(merchant_id: str) -> OwedView:
    """As `owed`, in a transaction of its own."""
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        return owed(session, merchant_id, currency)


def expiring_vouchers(session: Session, merchant_id: str, until: datetime) -> int:
    """Vouchers that can be used now and expire until then."""
    return int(session.execute(_EXPIRING, {"merchant": merchant_id, "until": until}).scalar_one())


def wallets(merchant_id: str, form: WalletsForm) -> WalletsPage:
    """Wallets that hold something, by customer: the entries that sum to what is owed."""
    rows, next_cursor = _wallets(merchant_id, form.cursor, form.limit)
    return WalletsPage(items=rows, next_cursor=next_cursor)


def every_wallet(merchant_id: str) -> Iterator[Sequence[WalletRowView]]:
    """All of them, in batches that are read as they are asked for."""
    return batches(lambda cursor: _wallets(merchant_id, cursor, EXPORT_BATCH))


def vouchers(merchant_id: str, form: VouchersForm, by: Principal) -> VouchersPage:
    """Vouchers by state, in order of expiry; a customer sees own ones only.

    Of one customer those they can use at this store, also where another one keeps their wallet; of
    all customers those that this store keeps.

    Raises UserScopeDenied: somebody else's; Invalid: not a cursor of ours.
    """
    rows, next_cursor = _vouchers(merchant_id, form, by, form.cursor, form.limit)
    return VouchersPage(items=rows, next_cursor=next_cursor)


def every_voucher(
    merchant_id: str, form: VouchersForm, by: Principal
) -> Iterator[Sequence[VoucherRowView]]:
    """All vouchers of the filter, in batches that are read as they are asked for."""
    return batches(lambda cursor: _vouchers(merchant_id, form, by, cursor, EXPORT_BATCH))


def _wallets(
    merchant_id: str, cursor: str | None, limit: int
) -> tuple[list[WalletRowView], str | None]:
    after = Keyset.decode(cursor).id if cursor else ""
    with transaction(merchant_id) as session:
        rows = list_queries.wallets(session, merchant_id, after, limit + 1)
        shown, following = cut(rows, limit, lambda row: Keyset(LONG_AGO, row[0]).encode())
        people = customers_of(session, merchant_id, (row[0] for row in shown))
    return [_wallet(row, people[row[0]]) for row in shown], following


def _vouchers(
    merchant_id: str, form: VouchersForm, by: Principal, cursor: str | None, limit: int
) -> tuple[list[VoucherRowView], str | None]:
    after, now = Keyset.decode(cursor) if cursor else None, utc_now()
    customer_id = whose(merchant_id, form.user_id, by)
    with transaction(merchant_id) as session:
        settings = tenancy.settings_of(session, merchant_id)
        keeper = sharing.enter_keeper_of(session, merchant_id) if customer_id else merchant_id
        rows = list_queries.vouchers(
            session,
            keeper,
            customer_id=customer_id,
            state=form.status,
            kind=form.type,
            span=span_of(form, settings.time_zone),
            order=Order.OLDEST if form.order is VoucherOrder.SOONEST else Order.NEWEST,
            after=after,
            now=now,
            limit=limit + 1,
        )
        shown, following = cut(rows, limit, lambda row: Keyset(row.expires_at, row.id).encode())
        people = customers_of(session, merchant_id, (row.customer_id for row in shown))
        used = [row.used_by for row in shown if row.used_by]
        seen = list_queries.payments_among(session, merchant_id, used)
    items = [_voucher(row, people[row.customer_id], settings.currency, now, seen) for row in shown]
    return items, following


def _wallet(row: Any, customer: ShownCustomer) -> WalletRowView:
    balances, held = Balances(*row[2:5]), Balances(*row[5:8])
    return WalletRowView(
        user_id=customer.user_id,
        display_name=customer.display_name,
        wallet=WalletView.of(balances, Currency(row[1]), held),
    )


def _voucher(
    row: Any, customer: ShownCustomer, currency: Currency, now: datetime, seen: Collection[str]
) -> VoucherRowView:
    """The payment is named where it is one of this store's: `seen`."""
    facts = VoucherFacts(
        row.id,
        VoucherType(row.type),
        row.name,
        row.value_minor,
        row.min_spend_minor,
        row.discount_rate,
        VoucherStatus(row.status),
        row.expires_at,
    )
    return VoucherRowView(
        user_id=customer.user_id,
        display_name=customer.display_name,
        voucher=VoucherView.of(facts, currency, now),
        created_at=row.created_at,
        payment_txn_id=row.used_by if row.used_by in seen else None,
    )
