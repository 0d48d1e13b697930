"""Functions that join a transaction and move balances, lots and vouchers.

Whoever moves money takes the wallet's lock first; it guards the customer's lots and vouchers too.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from mealquest.core.clock import utc_now
from mealquest.core.ids import new_id
from mealquest.core.money import Currency
from mealquest.identity.service import UserNotFound
from mealquest.wallet import booking, ledger, queries
from mealquest.wallet.domain import Balances, Checkout, Lot, VoucherStatus, VoucherType, spendable
from mealquest.wallet.errors import VoucherNotUsable, WalletBusy
from mealquest.wallet.ledger import Bucket, Posting, wallet_account
from mealquest.wallet.models import BonusLot, EntryKind, Voucher
from mealquest.wallet.queries import LockedWallet, WalletRow

VOUCHER_LIFE = timedelta(days=30)  # of a voucher that is granted without an expiry
LOCK_NOT_AVAILABLE = "55P03"


def lock_wallet(session: Session, merchant_id: str, customer_id: str) -> LockedWallet:
    """The customer's wallet, locked until the transaction ends; an empty one when there is none.

    One statement, unless the wallet has to be made.

    Raises:
        UserNotFound: no such customer at this merchant, or one who has left.
        WalletBusy: another movement held it for longer than the lock timeout.
    """
    try:
        wallet = queries.lock(session, merchant_id, customer_id)
        if wallet is None:
            wallet = queries.create(session, merchant_id, customer_id)
        if wallet is None:
            wallet = queries.lock(session, merchant_id, customer_id)
    except OperationalError as failure:
        if getattr(failure.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            raise WalletBusy from failure
        raise
    if wallet is None:
        raise UserNotFound
    return wallet


def lock_wallet_of_anybody(session: Session, merchant_id: str, customer_id: str) -> LockedWallet:
    """As `lock_wallet`, also for a customer who has left; the wallet must be there."""
    try:
        wallet = queries.lock_of_anybody(session, merchant_id, customer_id)
    except OperationalError as failure:
        if getattr(failure.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            raise WalletBusy from failure
        raise
    if wallet is None:
        raise UserNotFound
    return wallet


def read_wallet(
    session: Session, merchant_id: str, customer_id: str, *, also_deleted: bool = False
) -> WalletRow:
    """The balances as they are now, without a lock. UserNotFound as for `lock_wallet`.

    `also_deleted`: whom the owner erased has a wallet still; who cancelled has none.
    """
    read = queries.read_kept if also_deleted else queries.read
    wallet = read(session, merchant_id, customer_id)
    if wallet is None:
        raise UserNotFound
    return wallet


def spend(
    session: Session,
    wallet: LockedWallet,
    planned: Checkout,
    payment_id: str,
    details: dict[str, Any],
) -> None:
    """Take what a checkout planned out of the wallet, its lots and the voucher.

    The checkout must come from the purse as read under this lock, and cover the whole order.
    The ledger entry gets the payment's id, and `details`.

    Raises:
        VoucherNotUsable: the voucher expired or was used since it was read.
        BalancesDiffer: wallet and lots do not hold what the checkout takes.
    """
    parts = planned.deduction
    if parts.external:
        raise ValueError("a checkout with something left to pay cannot be spent")
    if parts.bonus or parts.principal or parts.silver:
        queries.move(
            session,
            wallet,
            principal=-parts.principal,
            bonus=-parts.bonus,
            silver=-parts.silver,
            lots=planned.lots,
        )
    if planned.voucher and not queries.use_voucher(session, wallet, planned.voucher.id, payment_id):
        raise VoucherNotUsable("it is not active any more")
    booking.book(
        session,
        wallet,
        entry_id=payment_id,
        kind=EntryKind.PAYMENT,
        reference=payment_id,
        amount_minor=planned.order_minor,
        details=details,
        postings=ledger.sale_postings(wallet.customer_id, parts),
    )


def open_balances(
    session: Session,
    merchant_id: str,
    customer_id: str,
    *,
    currency: Currency,
    principal: int,
    bonus: int,
    silver: int,
    granted_by: str,
) -> None:
    """Give a customer, once, balances that are older than the ledger; the bonus never expires.

    Amounts in minor units of `currency`, which must be the merchant's.
    """
    wallet = lock_wallet(session, merchant_id, customer_id)
    if wallet.currency is not currency:
        raise ValueError(f"{merchant_id} keeps its wallets in {wallet.currency}")
    opened = {Bucket.PRINCIPAL: principal, Bucket.BONUS: bonus, Bucket.SILVER: silver}
    postings = [
        Posting(ledger.OPENING, wallet_account(customer_id, bucket), minor)
        for bucket, minor in opened.items()
        if minor
    ]
    if not postings:
        return
    entry_id = new_id("txn")
    queries.move(session, wallet, principal=principal, bonus=bonus, silver=silver)
    if bonus:
        add_lot(session, wallet, bonus, expires_at=None, granted_by=entry_id)
    ledger.post(
        session,
        merchant_id,
        entry_id=entry_id,
        kind=EntryKind.OPENING,
        reference=customer_id,
        customer_id=customer_id,
        amount_minor=principal + bonus + silver,
        currency=currency,
        details={"grantedBy": granted_by},
        postings=postings,
    )


def grant_voucher(
    session: Session,
    merchant_id: str,
    customer_id: str,
    *,
    kind: VoucherType,
    name: str,
    granted_by: str,
    value_minor: int = 0,
    min_spend_minor: int = 0,
    discount_rate: Decimal | None = None,
    expires_at: datetime | None = None,
    voucher_id: str | None = None,
    only_at: str | None = None,
) -> str:
    """Give a customer a voucher of its own; returns its id.

    `discount_rate` is for a DISCOUNT_CARD: 0.9 takes a tenth off. Without `expires_at` the
    voucher is good for 30 days. `only_at`: the one store that takes it, which gave it.
    """
    voucher_id = voucher_id or new_id("voucher")
    session.execute(
        insert(Voucher).values(
            merchant_id=merchant_id,
            id=voucher_id,
            customer_id=customer_id,
            type=kind,
            name=name,
            value_minor=value_minor,
            min_spend_minor=min_spend_minor,
            discount_rate=discount_rate,
            status=VoucherStatus.ACTIVE,
            expires_at=expires_at or utc_now() + VOUCHER_LIFE,
            granted_by=granted_by,
            only_at=only_at,
        )
    )
    return voucher_id


def add_lot(
    session: Session,
    wallet: LockedWallet,
    minor: int,
    *,
    expires_at: datetime | None,
    granted_by: str,
) -> str:
    """Keep bonus of one grant together; the caller adds it to the balance and the ledger.

    Returns the lot's id.
    """
    lot_id = new_id("lot")
    session.execute(
        insert(BonusLot).values(
            merchant_id=wallet.merchant_id,
            id=lot_id,
            customer_id=wallet.customer_id,
            granted_minor=minor,
            left_minor=minor,
            expires_at=expires_at,
            granted_by=granted_by,
        )
    )
    return lot_id


def shown(wallet: WalletRow, lots: Sequence[Lot], now: datetime) -> Balances:
    """The balances, what is held included, without bonus that expired but was not swept yet."""
    free = sum(lot.left_minor for lot in spendable(lots, now))
    return Balances(wallet.principal, free + wallet.held.bonus, wallet.silver)
