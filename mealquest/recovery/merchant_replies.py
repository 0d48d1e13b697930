"""What the routes about merchants and their connection answer. Never a token, never a state."""

from typing import Self

from mealquest.core.wire import Listing, Timestamp, View
from mealquest.tenancy.service import MerchantAccount


class AuthorizeView(View):
    url: str
    state: str
    merchant_id: str


class ConnectionView(View):
    """`is_set_up`: the operator has told the product who it is at Stripe."""

    merchant_id: str
    account_id: str | None
    connected_at: Timestamp | None
    is_sandbox: bool
    is_set_up: bool


class DisconnectedView(View):
    """`deauthorized`: false when Stripe did not answer, so that its own pages still list us."""

    success: bool = True
    merchant_id: str
    deleted_tasks: int
    cancelled_subscriptions: int
    deauthorized: bool


class MerchantView(View):
    id: str
    name: str
    email: str | None
    stripe_connected: bool
    stripe_connect_id: str | None
    tier: str
    subscription_plan_id: str | None
    billing_country: str | None
    billing_address: str | None
    brand_color: str
    logo_url: str | None
    from_name: str | None
    support_email: str | None
    created_at: Timestamp

    @classmethod
    def of(cls, account: MerchantAccount) -> Self:
        return cls(
            id=account.merchant_id,
            stripe_connected=account.is_connected,
            **{name: getattr(account, name) for name in cls.model_fields if hasattr(account, name)},
        )


class MerchantsView(Listing):
    items: list[MerchantView]


class OwnMerchantView(View):
    id: str
    email: str | None
    tier: str
    stripe_connected: bool
    subscription_plan_id: str | None
    created_at: Timestamp


class DeletedRows(View):
    tasks: int
    usage_logs: int
    daily_metrics: int


class ErasedView(View):
    """`shop_closed`: the shop kept nothing of customers, and is gone too."""

    success: bool = True
    message: str
    deleted: DeletedRows
    shop_closed: bool
