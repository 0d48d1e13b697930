"""What tenancy answers."""

from mealquest.core.money import Currency
from mealquest.core.wire import Timestamp, View
from mealquest.tenancy.domain import RefundPolicy


class CatalogItem(View):
    merchant_id: str
    name: str
    onboarded_at: Timestamp


class CatalogView(View):
    items: list[CatalogItem]
    total: int


class SettingsView(View):
    """What a merchant has set. `currency_fixed`: money has moved, so the currency stays."""

    merchant_id: str
    name: str
    email: str | None
    time_zone: str
    currency: Currency
    locale: str
    refund_policy: RefundPolicy
    currency_fixed: bool


class ExistsView(View):
    merchant_id: str
    exists: bool
