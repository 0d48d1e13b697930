"""The tenant policy gate: switches first, then the merchant's own limits per operation."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

from flask import current_app

from mealquest.core.db import transaction
from mealquest.core.errors import PolicyBlocked, TooManyRequests
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation, TenantPolicy, refusal
from mealquest.web.quota import Place, Quotas


class QuotaExceeded(TooManyRequests):
    code = "TENANT_RATE_LIMITED"


def pass_gate(policy: TenantPolicy, operation: Operation, merchant_id: str) -> Place | None:
    """Let an operation through or say why not; a limited one comes with the place it takes.

    Raises:
        PolicyBlocked: a switch is off (403, with the policy's code).
        QuotaExceeded: the merchant's own limit is used up (429).
    """
    if refused := refusal(policy, operation):
        raise PolicyBlocked(refused.message, code=refused.code)
    return _place(policy, operation, merchant_id)


@contextmanager
def counted(merchant_id: str, operation: Operation) -> Iterator[None]:
    """Count what happens within by the merchant's limit, if it comes to an end without an error.

    For handlers of people who are not signed in, of whom the frame knows no merchant.
    QuotaExceeded: it must not begin.
    """
    with transaction(merchant_id) as session:
        policy = tenancy.policy_of(session, merchant_id)
    place = _place(policy, operation, merchant_id)
    try:
        yield
    except BaseException:
        if place:
            quotas().give_back(place)
        raise


def quotas() -> Quotas:
    found: Quotas = current_app.extensions["quotas"]
    return found


def _place(policy: TenantPolicy, operation: Operation, merchant_id: str) -> Place | None:
    limit = policy.limits.get(operation)
    if limit is None:
        return None
    use = quotas().take(merchant_id, operation, limit)
    if not use.has_room:
        raise QuotaExceeded(
            f"{operation} quota exceeded for merchant {merchant_id}",
            retry_after=max(1, ceil(use.wait_ms / 1000)),
        )
    return use.place
