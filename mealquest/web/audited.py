"""The audit row that a refusal or a failure leaves."""

from typing import Any

import structlog

from mealquest.audit import service as audit
from mealquest.audit.service import AuditStatus
from mealquest.core.errors import AppError, MerchantUnavailable, PolicyBlocked, TooManyRequests
from mealquest.core.principal import Principal
from mealquest.web import respond
from mealquest.web.frame import Endpoint
from mealquest.web.policy import QuotaExceeded

log = structlog.get_logger(__name__)


def tell(endpoint: Endpoint, principal: Principal, merchant_id: str, error: AppError) -> None:
    """Into the merchant's audit, for people who are known; whatever happens, nothing is raised.

    A merchant that is not there has no audit to write to.
    """
    row = _row(endpoint, error)
    if row is None or not merchant_id or isinstance(error, MerchantUnavailable):
        return
    action, status, details = row
    try:
        audit.record_alone(merchant_id, action, principal, details, status)
    except Exception as failure:  # noqa: BLE001 - the answer must not depend on the audit
        log.error("audit row lost", action=action, error=repr(failure))


def _row(endpoint: Endpoint, error: AppError) -> tuple[str, AuditStatus, dict[str, Any]] | None:
    if isinstance(error, PolicyBlocked | QuotaExceeded):
        held_back = {"reason": error.message, "policyCode": error.reason}
        return (endpoint.action, AuditStatus.BLOCKED, held_back) if endpoint.action else None
    action = endpoint.action or "ACCESS"
    if respond.denied(error):
        return action, AuditStatus.DENIED, {"error": error.message, "route": endpoint.full_name}
    if endpoint.action and not isinstance(error, TooManyRequests):
        return action, AuditStatus.FAILED, {"error": error.message}
    return None
