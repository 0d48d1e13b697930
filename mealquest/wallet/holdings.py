"""What a merchant's customers hold, all together and one by one: balances and vouchers."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.core.paging import Keyset, cut, span_of_days
from mealquest.tenancy import service as tenancy
from mealquest.wallet.domain import Balances, VoucherFacts, VoucherStatus, VoucherType
from mealquest.wallet.forms import VouchersForm, WalletsForm
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
       AND expires_at > now() AND expires_at <= :until
    """
)
_WALLETS = text(
    """
    SELECT w.customer_id, c.display_name, w.currency, w.principal_minor, w.bonus_minor,
           w.silver_minor, w.held_principal_minor, w.held_bonus_minor, w.held_silver_minor
      FROM wallets w JOIN customers c ON c.merchant_id = w.merchant_id AND c.id = w.customer_id
     WHERE w.merchant_id = :merchant AND w.customer_id > :after
       AND w.principal_minor + w.bonus_minor + w.silver_minor > 0
     ORDER BY w.customer_id LIMIT :limit
    """
)
_VOUCHERS = text(
    """
    SELECT v.id, v.customer_id, c.display_name, v.type, v.name, v.value_minor, v.min_spend_minor,
           v.discount_rate, v.status, v.expires_at
      FROM vouchers v JOIN customers c ON c.merchant_id = v.merchant_id AND c.id = v.customer_id
     WHERE v.merchant_id = :merchant AND v.status = 'ACTIVE' AND v.expires_at > now()
       AND v.expires_at < :until AND (v.expires_at, v.id) > (:after, :after_id)
     ORDER BY v.expires_at, v.id LIMIT :limit
    """
)
EVER = datetime(9999, 1, 1, tzinfo=UTC)
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


def expiring_vouchers(session: Session, merchant_id: str, until: datetime) -> int:
    """Vouchers that can be used now and expire until then."""
    return int(session.execute(_EXPIRING, {"merchant": merchant_id, "until": until}).scalar_one())


def wallets(merchant_id: str, form: WalletsForm) -> WalletsPage:
    """Wallets that hold something, by customer: the entries that sum to what is owed."""
    after = Keyset.decode(form.cursor).id if form.cursor else ""
    values = {"merchant": merchant_id, "after": after, "limit": form.limit + 1}
    with transaction(merchant_id) as session:
        rows = session.execute(_WALLETS, values).all()
    shown, next_cursor = cut(rows, form.limit, lambda row: Keyset(LONG_AGO, row[0]).encode())
    return WalletsPage(items=[_wallet(row) for row in shown], next_cursor=next_cursor)


def vouchers(merchant_id: str, form: VouchersForm) -> VouchersPage:
    """Vouchers that can be used, soonest expiry first."""
    after = Keyset.decode(form.cursor) if form.cursor else Keyset(LONG_AGO, "")
    with transaction(merchant_id) as session:
        settings = tenancy.settings_of(session, merchant_id)
        days = span_of_days(None, form.to_day, ZoneInfo(settings.time_zone))
        values = {
            "merchant": merchant_id,
            "until": days.until or EVER,
            "after": after.moment,
            "after_id": after.id,
            "limit": form.limit + 1,
        }
        rows = session.execute(_VOUCHERS, values).all()
    shown, next_cursor = cut(rows, form.limit, lambda row: Keyset(row.expires_at, row.id).encode())
    items = [_voucher(row, settings.currency) for row in shown]
    return VouchersPage(items=items, next_cursor=next_cursor)


def _wallet(row: Any) -> WalletRowView:
    balances, held = Balances(*row[3:6]), Balances(*row[6:9])
    return WalletRowView(
        user_id=row[0],
        display_name=row[1],
        wallet=WalletView.of(balances, Currency(row[2]), held),
    )


def _voucher(row: Any, currency: Currency) -> VoucherRowView:
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
        user_id=row.customer_id,
        display_name=row.display_name,
        voucher=VoucherView.of(facts, currency, utc_now()),
    )
