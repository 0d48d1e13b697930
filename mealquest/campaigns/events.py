"""Events of the product that campaigns may listen for, each of them one trigger at the most.

| event of the product | campaigns hear | context, beside `tags` |
| --- | --- | --- |
| a customer signs in | USER_ENTER_SHOP | isNewUser, hasReferral (false: nobody is referred yet) |
| a payment is settled | PAYMENT_SUCCESS | orderAmount, orderCount (earlier paid orders) |
| a top-up | RECHARGE | rechargeAmount, bonusGranted |
| a partner's order counts | PARTNER_ORDER_VERIFIED | partnerOrderVerified, partnerOrderAmount |
| a refund | REFUND | refundAmount, totalRefunded |

Amounts are in major units. `inactivity` adds USER_INACTIVE, `birthdays` BIRTHDAY.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from mealquest.campaigns import queries, triggering
from mealquest.campaigns.queries import Occasion
from mealquest.campaigns.redeeming import count_card
from mealquest.core.db import transaction
from mealquest.core.outbox import Event, Subscribers, Together
from mealquest.core.principal import SYSTEM
from mealquest.core.wire import number
from mealquest.identity.service import UserNotFound
from mealquest.payments import service as payments
from mealquest.wallet.service import major

log = structlog.get_logger(__name__)

NAMES: Mapping[str, str] = {
    "USER_ENTER_SHOP": "USER_ENTER_SHOP",
    "PAYMENT_VERIFIED": "PAYMENT_SUCCESS",
    "WALLET_TOPPED_UP": "RECHARGE",
    "PARTNER_ORDER_VERIFIED": "PARTNER_ORDER_VERIFIED",
    "PAYMENT_REFUNDED": "REFUND",
}


def hear(events: Sequence[Event]) -> None:
    """Let campaigns decide about each of one merchant's events, in their order, once per event.

    One statement when no active campaign listens. A customer who has left gets nothing.
    """
    merchant_id = events[0].merchant_id
    mine = [event for event in events if _counts(event)]
    if not mine:
        return
    names = {NAMES[event.type] for event in mine}
    with transaction(merchant_id) as session:
        active = queries.active_events(session, merchant_id, names)
    for event in mine:
        if NAMES[event.type] in active:
            _hear(event)


def _hear(event: Event) -> None:
    occasion = _occasion(event)
    if occasion is None:
        return
    try:
        triggering.happen(event.merchant_id, occasion)
    except UserNotFound:
        log.info("event of somebody who has left", event_id=event.id, type=event.type)


def _counts(event: Event) -> bool:
    """Whether it is of a customer; of payments, whether it is paid."""
    if not event.payload.get("userId"):
        return False
    return event.type != "PAYMENT_VERIFIED" or event.payload.get("status") == "PAID"


def _occasion(event: Event) -> Occasion | None:
    if event.type == "PAYMENT_VERIFIED":
        return _payment(event)
    context = _CONTEXTS[event.type](event.payload)
    return Occasion(event.payload["userId"], NAMES[event.type], SYSTEM, context, event.id)


def _payment(event: Event) -> Occasion | None:
    payment_id = event.payload["paymentTxnId"]
    with transaction(event.merchant_id) as session:
        order = payments.order_facts(session, event.merchant_id, payment_id)
    if order is None or not order.is_paid:
        return None
    context = {
        "orderAmount": number(major(order.order_minor, order.currency)),
        "orderCount": order.earlier,
    }
    name = NAMES[event.type]
    return Occasion(order.customer_id, name, SYSTEM, context, event.id, payment_id)


def _entered(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"isNewUser": bool(said.get("isNewUser")), "hasReferral": False}


def _recharge(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"rechargeAmount": said.get("amount"), "bonusGranted": said.get("bonusGranted")}


def _partner_order(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"partnerOrderVerified": True, "partnerOrderAmount": said.get("amount")}


def _refund(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"refundAmount": said.get("refundedAmount"), "totalRefunded": said.get("totalRefunded")}


_CONTEXTS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "USER_ENTER_SHOP": _entered,
    "WALLET_TOPPED_UP": _recharge,
    "PARTNER_ORDER_VERIFIED": _partner_order,
    "PAYMENT_REFUNDED": _refund,
}

_HEAR = Together(hear)
SUBSCRIPTIONS: Subscribers = {
    kind: (count_card, _HEAR) if kind == "PAYMENT_VERIFIED" else (_HEAR,) for kind in NAMES
}
