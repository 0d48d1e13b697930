"""What holds a merchant's operations back: the freeze, the realtime switch, and limits.

The gate of the frame asks `policy_of` before every operation that is declared with one. A limit of
the installation (`MQ_TENANT_POLICY_DEFAULT`) holds for every merchant that has none of its own.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Flask, current_app
from pydantic_core import PydanticCustomError
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.audit.service import HeldBack
from mealquest.core import outbox, waiting
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.principal import Principal
from mealquest.core.settings import ConfigurationError, Settings
from mealquest.tenancy import queries
from mealquest.tenancy.domain import Freeze, Limit, PolicyChange, TenantPolicy
from mealquest.tenancy.models import TenantPolicyRow
from mealquest.tenancy.policy_forms import Limits, limits_of
from mealquest.tenancy.replies import PolicyView, TenantPolicyView

ACTION = "TENANT_POLICY_SET"
LATELY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """What the policy's page tells: what holds, what of it the merchant has set, what came of it.

    `held_back` since `since`; `waiting`: words of the payment gateway that wait for the merchant.
    """

    holds: TenantPolicy
    own: TenantPolicy
    freeze: Freeze | None
    held_back: list[HeldBack]
    since: datetime
    waiting: int


def read_default_limits(app: Flask, settings: Settings) -> None:
    """Once, at the start. ConfigurationError: a limit of the installation cannot be one."""
    try:
        limits = limits_of(settings.default_limits)
    except PydanticCustomError as wrong:
        raise ConfigurationError(f"MQ_TENANT_POLICY_DEFAULT: {wrong.message()}") from None
    app.extensions["default_limits"] = {
        name.value: limit for name, limit in limits.items() if limit is not None
    }


def policy_of(session: Session, merchant_id: str) -> TenantPolicy:
    """What holds for the merchant, in one statement; without a row everything is allowed."""
    return _with_defaults(queries.policy(session, merchant_id))


def freeze_of(session: Session, merchant_id: str) -> Freeze | None:
    """None: the merchant may write."""
    return queries.freeze(session, merchant_id)


def merchant_policy(merchant_id: str) -> TenantPolicyView:
    """What holds for the merchant, limits of the installation included."""
    with transaction(merchant_id) as session:
        policy = policy_of(session, merchant_id)
    return TenantPolicyView(merchant_id=merchant_id, policy=PolicyView.of(policy))


def policy_facts(merchant_id: str) -> PolicyFacts:
    since = utc_now() - LATELY
    with transaction(merchant_id) as session:
        own = queries.policy(session, merchant_id)
        freeze = queries.freeze(session, merchant_id)
        held_back = audit.held_back(session, merchant_id, since)
    return PolicyFacts(
        _with_defaults(own), own, freeze, held_back, since, waiting.count_of(merchant_id)
    )


def change_policy(merchant_id: str, change: PolicyChange, by: Principal) -> TenantPolicyView:
    """Change what is named; answers what the merchant itself has set now."""
    with transaction(merchant_id) as session:
        row = queries.locked_policy(session, merchant_id)
        _switch(session, row, change.write_enabled, change.ws_enabled, by.subject)
        _set_limits(row, change.limits or {})
        session.flush()
        audit.record(session, merchant_id, ACTION, by, {"patch": change.patch()})
        policy = queries.policy_in(row)
    return TenantPolicyView(merchant_id=merchant_id, policy=PolicyView.of(policy))


def set_switches(
    session: Session,
    merchant_id: str,
    *,
    write_enabled: bool | None = None,
    ws_enabled: bool | None = None,
    by: str | None = None,
) -> TenantPolicy:
    """Turn writing or live events on or off, and leave what is None as it is.

    `by`: who it was, for people who see the freeze. Returns what the merchant itself has set now,
    which counts from the commit on.
    """
    row = queries.locked_policy(session, merchant_id)
    _switch(session, row, write_enabled, ws_enabled, by)
    session.flush()
    return queries.policy_in(row)


def set_policy(session: Session, merchant_id: str, policy: TenantPolicy) -> None:
    """Replace the merchant's policy as a whole."""
    row = queries.locked_policy(session, merchant_id)
    _switch(session, row, policy.write_enabled, policy.ws_enabled, None)
    row.limits = {name: limit.stored() for name, limit in policy.limits.items()}
    session.flush()


def _switch(
    session: Session,
    row: TenantPolicyRow,
    write_enabled: bool | None,
    ws_enabled: bool | None,
    by: str | None,
) -> None:
    """Who is frozen again stays frozen since the first time. What waited for the end goes on."""
    row.updated_at = utc_now()
    if ws_enabled is not None:
        row.ws_enabled = ws_enabled
    if write_enabled is None or write_enabled == row.write_enabled:
        return
    row.write_enabled = write_enabled
    row.frozen_at, row.frozen_by = (None, None) if write_enabled else (utc_now(), by)
    if write_enabled:
        outbox.wake(session, row.merchant_id)


def _set_limits(row: TenantPolicyRow, changes: Limits) -> None:
    limits: dict[str, Any] = dict(row.limits)
    for operation, limit in changes.items():
        if limit is None:
            limits.pop(operation.value, None)
        else:
            limits[operation.value] = limit.stored()
    row.limits = limits


def _with_defaults(policy: TenantPolicy) -> TenantPolicy:
    defaults: dict[str, Limit] = current_app.extensions["default_limits"]
    if not defaults:
        return policy
    return TenantPolicy(policy.write_enabled, policy.ws_enabled, defaults | policy.limits)
