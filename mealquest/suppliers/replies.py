"""What suppliers answer. Amounts are in major units of the order's currency."""

from decimal import Decimal
from typing import Any, Self

from pydantic import Field

from mealquest.core.money import Currency, Money
from mealquest.core.wire import Amount, Page, Timestamp, View
from mealquest.identity.service import CustomerView
from mealquest.suppliers.domain import Amounts, HistoryKind, Match, OrderStatus, Reason
from mealquest.suppliers.models import Partner, PartnerOrder


def major(minor: int, currency: Currency) -> Decimal:
    return Money(minor, currency).major


def major_or_none(minor: int | None, currency: Currency) -> Decimal | None:
    return None if minor is None else major(minor, currency)


class DifferenceView(View):
    """Two amounts that are known: `amount` is `of` minus `to`, `percent` of `to`."""

    of: str
    to: str
    amount: Amount
    percent: Amount | None  # null: of nothing


class PartnerOrderView(View):
    partner_id: str
    partner_name: str
    order_id: str
    amount: Amount
    currency: Currency
    status: OrderStatus
    paid_at: Timestamp | None
    verified_at: Timestamp | None
    verified_by: str | None
    delivered_amount: Amount | None
    invoiced_amount: Amount | None
    match: Match
    difference: Amount  # the largest between two amounts that are known
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, order: PartnerOrder, partner: Partner) -> Self:
        return cls(**order_values(order, partner))

    @property
    def attention(self) -> bool:
        """It was used up, and then the partner took it back."""
        return self.verified_at is not None and self.status is not OrderStatus.PAID


def order_values(order: PartnerOrder, partner: Partner) -> dict[str, Any]:
    currency = order.currency
    amounts = Amounts(order.amount_minor, order.delivered_minor, order.invoiced_minor)
    return {
        "partner_id": order.partner_id,
        "partner_name": partner.name,
        "order_id": order.order_id,
        "amount": major(order.amount_minor, currency),
        "currency": currency,
        "status": order.status,
        "paid_at": order.paid_at,
        "verified_at": order.verified_at,
        "verified_by": order.verified_by,
        "delivered_amount": major_or_none(order.delivered_minor, currency),
        "invoiced_amount": major_or_none(order.invoiced_minor, currency),
        "match": amounts.match(partner.tolerance_minor),
        "difference": major(amounts.spread, currency),
        "created_at": order.created_at,
        "updated_at": order.updated_at,
    }


class PartnerOrdersPage(Page):
    """`differences`: how many orders of the merchant do not agree, whatever is filtered."""

    merchant_id: str
    differences: int
    items: list[PartnerOrderView]


class HistoryView(View):
    kind: HistoryKind
    details: dict[str, Any]
    role: str
    operator_id: str
    occurred_at: Timestamp


class PartnerOrderDetail(PartnerOrderView):
    tolerance: Amount
    differences: list[DifferenceView]
    history: list[HistoryView]  # newest first, at most a hundred


class SeenOrder(View):
    """What the clerk is shown of an order, as the wire contract has it."""

    partner_id: str
    order_id: str
    amount: Amount
    status: OrderStatus
    paid_at: Timestamp | None
    currency: Currency


class VerifyOrderView(View):
    """`reason` says why not; `verified_at` when the order was used up, now or before."""

    partner_id: str
    order_id: str
    min_spend: Amount
    verified: bool
    order: SeenOrder | None
    reason: Reason | None
    verified_at: Timestamp | None


class OrdersTakenView(View):
    partner_id: str
    created: int
    updated: int
    unchanged: int


class PartnerView(View):
    partner_id: str
    name: str
    tolerance: Amount
    key_id: str | None  # the part of the key that is no secret; null without one
    key_made_at: Timestamp | None
    created_at: Timestamp

    @classmethod
    def of(cls, partner: Partner, currency: Currency) -> Self:
        return cls(
            partner_id=partner.partner_id,
            name=partner.name,
            tolerance=major(partner.tolerance_minor, currency),
            key_id=partner.key_id,
            key_made_at=partner.key_made_at,
            created_at=partner.created_at,
        )


class PartnersView(View):
    merchant_id: str
    currency: Currency
    items: list[PartnerView]


class PartnerKeyView(PartnerView):
    """With the key itself, which is never shown again."""

    key: str


class ShownBy(View):
    """Who shows an order, if somebody is to be rewarded: one customer, or those to choose from."""

    customer: CustomerView | None = None
    query: str = ""
    found: list[CustomerView] = Field(default_factory=list)
    code_problem: str | None = None


class DeskView(View):
    """The clerk's page: the partners there are, and what is filled in already."""

    partners: list[PartnerView]
    currency: Currency
    differences: int = Field(0, exclude=True)
    shown_by: ShownBy = Field(default_factory=ShownBy, exclude=True)


class ImportLine(View):
    """What a row of a list does: `created`, `updated` or `unchanged`."""

    row: int
    partner_id: str
    order_id: str
    amount: Amount
    status: OrderStatus
    delivered_amount: Amount | None
    invoiced_amount: Amount | None
    effect: str


class ImportView(View):
    """A list that was found good. Nothing of it counts before it is applied."""

    import_id: str
    applied_at: Timestamp | None
    rows: int
    created: int
    updated: int
    unchanged: int
    currency: Currency
    lines: list[ImportLine]  # the first hundred, none once it is applied
