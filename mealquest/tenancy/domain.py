"""Tenant policy: which operations a merchant's policy holds back, and how."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


class RefundPolicy(StrEnum):
    CLAWBACK = "CLAWBACK"  # the gifted share of a refund is taken back
    RESTORE = "RESTORE"  # each part returns to where it came from


class ContractStatus(StrEnum):
    NOT_SUBMITTED = "NOT_SUBMITTED"  # never stored: there is no application
    PENDING_REVIEW = "PENDING_REVIEW"


class Operation(StrEnum):
    """What a tenant policy can name. Every mutating route is declared with one."""

    PAYMENT_VERIFY = "PAYMENT_VERIFY"
    PAYMENT_REFUND = "PAYMENT_REFUND"
    PAYMENT_CANCEL = "PAYMENT_CANCEL"
    RECEIVABLE_SETTLE = "RECEIVABLE_SETTLE"
    WALLET_TOP_UP = "WALLET_TOP_UP"
    TOP_UP_RULE_SET = "TOP_UP_RULE_SET"
    VOUCHER_GRANT = "VOUCHER_GRANT"
    WALLET_MOVE = "WALLET_MOVE"  # what lies in the store's own wallets, into the shared ones
    CUSTOMER_CREATE = "CUSTOMER_CREATE"
    CUSTOMER_PROFILE_SET = "CUSTOMER_PROFILE_SET"
    CUSTOMER_SIGN_IN = "CUSTOMER_SIGN_IN"
    MERCHANT_SETTINGS_SET = "MERCHANT_SETTINGS_SET"
    STAFF_INVITE = "STAFF_INVITE"
    STAFF_ROLE_SET = "STAFF_ROLE_SET"  # and name and phone
    STAFF_REMOVE = "STAFF_REMOVE"
    INVOICE_ISSUE = "INVOICE_ISSUE"
    INVOICE_MAIL = "INVOICE_MAIL"
    PROPOSAL_CONFIRM = "PROPOSAL_CONFIRM"
    CAMPAIGN_REPLAY = "CAMPAIGN_REPLAY"
    KILL_SWITCH_SET = "KILL_SWITCH_SET"
    TCA_TRIGGER = "TCA_TRIGGER"
    PRIVACY_EXPORT = "PRIVACY_EXPORT"
    PRIVACY_DELETE = "PRIVACY_DELETE"
    PRIVACY_CANCEL = "PRIVACY_CANCEL"
    STRATEGY_CHAT_WRITE = "STRATEGY_CHAT_WRITE"
    STRATEGY_PROPOSAL_CREATE = "STRATEGY_PROPOSAL_CREATE"
    CAMPAIGN_STATUS_SET = "CAMPAIGN_STATUS_SET"
    FIRE_SALE_CREATE = "FIRE_SALE_CREATE"
    SUPPLIER_VERIFY = "SUPPLIER_VERIFY"
    SUPPLIER_ORDER_SET = "SUPPLIER_ORDER_SET"
    SUPPLIER_PARTNER_SET = "SUPPLIER_PARTNER_SET"
    ALLIANCE_CONFIG_SET = "ALLIANCE_CONFIG_SET"
    ALLIANCE_SYNC_USER = "ALLIANCE_SYNC_USER"
    ALLIANCE_SETTLE = "ALLIANCE_SETTLE"  # what a partner owed was paid, or is given up
    ALLIANCE_LIMIT_SET = "ALLIANCE_LIMIT_SET"  # how much a partner may owe
    CONTRACT_APPLY = "CONTRACT_APPLY"
    RECOVERY_TASK_SET = "RECOVERY_TASK_SET"
    STRIPE_CONNECT = "STRIPE_CONNECT"
    STRIPE_DISCONNECT = "STRIPE_DISCONNECT"
    RECOVERY_CHARGE = "RECOVERY_CHARGE"
    RECOVERY_REMINDERS_STOP = "RECOVERY_REMINDERS_STOP"
    RECOVERY_REMINDER_SEND = "RECOVERY_REMINDER_SEND"
    RECOVERY_SEQUENCE_SET = "RECOVERY_SEQUENCE_SET"  # when reminders go out, and their words
    RECOVERY_SUPPRESSION_SET = "RECOVERY_SUPPRESSION_SET"
    AUDIT_QUERY = "AUDIT_QUERY"
    WS_CONNECT = "WS_CONNECT"
    WS_STATUS_QUERY = "WS_STATUS_QUERY"


READS = frozenset({Operation.AUDIT_QUERY, Operation.WS_CONNECT, Operation.WS_STATUS_QUERY})
REALTIME = frozenset({Operation.WS_CONNECT, Operation.WS_STATUS_QUERY})
# What a frozen merchant may still do: stop its campaigns.
PASSES_FREEZE = READS | {Operation.KILL_SWITCH_SET}


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many successes in any stretch of time of that length."""

    limit: int
    window_ms: int = MINUTE_MS

    def stored(self) -> dict[str, int]:
        return {"limit": self.limit, "windowMs": self.window_ms}


@dataclass(frozen=True, slots=True)
class Freeze:
    """A merchant that is read-only: since when and by whom, where that is known.

    `by`: a member of staff, or `operator`.
    """

    since: datetime | None
    by: str | None


@dataclass(frozen=True, slots=True)
class TenantPolicy:
    write_enabled: bool = True
    ws_enabled: bool = True
    limits: dict[str, Limit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """What of a policy is to change; None leaves it. A limit that is None is removed."""

    write_enabled: bool | None = None
    ws_enabled: bool | None = None
    limits: dict[Operation, Limit | None] | None = None

    def patch(self) -> dict[str, Any]:
        """As the wire writes it."""
        said: dict[str, Any] = {"writeEnabled": self.write_enabled, "wsEnabled": self.ws_enabled}
        if self.limits is not None:
            said["limits"] = {
                name.value: limit.stored() if limit else None for name, limit in self.limits.items()
            }
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Refusal:
    code: str
    message: str


def refusal(policy: TenantPolicy, operation: Operation) -> Refusal | None:
    """Why the policy's switches hold this operation back; None when they let it pass."""
    if not policy.write_enabled and operation not in PASSES_FREEZE:
        return Refusal("TENANT_WRITE_DISABLED", "merchant is read-only during migration")
    if not policy.ws_enabled and operation in REALTIME:
        return Refusal(
            "TENANT_REALTIME_DISABLED", "merchant realtime channel is disabled during migration"
        )
    return None
