"""What the old server kept, as it was read: amounts in minor units, states as enums."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from mealquest.audit.service import AuditStatus
from mealquest.campaigns.service import CampaignStatus
from mealquest.core.principal import Role
from mealquest.strategy.service import ConfigStatus, MessageType, ProposalStatus, Speaker
from mealquest.wallet.service import Balances, Deduction, VoucherType


class OldStatus(StrEnum):
    """States of a payment there. A pending one had reserved nothing."""

    PAID = "PAID"
    PENDING_EXTERNAL = "PENDING_EXTERNAL"
    EXTERNAL_FAILED = "EXTERNAL_FAILED"


class OldVoucher(StrEnum):
    ACTIVE = "ACTIVE"
    USED = "USED"


class OldEntry(StrEnum):
    PAYMENT = "PAYMENT"
    PAYMENT_PENDING = "PAYMENT_PENDING"
    PAYMENT_EXTERNAL_CONFIRM = "PAYMENT_EXTERNAL_CONFIRM"
    REFUND = "REFUND"


@dataclass(frozen=True, slots=True)
class Merchant:
    id: str
    name: str
    kill_switch: bool
    budget_cap: int
    budget_used: int
    staff: tuple[tuple[str, Role], ...]
    onboarded_at: datetime | None
    owner_phone: str | None
    cluster_id: str | None = None


@dataclass(frozen=True, slots=True)
class Voucher:
    id: str
    type: VoucherType
    name: str
    value: int
    min_spend: int
    rate: Decimal | None
    status: OldVoucher
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class User:
    id: str
    name: str
    balances: Balances
    tags: tuple[str, ...]
    fragments: dict[str, int]
    vouchers: tuple[Voucher, ...]
    deleted: bool
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outside:
    """The part of a payment that was asked for from outside."""

    provider: str
    intent: str | None
    txn_id: str | None
    confirmed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Payment:
    id: str
    user_id: str
    status: OldStatus
    parts: Deduction
    refunded: int
    voucher_id: str | None
    quote: dict[str, Any]
    outside: Outside | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LedgerRow:
    id: str
    type: OldEntry
    payment_id: str
    amount: int
    from_bonus: int | None  # of a refund; None: the row does not say
    from_principal: int | None
    details: dict[str, Any]
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Invoice:
    number: str
    payment_id: str
    amount: int
    title: str | None
    tax_no: str | None
    email: str | None
    issued_at: datetime | None


@dataclass(frozen=True, slots=True)
class PartnerOrder:
    partner_id: str
    order_id: str
    amount: int
    status: str
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    id: str
    at: datetime
    action: str
    status: AuditStatus
    role: str
    operator_id: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Campaign:
    id: str
    name: str
    status: CampaignStatus
    priority: int
    event: str
    conditions: tuple[dict[str, Any], ...]
    cap: int
    used: int
    cost: int
    action: dict[str, Any]
    ttl_until: datetime | None
    meta: dict[str, Any]
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """`campaign` is the suggested one as it went over the wire."""

    id: str
    status: ProposalStatus
    title: str
    intent: str
    meta: dict[str, Any]
    campaign: dict[str, Any]
    ttl_until: datetime | None
    created_at: datetime | None
    decided_by: str | None
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class StrategyConfig:
    template_id: str
    branch_id: str
    status: ConfigStatus
    last_proposal_id: str | None
    last_campaign_id: str | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Message:
    role: Speaker
    type: MessageType
    text: str
    proposal_id: str | None
    card: dict[str, Any] | None
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Chat:
    id: str
    pending_id: str | None
    created_by: str
    created_at: datetime | None
    updated_at: datetime | None
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Binding:
    """What leads to a customer: a provider's name for somebody, or a phone."""

    provider: str
    subject: str
    user_id: str
    union_id: str | None
    linked_at: datetime | None
    last_login_at: datetime | None


@dataclass(frozen=True, slots=True)
class Contract:
    company_name: str
    license_no: str
    settlement_account: str
    contact_phone: str
    notes: str
    submitted_by: str
    submitted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Policy:
    """`limits`: calls and milliseconds, by operation."""

    write_enabled: bool
    ws_enabled: bool
    limits: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Alliance:
    cluster_id: str | None
    stores: tuple[str, ...]
    wallet_shared: bool
    tier_shared: bool
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A request that had its effect; `answer` as it went over the wire, None when unreadable."""

    route: str  # verify, refund, callback
    key: str
    answer: dict[str, Any] | None


@dataclass(slots=True)
class Shop:
    """Everything of one merchant."""

    merchant: Merchant
    users: list[User] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    ledger: list[LedgerRow] = field(default_factory=list)
    invoices: list[Invoice] = field(default_factory=list)
    orders: list[PartnerOrder] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)
    campaigns: list[Campaign] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    configs: list[StrategyConfig] = field(default_factory=list)
    chats: list[Chat] = field(default_factory=list)
    bindings: list[Binding] = field(default_factory=list)
    contract: Contract | None = None
    policy: Policy | None = None
    alliance: Alliance | None = None
    keys: list[KeptKey] = field(default_factory=list)
