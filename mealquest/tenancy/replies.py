"""What tenancy answers."""

from mealquest.core.money import Currency
from mealquest.core.wire import Timestamp, View
from mealquest.tenancy.domain import ContractStatus, Limit, RefundPolicy, TenantPolicy


class CatalogItem(View):
    merchant_id: str
    name: str
    onboarded_at: Timestamp


class CatalogView(View):
    items: list[CatalogItem]
    total: int


class SettingsView(View):
    """What a merchant has set. `currency_fixed`: money has moved, so the currency stays.

    `campaign_holdout_percent`: of customers, by lot, to whom a new campaign gives nothing.
    """

    merchant_id: str
    name: str
    email: str | None
    time_zone: str
    currency: Currency
    locale: str
    refund_policy: RefundPolicy
    campaign_holdout_percent: int
    currency_fixed: bool


class ExistsView(View):
    merchant_id: str
    exists: bool


class ContractView(View):
    """An application; number, account and phone are masked for everybody but the owner."""

    merchant_id: str
    company_name: str
    license_no: str
    settlement_account: str
    contact_phone: str
    notes: str
    submitted_at: Timestamp
    status: ContractStatus


class ContractStatusView(View):
    merchant_id: str
    status: ContractStatus
    application: ContractView | None


class LimitView(View):
    limit: int
    window_ms: int


class PolicyView(View):
    write_enabled: bool
    ws_enabled: bool
    limits: dict[str, LimitView]

    @classmethod
    def of(cls, policy: TenantPolicy) -> "PolicyView":
        return cls(
            write_enabled=policy.write_enabled,
            ws_enabled=policy.ws_enabled,
            limits={name: _limit(limit) for name, limit in sorted(policy.limits.items())},
        )


class TenantPolicyView(View):
    merchant_id: str
    policy: PolicyView


def _limit(limit: Limit) -> LimitView:
    return LimitView(limit=limit.limit, window_ms=limit.window_ms)
