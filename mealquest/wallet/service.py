"""Balances, bonus and vouchers of a merchant's customers: the door to this package.

What joins a transaction stands in `balances`, the use cases in `top_ups` and `expiry`.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.identity import service as identity
from mealquest.tenancy.service import Operation
from mealquest.wallet import ledger, queries
from mealquest.wallet.balances import (
    grant_voucher,
    lock_wallet,
    lock_wallet_of_anybody,
    open_balances,
    read_wallet,
    read_wallet_of_anybody,
    shown,
    spend,
)
from mealquest.wallet.books import (
    all_moved,
    balance_in,
    entry,
    every_entry,
    every_top_up,
    ledger_page,
    moved,
    top_up_sums,
    top_ups_page,
)
from mealquest.wallet.campaign_grants import (
    BonusGift,
    giver_of_card,
    grant_by_campaign,
    granted_principal,
)
from mealquest.wallet.checks import CHECKS
from mealquest.wallet.domain import (
    NO_VOUCHER,
    Balances,
    Checkout,
    Deduction,
    Lot,
    LotUse,
    VoucherFacts,
    VoucherOption,
    VoucherStatus,
    VoucherType,
    VoucherVerdict,
    checkout,
    spendable,
)
from mealquest.wallet.expiry import expire_due, has_due
from mealquest.wallet.forms import LedgerForm, TopUpForm, VoucherState
from mealquest.wallet.given import VoucherFates, bonus_left, gave_voucher, voucher_fates
from mealquest.wallet.grants import grant_by_hand
from mealquest.wallet.holdings import (
    all_owed,
    every_voucher,
    every_wallet,
    expiring_vouchers,
    owed,
    vouchers,
    wallets,
)
from mealquest.wallet.holds import (
    Hold,
    capture,
    capture_late,
    hold,
    note_pending,
    receive_for_return,
    release,
    return_outside,
)
from mealquest.wallet.leaving import leave
from mealquest.wallet.ledger import (
    BREAKAGE,
    GIFTS,
    SALES,
    VOUCHERS,
    Bucket,
    Posting,
    balance_of,
    postings_of,
    wallet_account,
)
from mealquest.wallet.models import EntryKind, TopUpMethod
from mealquest.wallet.past import GiftUse, PastTopUp, gift_use, past_top_ups
from mealquest.wallet.queries import LockedWallet, Purse, WalletRow, purse
from mealquest.wallet.queries import voucher as voucher_facts
from mealquest.wallet.repairs import free_voucher, set_held
from mealquest.wallet.replies import (
    BalancesView,
    BonusLotView,
    CustomerDetailView,
    LedgerRowView,
    OwedView,
    PostingView,
    TopUpView,
    VoucherView,
    WalletView,
    major,
)
from mealquest.wallet.returns import (
    Return,
    VoucherUse,
    budget_used,
    expired_of_lots,
    give_back,
    lots_about,
    settle_receivable,
    voucher_uses,
)
from mealquest.wallet.rules import add_rule, preview, remove_rule, rules
from mealquest.wallet.top_ups import top_up

__all__ = [
    "BREAKAGE",
    "CHECKS",
    "GIFTS",
    "NO_VOUCHER",
    "SALES",
    "VOUCHERS",
    "Balances",
    "BalancesView",
    "BonusGift",
    "BonusLotView",
    "Bucket",
    "Checkout",
    "CustomerDetailView",
    "Deduction",
    "EntryKind",
    "GiftUse",
    "Hold",
    "LedgerForm",
    "LedgerRowView",
    "LockedWallet",
    "Lot",
    "LotUse",
    "Operation",
    "OwedView",
    "PastTopUp",
    "Pocket",
    "Posting",
    "PostingView",
    "Purse",
    "Return",
    "TopUpForm",
    "TopUpMethod",
    "TopUpView",
    "VoucherFacts",
    "VoucherFates",
    "VoucherOption",
    "VoucherState",
    "VoucherStatus",
    "VoucherType",
    "VoucherUse",
    "VoucherVerdict",
    "VoucherView",
    "WalletRow",
    "WalletView",
    "add_rule",
    "all_moved",
    "all_owed",
    "balance_in",
    "balance_of",
    "bonus_left",
    "budget_used",
    "capture",
    "capture_late",
    "checkout",
    "customer_detail",
    "entry",
    "every_entry",
    "every_top_up",
    "every_voucher",
    "every_wallet",
    "expire_due",
    "expired_of_lots",
    "expiring_vouchers",
    "free_voucher",
    "gave_voucher",
    "gift_use",
    "give_back",
    "giver_of_card",
    "grant_by_campaign",
    "grant_by_hand",
    "grant_voucher",
    "granted_principal",
    "has_due",
    "hold",
    "leave",
    "ledger_page",
    "lock_wallet",
    "lock_wallet_of_anybody",
    "lots_about",
    "major",
    "moved",
    "note_pending",
    "open_balances",
    "owed",
    "past_top_ups",
    "pocket",
    "postings_of",
    "preview",
    "purse",
    "read_wallet",
    "read_wallet_of_anybody",
    "receive_for_return",
    "release",
    "remove_rule",
    "return_outside",
    "rules",
    "set_held",
    "settle_receivable",
    "spend",
    "top_up",
    "top_up_sums",
    "top_ups_page",
    "voucher_facts",
    "voucher_fates",
    "voucher_uses",
    "vouchers",
    "wallet_account",
    "wallet_view",
    "wallets",
]

NEWEST_ROWS = 20


def customer_detail(
    merchant_id: str, user_id: str, *, with_birthday: bool = False
) -> CustomerDetailView:
    """A customer with balances, vouchers, bonus lots and the newest ledger rows.

    Whom the owner erased is shown without a name, for what the wallet still holds.

    UserNotFound: no such customer at this merchant, or one who cancelled.
    """
    now = utc_now()
    with transaction(merchant_id) as session:
        facts = identity.customer_facts(session, merchant_id, user_id, also_deleted=True)
        wallet = read_wallet(session, merchant_id, user_id, also_deleted=True)
        lots = spendable(purse(session, merchant_id, user_id).lots, now)
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
        )


@dataclass(frozen=True, slots=True)
class Pocket:
    """What a customer has: balances, and vouchers, active ones first."""

    wallet: WalletView
    vouchers: list[VoucherView]


def pocket(session: Session, merchant_id: str, customer_id: str) -> Pocket:
    """What a customer has as this transaction sees it, without a lock.

    UserNotFound: no such customer at this merchant, or one who cancelled.
    """
    now = utc_now()
    wallet = read_wallet(session, merchant_id, customer_id, also_deleted=True)
    lots = purse(session, merchant_id, customer_id).lots
    view = WalletView.of(shown(wallet, lots, now), wallet.currency, wallet.held)
    return Pocket(view, _vouchers(session, wallet, now))


def wallet_view(session: Session, merchant_id: str, customer_id: str) -> WalletView:
    """The balances as this transaction sees them, also of a customer who has left."""
    wallet = lock_wallet_of_anybody(session, merchant_id, customer_id)
    lots = purse(session, merchant_id, customer_id).lots
    return WalletView.of(shown(wallet, lots, utc_now()), wallet.currency, wallet.held)


def _vouchers(session: Session, wallet: WalletRow, now: datetime) -> list[VoucherView]:
    found = queries.vouchers(session, wallet.merchant_id, wallet.customer_id)
    return [VoucherView.of(voucher, wallet.currency, now) for voucher in found]


def _newest_rows(session: Session, wallet: WalletRow) -> list[LedgerRowView]:
    entries = ledger.newest(session, wallet.merchant_id, wallet.customer_id, NEWEST_ROWS)
    return [
        LedgerRowView(
            txn_id=entry.id,
            merchant_id=wallet.merchant_id,
            user_id=wallet.customer_id,
            type=entry.kind,
            amount=major(entry.amount_minor, entry.currency),
            details=entry.details,
            timestamp=entry.created_at,
            postings=[PostingView.of(posting, entry.currency) for posting in entry.postings],
        )
        for entry in entries
    ]
