"""What tenancy answers."""

from mealquest.core.wire import Timestamp, View


class CatalogItem(View):
    merchant_id: str
    name: str
    onboarded_at: Timestamp


class CatalogView(View):
    items: list[CatalogItem]
    total: int


class ExistsView(View):
    merchant_id: str
    exists: bool
