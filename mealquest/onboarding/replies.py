"""What onboarding answers."""

from mealquest.alliance.service import AllianceConfigView
from mealquest.core.wire import Amount, Timestamp, View
from mealquest.state.service import StaffItem


class OnboardedMerchant(View):
    merchant_id: str
    name: str
    kill_switch_enabled: bool
    budget_cap: Amount
    budget_used: Amount
    staff: list[StaffItem]
    onboarded_at: Timestamp
    owner_phone: str | None


class OnboardedView(View):
    merchant: OnboardedMerchant
    seeded_users: list[str]
    alliance_config: AllianceConfigView
