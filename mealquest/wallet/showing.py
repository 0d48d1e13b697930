"""What a customer has, as it is shown: the wallet they use at a store, and what else lies there."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.identity import service as identity
from mealquest.tenancy import service as tenancy
from mealquest.wallet import ledger, list_queries, sharing
from mealquest.wallet.balances import lock_wallet_of_anybody, read_wallet, shown
from mealquest.wallet.domain import spendable
from mealquest.wallet.queries import WalletRow, purse
from mealquest.wallet.replies import (
    BonusLotView,
    CustomerDetailView,
    KeeperView,
    LedgerRowView,
    PostingView,
    VoucherView,
    WalletView,
    major,
)
from mealquest.wallet.sharing import Shown

NEWEST_ROWS = 20


def customer_detail(
    merchant_id: str, user_id: str, *, with_birthday: bool = False
) -> CustomerDetailView:
    """A customer with balances, vouchers, bonus lots and the newest ledger rows.

    Whom the owner erased is shown without a name, for what the wallet still holds.

    UserNotFound: no such customer at this merchant, or one who cancelled.
    """
    with transaction(merchant_id) as session:
        facts = identity.customer_facts(session, merchant_id, user_id, also_deleted=True)
        found = sharing.show(session, merchant_id, user_id)
        wallet, now = found.wallet, utc_now()
        lots = spendable(purse(session, wallet.merchant_id, user_id).lots, now)
        return CustomerDetailView(
            uid=facts.id,
            display_name=facts.display_name,
            phone_masked=identity.masked(facts.phone_last4),
            tags=facts.tags,
            fragments=facts.fragments,
            currency=wallet.currency,
            wallet=WalletView.of(shown(wallet, lots, now), wallet.currency, wallet.held),
            vouchers=[] if facts.is_deleted else _vouchers(session, wallet, now),
            bonus_lots=[
                BonusLotView(
                    amount=major(lot.left_minor, wallet.currency), expires_at=lot.expires_at
                )
                for lot in lots
            ],
            ledger=_newest_rows(session, wallet),
            is_deleted=facts.is_deleted,
            birthday=identity.birthday_of(session, merchant_id, user_id) if with_birthday else None,
            keeper=_keeper(session, found),
            own_wallet=_own(session, found, now),
        )


def _keeper(session: Session, found: Shown) -> KeeperView | None:
    """The store that keeps a shared wallet; None: the store itself."""
    if not found.wallet.is_shared:
        return None
    kept_by = tenancy.settings_of(session, found.wallet.merchant_id)
    return KeeperView(
        merchant_id=kept_by.merchant_id, name=kept_by.name, knows_customer=found.is_known
    )


def _own(session: Session, found: Shown, now: datetime) -> WalletView | None:
    """What lies in the store's own wallet beside the shared one; None when that is nothing."""
    own = found.own
    if own is None:
        return None
    lots = purse(session, own.merchant_id, own.customer_id).lots
    left = shown(own, lots, now)
    empty = not (left.principal or left.bonus or left.silver)
    return None if empty else WalletView.of(left, own.currency, own.held)


def keeper_of(merchant_id: str) -> KeeperView | None:
    """The other store whose wallets this store's customers use; None: its own."""
    with transaction(merchant_id) as session:
        keeper = sharing.scope_of(session, merchant_id).wallet_merchant_id
    if keeper == merchant_id:
        return None
    return KeeperView(merchant_id=keeper, name=tenancy.public_names([keeper]).get(keeper, keeper))


@dataclass(frozen=True, slots=True)
class Pocket:
    """What a customer has: balances, and vouchers, active ones first."""

    wallet: WalletView
    vouchers: list[VoucherView]


def own_pocket(session: Session, merchant_id: str, customer_id: str) -> Pocket:
    """What a customer has in this very store, whatever wallet they use there."""
    now = utc_now()
    wallet = read_wallet(session, merchant_id, customer_id, also_deleted=True)
    lots = purse(session, merchant_id, customer_id).lots
    view = WalletView.of(shown(wallet, lots, now), wallet.currency, wallet.held)
    return Pocket(view, _vouchers(session, wallet, now))


def pocket(session: Session, merchant_id: str, customer_id: str) -> Pocket:
    """What a customer uses at a store as this transaction sees it, without a lock.

    UserNotFound: no such customer at this merchant, or one who cancelled.
    """
    now = utc_now()
    wallet = sharing.show(session, merchant_id, customer_id).wallet
    lots = purse(session, wallet.merchant_id, customer_id).lots
    view = WalletView.of(shown(wallet, lots, now), wallet.currency, wallet.held)
    return Pocket(view, _vouchers(session, wallet, now))


def wallet_view(session: Session, merchant_id: str, customer_id: str) -> WalletView:
    """The balances as this transaction sees them, also of a customer who has left."""
    wallet = lock_wallet_of_anybody(session, merchant_id, customer_id)
    lots = purse(session, merchant_id, customer_id).lots
    return WalletView.of(shown(wallet, lots, utc_now()), wallet.currency, wallet.held)


def _vouchers(session: Session, wallet: WalletRow, now: datetime) -> list[VoucherView]:
    found = list_queries.vouchers_of(session, wallet.merchant_id, wallet.customer_id)
    return [VoucherView.of(voucher, wallet.currency, now) for voucher in found]


def _newest_rows(session: Session, wallet: WalletRow) -> list[LedgerRowView]:
    """Of the store that shows them, also where another one keeps the wallet."""
    entries = ledger.newest(session, wallet.store_id, wallet.customer_id, NEWEST_ROWS)
    return [
        LedgerRowView(
            txn_id=entry.id,
            merchant_id=wallet.store_id,
            user_id=wallet.customer_id,
            type=entry.kind,
            amount=major(entry.amount_minor, entry.currency),
            details=entry.details,
            timestamp=entry.created_at,
            postings=[PostingView.of(posting, entry.currency) for posting in entry.postings],
        )
        for entry in entries
    ]
