"""What tenancy answers."""

from mealquest.core.money import Currency
from mealquest.core.wire import Timestamp, View
from mealquest.tenancy.domain import ContractStatus, RefundPolicy


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
