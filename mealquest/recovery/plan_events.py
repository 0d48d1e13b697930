"""What the platform's own subscriptions say of a merchant's plan.

Only events of the platform's account count here: a merchant sells subscriptions too, and must not
raise its own plan with one of them.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from flask import current_app
from sqlalchemy.orm import Session

from mealquest.recovery.domain import Plan
from mealquest.recovery.gateway import id_of
from mealquest.tenancy import service as tenancy

CREATED, UPDATED, DELETED = (
    f"customer.subscription.{what}" for what in ("created", "updated", "deleted")
)
TYPES: Final = (CREATED, UPDATED, DELETED)
PAID_FOR = frozenset({"active", "trialing"})
TIERS = {Plan.FREE: "FREE", Plan.GROWTH: "PRO", Plan.PRO: "ENTERPRISE"}
# Stripe tells whole seconds, and makes several of these events in one.
_RANK = {one: timedelta(microseconds=number) for number, one in enumerate(TYPES)}

log = structlog.get_logger(__name__)


def merchant_of(event_type: str, about: Mapping[str, Any]) -> str | None:
    """Whom an event of the platform's account is about; None: nobody it bills."""
    customer_id = id_of(about.get("customer"))
    if event_type not in TYPES or customer_id is None:
        return None
    return tenancy.merchant_billed_as(customer_id)


def take(
    session: Session, merchant_id: str, event_type: str, created: datetime, about: Mapping[str, Any]
) -> tuple[str, str]:
    """Set the plan that the subscription now stands for. Returns action and reason.

    An older event changes nothing. A price that nobody has mapped changes nothing either: somebody
    pays for it, and shall not lose what they have.
    """
    account = tenancy.account_of(session, merchant_id, lock=True)
    at = created + _RANK[event_type]
    if account.plan_event_at is not None and at < account.plan_event_at:
        return "ignored", "a newer event has set the plan"
    plan = _plan(event_type, about)
    if plan is None:
        log.error("plan unknown: map its price", merchant_id=merchant_id, price=_price(about))
        return "error", "unknown price: the plan stays as it is"
    tenancy.set_account(
        session,
        merchant_id,
        subscription_plan_id=plan.value,
        tier=TIERS[plan],
        plan_event_at=at,
    )
    return "processed", f"plan {plan.value}"


def _plan(event_type: str, about: Mapping[str, Any]) -> Plan | None:
    if event_type == DELETED or about.get("status") not in PAID_FOR:
        return Plan.FREE
    settings = current_app.config["SETTINGS"]
    prices = {
        settings.stripe_price_id_free: Plan.FREE,
        settings.stripe_price_id_growth: Plan.GROWTH,
        settings.stripe_price_id_pro: Plan.PRO,
    }
    price = _price(about)
    return prices.get(price) if price else None


def _price(about: Mapping[str, Any]) -> str | None:
    """Of its first item; older versions of the API call it a plan."""
    items = about.get("items")
    rows = items.get("data") if isinstance(items, Mapping) else None
    first = rows[0] if isinstance(rows, list) and rows else None
    if not isinstance(first, Mapping):
        return None
    return id_of(first.get("price")) or id_of(first.get("plan"))
