"""The tenant policy gate: switches first, then the merchant's own limits per operation."""

from math import ceil

from limits import RateLimitItem, RateLimitItemPerSecond

from mealquest.core.errors import PolicyBlocked, TooManyRequests
from mealquest.tenancy.service import Limit, Operation, TenantPolicy, refusal
from mealquest.web.throttle import Throttles


class QuotaExceeded(TooManyRequests):
    code = "TENANT_RATE_LIMITED"


def pass_gate(
    policy: TenantPolicy, operation: Operation, merchant_id: str, throttles: Throttles
) -> None:
    """Let an operation through or say why not.

    Raises:
        PolicyBlocked: a switch is off (403, with the policy's code).
        QuotaExceeded: the merchant's own limit is used up (429).
    """
    if refused := refusal(policy, operation):
        raise PolicyBlocked(refused.message, code=refused.code)
    if limit := policy.limits.get(operation):
        _spend(limit, operation, merchant_id, throttles)


def _spend(limit: Limit, operation: Operation, merchant_id: str, throttles: Throttles) -> None:
    item = _window(limit)
    if not throttles.hit(item, "policy", merchant_id, operation):
        raise QuotaExceeded(
            f"{operation} quota exceeded for merchant {merchant_id}",
            retry_after=throttles.wait(item, "policy", merchant_id, operation),
        )


def _window(limit: Limit) -> RateLimitItem:
    """Policies count in milliseconds, the store in whole seconds: rounded up, never laxer."""
    return RateLimitItemPerSecond(limit.limit, max(1, ceil(limit.window_ms / 1000)))
