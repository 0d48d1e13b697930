"""What the list of refused mails answers. Never an address."""

from mealquest.core.wire import Page, Timestamp, View


class SuppressionView(View):
    """`why`: unsubscribed, bounced, complained or by_merchant."""

    address_hash: str
    why: str
    created_at: Timestamp


class SuppressionsView(Page):
    items: list[SuppressionView]
