"""Callers and keyed requests, as the frame would hand them to a service."""

from mealquest.core.idempotency import KeyedRequest, request_hash
from mealquest.core.principal import Principal, Role
from mealquest.core.wire import Input

OWNER = Principal(Role.OWNER, "staff_owner")
MANAGER = Principal(Role.MANAGER, "staff_manager")
CLERK = Principal(Role.CLERK, "staff_clerk")


def customer(customer_id: str) -> Principal:
    return Principal(Role.CUSTOMER, customer_id)


def keyed(form: Input, key: str, by: Principal = CLERK, route: str = "fixture") -> KeyedRequest:
    return KeyedRequest(by.actor, route, key, request_hash(form))
