"""Partners, keys and orders to test with."""

from decimal import Decimal
from typing import Any

from mealquest.core.principal import Principal, Role
from mealquest.suppliers import service as suppliers
from mealquest.suppliers.forms import (
    OrderPathForm,
    OrdersForm,
    PartnerChangeForm,
    PartnerForm,
    VerifyOrderForm,
)
from mealquest.suppliers.replies import OrdersTakenView, PartnerOrderDetail, VerifyOrderView
from tests.factories.requests import CLERK, OWNER


def add_partner(merchant_id: str, partner_id: str = "coffee") -> str:
    """A new partner's key."""
    form = PartnerForm(partner_id=partner_id, name=f"Partner {partner_id}")
    return suppliers.add_partner(merchant_id, form, OWNER).key


def by_key(merchant_id: str, partner_id: str = "coffee") -> Principal:
    return Principal(Role.PARTNER, partner_id, merchant_id)


def take(merchant_id: str, *orders: dict[str, Any], partner_id: str = "coffee") -> OrdersTakenView:
    form = OrdersForm.model_validate({"orders": list(orders)})
    return suppliers.take(merchant_id, form, by_key(merchant_id, partner_id))


def paid(order_id: str = "o-1", amount: Any = 38, **more: Any) -> dict[str, Any]:
    return {"orderId": order_id, "amount": amount, "status": "PAID", **more}


def verify(
    merchant_id: str, order_id: str = "o-1", least: Any = 0, partner_id: str = "coffee"
) -> VerifyOrderView:
    form = VerifyOrderForm.model_validate(
        {"partnerId": partner_id, "orderId": order_id, "minSpend": least}
    )
    return suppliers.verify(merchant_id, form, CLERK)


def seen(merchant_id: str, order_id: str = "o-1", partner_id: str = "coffee") -> PartnerOrderDetail:
    return suppliers.detail(merchant_id, OrderPathForm(partner_id=partner_id, order_id=order_id))


def set_tolerance(merchant_id: str, sum_: Any, partner_id: str = "coffee") -> None:
    form = PartnerChangeForm(partner_id=partner_id, tolerance=Decimal(sum_))
    suppliers.change_partner(merchant_id, form, OWNER)
