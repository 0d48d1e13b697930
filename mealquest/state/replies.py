"""What the state answers: one shape for staff, a smaller one for customers under the same keys."""

from typing import Any

from mealquest.alliance.service import AllianceConfigView, AllianceGlimpse
from mealquest.core.money import Currency
from mealquest.core.principal import Role
from mealquest.core.wire import Amount, Timestamp, View
from mealquest.wallet.service import VoucherView, WalletRow, WalletView


class StaffItem(View):
    uid: str
    role: Role


class MerchantGlimpse(View):
    """What a customer is told of the merchant."""

    merchant_id: str
    name: str
    currency: Currency


class MerchantState(MerchantGlimpse):
    kill_switch_enabled: bool
    budget_cap: Amount
    budget_used: Amount  # voucher parts of payments, less what went back
    staff: list[StaffItem]
    onboarded_at: Timestamp


class UserState(View):
    """A customer. While a wallet is shared it is the shared one; `walletScope` says so.

    Whom the owner erased is there without a name, for what the wallet still holds.
    """

    uid: str
    display_name: str
    phone_masked: str | None
    wallet: WalletView
    tags: list[str]
    fragments: dict[str, Any]
    vouchers: list[VoucherView]
    is_deleted: bool


class PendingProposal(View):
    id: str
    title: str
    created_at: Timestamp


class DashboardView(View):
    merchant_id: str
    merchant_name: str
    kill_switch_enabled: bool
    budget_cap: Amount
    budget_used: Amount
    pending_proposals: list[PendingProposal]
    active_campaign_count: int


class Nothing(View):
    """In place of what is for staff only."""


class WalletScopeView(View):
    """Whose wallets a customer of the merchant pays from."""

    wallet_shared: bool
    wallet_merchant_id: str

    @classmethod
    def of(cls, wallet: WalletRow) -> "WalletScopeView":
        """Of the wallet that a customer of the store uses now."""
        return cls(wallet_shared=wallet.in_alliance, wallet_merchant_id=wallet.merchant_id)


class StateView(View):
    """For customers the parts that are for staff are there and empty."""

    merchant: MerchantState | MerchantGlimpse
    user: UserState | None
    dashboard: DashboardView | Nothing
    campaigns: list[dict[str, Any]]
    proposals: list[dict[str, Any]]
    strategy_configs: list[dict[str, Any]]
    activities: list[dict[str, Any]]
    alliance_config: AllianceConfigView | AllianceGlimpse
    wallet_scope: WalletScopeView
