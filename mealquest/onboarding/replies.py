"""What onboarding answers."""

from mealquest.core.principal import Role
from mealquest.core.wire import Amount, Timestamp, View


class StaffItem(View):
    uid: str
    role: Role


class OnboardedMerchant(View):
    merchant_id: str
    name: str
    kill_switch_enabled: bool
    budget_cap: Amount
    budget_used: Amount
    staff: list[StaffItem]
    onboarded_at: Timestamp
    owner_phone: str | None


class AllianceConfig(View):
    merchant_id: str
    cluster_id: str
    stores: list[str]
    wallet_shared: bool
    tier_shared: bool
    updated_at: Timestamp


class OnboardedView(View):
    merchant: OnboardedMerchant
    seeded_users: list[str]
    alliance_config: AllianceConfig
