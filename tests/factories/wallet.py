"""Wallets, bonus lots and vouchers, written so that every balance equals its ledger sum."""

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from mealquest.tenancy import service as tenancy
from mealquest.wallet import service as wallets
from mealquest.wallet.balances import add_lot
from mealquest.wallet.domain import VoucherStatus, VoucherType
from mealquest.wallet.ledger import GIFTS, Posting, post, wallet_account
from mealquest.wallet.models import BonusLot, EntryKind, Voucher, Wallet
from mealquest.wallet.queries import move
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant


def make_wallet(
    merchant_id: str | None = None,
    customer_id: str | None = None,
    *,
    principal: int = 0,
    bonus: int = 0,
    silver: int = 0,
) -> Wallet:
    """Open a wallet (minor units), making the merchant and the customer unless they are named."""
    merchant_id = merchant_id or make_merchant()
    customer_id = customer_id or make_customer(merchant_id)
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        wallets.lock_wallet(session, merchant_id, customer_id)
        wallets.open_balances(
            session,
            merchant_id,
            customer_id,
            currency=currency,
            principal=principal,
            bonus=bonus,
            silver=silver,
            granted_by="fixture",
        )
    return wallet_of(merchant_id, customer_id)


def make_lot(
    merchant_id: str,
    customer_id: str,
    minor: int,
    *,
    expires_at: datetime | None = None,
) -> str:
    """Give bonus as one more lot, which may have expired already; returns the lot's id."""
    entry_id = new_id("txn")
    with transaction(merchant_id) as session:
        wallet = wallets.lock_wallet(session, merchant_id, customer_id)
        move(session, wallet, bonus=minor)
        add_lot(session, wallet, minor, expires_at=expires_at, granted_by=entry_id)
        post(
            session,
            merchant_id,
            entry_id=entry_id,
            kind=EntryKind.TOP_UP,
            reference=entry_id,
            customer_id=customer_id,
            amount_minor=minor,
            currency=wallet.currency,
            details={},
            postings=[Posting(GIFTS, wallet_account(customer_id, wallets.Bucket.BONUS), minor)],
        )
        return session.scalars(
            select(BonusLot.id).where(
                BonusLot.merchant_id == merchant_id, BonusLot.granted_by == entry_id
            )
        ).one()


def make_silver(merchant_id: str, customer_id: str, minor: int) -> None:
    """Give change as a campaign does."""
    entry_id = new_id("txn")
    with transaction(merchant_id) as session:
        wallet = wallets.lock_wallet(session, merchant_id, customer_id)
        move(session, wallet, silver=minor)
        post(
            session,
            merchant_id,
            entry_id=entry_id,
            kind=EntryKind.TOP_UP,
            reference=entry_id,
            customer_id=customer_id,
            amount_minor=minor,
            currency=wallet.currency,
            details={},
            postings=[Posting(GIFTS, wallet_account(customer_id, wallets.Bucket.SILVER), minor)],
        )


def make_voucher(
    merchant_id: str,
    customer_id: str,
    voucher_id: str | None = None,
    *,
    kind: VoucherType = VoucherType.ITEM_WARRANT,
    name: str = "Fixture voucher",
    value: int = 0,
    min_spend: int = 0,
    discount_rate: Decimal | None = None,
    status: VoucherStatus = VoucherStatus.ACTIVE,
    expires_at: datetime | None = None,
) -> str:
    """Write a voucher (minor units), good for an hour unless said otherwise; returns its id."""
    voucher_id = voucher_id or new_id("voucher")
    with transaction(merchant_id) as session:
        session.add(
            Voucher(
                merchant_id=merchant_id,
                id=voucher_id,
                customer_id=customer_id,
                type=kind,
                name=name,
                value_minor=value,
                min_spend_minor=min_spend,
                discount_rate=discount_rate,
                status=status,
                expires_at=expires_at or utc_now() + timedelta(hours=1),
                granted_by="fixture",
            )
        )
    return voucher_id


def make_fixture_customer(merchant_id: str | None = None, customer_id: str | None = None) -> Wallet:
    """The customer of the contract's demo data: 120/36/88, and vouchers of 18 and 30."""
    merchant_id = merchant_id or make_merchant()
    wallet = make_wallet(merchant_id, customer_id, principal=12_000, bonus=3_600, silver=8_800)
    make_voucher(
        merchant_id, wallet.customer_id, "voucher_soon", name="Soup of the day", value=1_800
    )
    make_voucher(
        merchant_id,
        wallet.customer_id,
        "voucher_big",
        kind=VoucherType.NO_THRESHOLD_VOUCHER,
        value=3_000,
        min_spend=2_000,
        expires_at=utc_now() + timedelta(days=3),
    )
    return wallet


def wallet_of(merchant_id: str, customer_id: str) -> Wallet:
    """The wallet's row as it stands in the database."""
    with transaction(merchant_id) as session:
        return session.scalars(
            select(Wallet).where(
                Wallet.merchant_id == merchant_id, Wallet.customer_id == customer_id
            )
        ).one()


def vouchers_of(merchant_id: str, customer_id: str) -> dict[str, VoucherStatus]:
    with transaction(merchant_id) as session:
        rows = session.execute(
            select(Voucher.id, Voucher.status).where(
                Voucher.merchant_id == merchant_id, Voucher.customer_id == customer_id
            )
        )
        return {row.id: row.status for row in rows}


def lots_of(merchant_id: str, customer_id: str) -> dict[str, int]:
    """What is left in each of the customer's lots, minor units."""
    with transaction(merchant_id) as session:
        rows = session.execute(
            select(BonusLot.id, BonusLot.left_minor).where(
                BonusLot.merchant_id == merchant_id, BonusLot.customer_id == customer_id
            )
        )
        return {row.id: row.left_minor for row in rows}
