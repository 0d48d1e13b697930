from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from mealquest.core.db import ControlRow, TenantRow, stamp, stored
from mealquest.core.money import Currency
from mealquest.tenancy.domain import ContractStatus, RefundPolicy
from mealquest.tenancy.moves.domain import MoveState, Phase


class Merchant(ControlRow):
    """That a merchant exists, what it is called, its account at Stripe, and how its mails look.

    Its shop's data are tenant rows. `stripe_connect_id` names the account that webhooks tell of
    and calls act for; the tokens that came with it are sealed and never used for calls.
    `stripe_customer_id` is who the platform bills.
    """

    __tablename__ = "merchants"

    id: Mapped[str] = mapped_column(
        primary_key=True, server_default=text("gen_random_uuid()::text")
    )
    name: Mapped[str] = mapped_column(server_default=text("''"))
    email: Mapped[str | None]
    created_at: Mapped[datetime] = stamp()
    stripe_connect_id: Mapped[str | None] = mapped_column(unique=True)
    stripe_user_id: Mapped[str | None]
    access_token: Mapped[str | None]
    refresh_token: Mapped[str | None]
    oauth_state: Mapped[str | None]  # always empty; states are hashed, in stripe_oauth_states
    connected_at: Mapped[datetime | None]
    stripe_customer_id: Mapped[str | None] = mapped_column(unique=True)
    subscription_plan_id: Mapped[str | None]
    plan_event_at: Mapped[datetime | None]  # of the newest event that set the plan
    tier: Mapped[str] = mapped_column(server_default=text("'FREE'"))
    billing_country: Mapped[str | None]
    billing_address: Mapped[str | None]
    brand_color: Mapped[str] = mapped_column(server_default=text("'#000000'"))
    logo_url: Mapped[str | None]
    from_name: Mapped[str | None]
    support_email: Mapped[str | None]


class MerchantSettings(TenantRow):
    __tablename__ = "merchant_settings"
    __table_args__ = (
        CheckConstraint("budget_cap_minor > 0", name="budget_cap_positive"),
        CheckConstraint("campaign_holdout_percent BETWEEN 0 AND 50", name="holdout_in_range"),
    )

    name: Mapped[str]  # beside merchants.name, so that one payment reads one database
    currency: Mapped[Currency]
    time_zone: Mapped[str]
    locale: Mapped[str]
    refund_policy: Mapped[RefundPolicy] = mapped_column(stored(RefundPolicy))
    budget_cap_minor: Mapped[int]
    kill_switch_enabled: Mapped[bool] = mapped_column(server_default=text("false"))
    campaign_holdout_percent: Mapped[int | None]  # null: as the product is configured
    cluster_id: Mapped[str]
    onboarded_at: Mapped[datetime] = stamp()


class TenantPolicyRow(TenantRow):
    """Absent row: everything is allowed. `limits` maps an operation to {limit, windowMs}.

    `frozen_at` and `frozen_by` (a member of staff, or `operator`) tell of the freeze there is.
    """

    __tablename__ = "tenant_policies"

    write_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    ws_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    limits: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    updated_at: Mapped[datetime] = stamp()
    frozen_at: Mapped[datetime | None]
    frozen_by: Mapped[str | None]


class ContractApplication(TenantRow):
    """A merchant's last application for a contract. Number, account and phone are encrypted."""

    __tablename__ = "contract_applications"

    company_name: Mapped[str]
    license_no: Mapped[str]
    settlement_account: Mapped[str]
    contact_phone: Mapped[str]
    notes: Mapped[str]
    status: Mapped[ContractStatus] = mapped_column(stored(ContractStatus))
    submitted_by: Mapped[str]
    submitted_at: Mapped[datetime] = stamp()


class TenantMove(ControlRow):
    """A move of a merchant between two places, at home. At most one of a merchant is not ended."""

    __tablename__ = "tenant_moves"
    __table_args__ = (
        Index(None, "merchant_id", unique=True, postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str]
    state: Mapped[MoveState] = mapped_column(stored(MoveState))
    step: Mapped[str] = mapped_column(server_default=text("''"))
    source: Mapped[str]
    target: Mapped[str]
    error: Mapped[str | None]
    figures: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    report: Mapped[dict[str, Any] | None]
    started_by: Mapped[str]
    started_at: Mapped[datetime] = stamp()
    updated_at: Mapped[datetime] = stamp()
    due_at: Mapped[datetime] = stamp()  # when a driver looks at it next
    moved_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class MerchantMigration(ControlRow):
    """What an owner is told of the merchant's migration, at home. No row: there never was any."""

    __tablename__ = "merchant_migrations"

    merchant_id: Mapped[str] = mapped_column(primary_key=True)
    phase: Mapped[Phase] = mapped_column(stored(Phase))
    step: Mapped[str]
    note: Mapped[str]
    updated_at: Mapped[datetime] = stamp()


class MoveMark(TenantRow):
    """What a mover writes on one side and waits for on the other: all before it is there too."""

    __tablename__ = "move_marks"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
