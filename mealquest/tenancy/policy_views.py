"""Freeze, live events and limits: what the owner sets, and how each limit stands at the moment."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import url_for
from flask_babel import ngettext
from pydantic import Field

from mealquest.audit.service import HeldBack
from mealquest.core.principal import Role
from mealquest.core.wire import NoInput
from mealquest.tenancy import service
from mealquest.tenancy.domain import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Freeze,
    Limit,
    Operation,
    PolicyChange,
)
from mealquest.tenancy.policy_forms import UNITS, LimitForm, OperationForm, PolicyForm, SwitchForm
from mealquest.tenancy.replies import PolicyView, TenantPolicyView
from mealquest.tenancy.words import OPERATIONS
from mealquest.web import people
from mealquest.web.frame import Call, Face, Feature, Scope
from mealquest.web.look import translate as _
from mealquest.web.policy import quotas
from mealquest.web.quota import Use

feature = Feature("tenant_policy")
OWNER = frozenset({Role.OWNER})
URL = "/console/tenant-policy"
ENDS_IT = "whoever froze the merchant must be able to end that"
ACTION = service.POLICY_ACTION


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One limit on the page. `used` is None while nobody can count; `is_own`: not inherited."""

    operation: str
    limit: Limit
    used: int | None
    is_own: bool

    @property
    def is_used_up(self) -> bool:
        return self.used is not None and self.used >= self.limit.limit

    @property
    def every(self) -> dict[str, Any]:
        """The window as the form takes it."""
        for unit in ("day", "hour", "minute"):
            if self.limit.window_ms % UNITS[unit] == 0:
                return {"every": self.limit.window_ms // UNITS[unit], "unit": unit}
        return {"every": max(1, self.limit.window_ms // 1000), "unit": "second"}


class PolicyPage(TenantPolicyView):
    """The policy, and what its page tells beside it."""

    rows: list[LimitRow] = Field(default_factory=list, exclude=True)
    freeze: Freeze | None = Field(None, exclude=True)
    frozen_by: str = Field("", exclude=True)
    held_back: list[HeldBack] = Field(default_factory=list, exclude=True)
    since: datetime | None = Field(None, exclude=True)
    waiting: int = Field(0, exclude=True)


@feature.get(
    api="/api/merchant/tenant-policy",
    page=URL,
    roles=OWNER,
    scope=Scope.QUERY,
    template="tenancy/policy",
)
def policy(call: Call, form: NoInput) -> PolicyPage:
    """What holds the merchant's operations back: the freeze, the realtime switch, limits."""
    if call.face is Face.API:
        return PolicyPage(**dict(service.merchant_policy(call.merchant_id)))
    return _page(call.merchant_id)


@feature.post(
    api="/api/merchant/tenant-policy",
    roles=OWNER,
    scope=Scope.BODY,
    ungated=ENDS_IT,
    action=ACTION,
)
def change(call: Call, form: PolicyForm) -> TenantPolicyView:
    """Change what is named; limits are merged by operation, and null removes one."""
    return service.change_policy(call.merchant_id, form.change, call.principal)


def _to_page(_view: object) -> str:
    return url_for("tenant_policy.policy.page")


@feature.post(
    page=f"{URL}/writing",
    roles=OWNER,
    scope=Scope.BODY,
    ungated=ENDS_IT,
    action=ACTION,
    again="tenant_policy.policy",
    see_other=_to_page,
    flash=lambda view: (
        _("The shop may write again.")
        if view.policy.write_enabled
        else _("The shop is frozen. Nothing in it changes until you end that.")
    ),
)
def set_writing(call: Call, form: SwitchForm) -> TenantPolicyView:
    """Freeze the shop, or let it write again."""
    wanted = PolicyChange(write_enabled=form.enabled)
    return service.change_policy(call.merchant_id, wanted, call.principal)


@feature.post(
    page=f"{URL}/realtime",
    roles=OWNER,
    scope=Scope.BODY,
    ungated=ENDS_IT,
    action=ACTION,
    again="tenant_policy.policy",
    see_other=_to_page,
    flash=lambda view: (
        _("Live events are on.") if view.policy.ws_enabled else _("Live events are off.")
    ),
)
def set_realtime(call: Call, form: SwitchForm) -> TenantPolicyView:
    """Turn live events on or off."""
    wanted = PolicyChange(ws_enabled=form.enabled)
    return service.change_policy(call.merchant_id, wanted, call.principal)


@feature.post(
    page=f"{URL}/limits",
    roles=OWNER,
    scope=Scope.BODY,
    ungated=ENDS_IT,
    action=ACTION,
    again="tenant_policy.policy",
    see_other=_to_page,
    flash=lambda _view: _("The limit holds from now on."),
)
def set_limit(call: Call, form: LimitForm) -> TenantPolicyView:
    """Limit how often something may be done, in place of the limit there was."""
    wanted = PolicyChange(limits={form.operation: form.as_limit})
    return service.change_policy(call.merchant_id, wanted, call.principal)


@feature.post(
    page=f"{URL}/limits/<operation>/remove",
    roles=OWNER,
    scope=Scope.BODY,
    ungated=ENDS_IT,
    action=ACTION,
    see_other=_to_page,
    flash=lambda _view: _("The limit is removed."),
)
def remove_limit(call: Call, form: OperationForm) -> TenantPolicyView:
    """Remove the shop's own limit; one of the installation holds again where there is one."""
    wanted = PolicyChange(limits={form.operation: None})
    return service.change_policy(call.merchant_id, wanted, call.principal)


def _page(merchant_id: str) -> PolicyPage:
    facts = service.policy_facts(merchant_id)
    limits = facts.holds.limits
    uses = quotas().look(merchant_id, limits)
    by = facts.freeze.by if facts.freeze else None
    return PolicyPage(
        merchant_id=merchant_id,
        policy=PolicyView.of(facts.holds),
        rows=sorted(
            (_row(name, limits[name], uses, facts.own.limits) for name in limits),
            key=lambda row: policy_operation(row.operation),
        ),
        freeze=facts.freeze,
        frozen_by=people.names(merchant_id, [by]).get(by, by) if by else "",
        held_back=facts.held_back,
        since=facts.since,
        waiting=facts.waiting,
    )


def _row(name: str, limit: Limit, uses: dict[str, Use], own: dict[str, Limit]) -> LimitRow:
    use = uses.get(name)
    return LimitRow(name, limit, use.used if use else None, name in own)


@feature.word
def policy_operation(name: str) -> str:
    """What an operation is, in the reader's words."""
    words = OPERATIONS.get(Operation(name)) if name in set(Operation) else None
    return str(words or name)


@feature.word
def policy_operations() -> list[tuple[str, str]]:
    """Everything a limit can be set on."""
    named = [(operation.value, str(words)) for operation, words in OPERATIONS.items()]
    return sorted(named, key=lambda option: option[1])


@feature.word
def policy_units() -> list[tuple[str, str]]:
    return [
        ("second", _("seconds")),
        ("minute", _("minutes")),
        ("hour", _("hours")),
        ("day", _("days")),
    ]


@feature.word
def policy_window(window_ms: int) -> str:
    """A length of time in the largest unit that it is a whole number of."""
    if window_ms % DAY_MS == 0:
        words = ngettext("in %(num)s day", "in %(num)s days", window_ms // DAY_MS)
    elif window_ms % HOUR_MS == 0:
        words = ngettext("in %(num)s hour", "in %(num)s hours", window_ms // HOUR_MS)
    elif window_ms % MINUTE_MS == 0:
        words = ngettext("in %(num)s minute", "in %(num)s minutes", window_ms // MINUTE_MS)
    elif window_ms % 1000 == 0:
        words = ngettext("in %(num)s second", "in %(num)s seconds", window_ms // 1000)
    else:
        words = ngettext("in %(num)s millisecond", "in %(num)s milliseconds", window_ms)
    return str(words)


@feature.word
def policy_reason(code: str) -> str:
    """Why the policy held something back."""
    reasons = {
        "TENANT_WRITE_DISABLED": _("The shop was frozen"),
        "TENANT_RATE_LIMITED": _("The limit was used up"),
        "TENANT_REALTIME_DISABLED": _("Live events were off"),
    }
    return reasons.get(code, code)
