"""Balances, bonus and vouchers of a merchant's customers: the door to this package.

What joins a transaction stands in `balances`, or in `sharing` where stores share wallets; the use
cases in `top_ups`, `grants` and `expiry`; `showing` shows what a customer has.
"""

from mealquest.tenancy.service import Operation
from mealquest.wallet import (
    restoring,
    settlement,
    settlement_days,
)
from mealquest.wallet.balances import (
    grant_voucher,
    lock_wallet,
    lock_wallet_of_anybody,
    open_balances,
    read_wallet,
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
)
from mealquest.wallet.errors import KeeperAway, PartnerNotFound
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
from mealquest.wallet.moving_in import move as move_into_shared
from mealquest.wallet.moving_in import move_all as move_all_into_shared
from mealquest.wallet.past import GiftUse, PastTopUp, gift_use, past_top_ups
from mealquest.wallet.queries import LockedWallet, Purse, WalletRow, purse
from mealquest.wallet.queries import voucher as voucher_facts
from mealquest.wallet.repairs import free_voucher, set_held
from mealquest.wallet.replies import (
    BalancesView,
    BonusLotView,
    CustomerDetailView,
    KeeperView,
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
from mealquest.wallet.settlement_models import SettlementKind
from mealquest.wallet.settling import settle as settle_debt
from mealquest.wallet.settling import settlements_with
from mealquest.wallet.sharing import (
    Agreements,
    keepers,
    lock_kept,
    lock_to_leave,
    meet_keeper,
    read_kept,
    require_open,
    scope_of,
    share_by,
    stores_that_hold,
)
from mealquest.wallet.sharing import enter as enter_keeper
from mealquest.wallet.sharing import lock as lock_shared
from mealquest.wallet.sharing import read as read_shared
from mealquest.wallet.showing import (
    Pocket,
    customer_detail,
    keeper_of,
    own_pocket,
    pocket,
    wallet_view,
)
from mealquest.wallet.top_ups import top_up

__all__ = [
    "BREAKAGE",
    "CHECKS",
    "GIFTS",
    "NO_VOUCHER",
    "SALES",
    "VOUCHERS",
    "Agreements",
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
    "KeeperAway",
    "KeeperView",
    "LedgerForm",
    "LedgerRowView",
    "LockedWallet",
    "Lot",
    "LotUse",
    "Operation",
    "OwedView",
    "PartnerNotFound",
    "PastTopUp",
    "Pocket",
    "Posting",
    "PostingView",
    "Purse",
    "Return",
    "SettlementKind",
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
    "enter_keeper",
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
    "keeper_of",
    "keepers",
    "leave",
    "ledger_page",
    "lock_kept",
    "lock_shared",
    "lock_to_leave",
    "lock_wallet",
    "lock_wallet_of_anybody",
    "lots_about",
    "major",
    "meet_keeper",
    "move_all_into_shared",
    "move_into_shared",
    "moved",
    "note_pending",
    "open_balances",
    "owed",
    "own_pocket",
    "past_top_ups",
    "pocket",
    "postings_of",
    "preview",
    "purse",
    "read_kept",
    "read_shared",
    "read_wallet",
    "receive_for_return",
    "release",
    "remove_rule",
    "require_open",
    "restoring",
    "return_outside",
    "rules",
    "scope_of",
    "set_held",
    "settle_debt",
    "settle_receivable",
    "settlement",
    "settlement_days",
    "settlements_with",
    "share_by",
    "spend",
    "stores_that_hold",
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
