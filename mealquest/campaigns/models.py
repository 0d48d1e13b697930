from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from mealquest.campaigns.domain import CampaignStatus, Stopped
from mealquest.campaigns.replay_domain import ReplayState
from mealquest.core.db import TenantRow, stamp, stored


def _customer_key() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["merchant_id", "customer_id"], ["customers.merchant_id", "customers.id"]
    )


class CampaignRow(TenantRow):
    """A campaign, its limits, and what it has spent. Its row lock guards what it spends.

    `conditions` and `action` are as they go over the wire, amounts in major units.
    """

    __tablename__ = "campaigns"
    __table_args__ = (
        CheckConstraint(
            "cap_units >= 0 AND cost_units >= 0 AND used_units BETWEEN 0 AND cap_units",
            name="units_in_range",
        ),
        CheckConstraint(
            "cap_minor > 0 AND customer_cap_minor > 0 AND day_cap_minor > 0", name="caps_positive"
        ),
        CheckConstraint("spent_minor >= 0", name="spent_not_negative"),
        CheckConstraint("customer_hits > 0 AND customer_days > 0", name="frequency_positive"),
        CheckConstraint("holdout_percent BETWEEN 0 AND 50", name="holdout_in_range"),
        Index(None, "merchant_id", "event", postgresql_where=text("status <> 'ARCHIVED'")),
        Index(None, "merchant_id", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    status: Mapped[CampaignStatus] = mapped_column(stored(CampaignStatus))
    priority: Mapped[int]
    event: Mapped[str]
    conditions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    action: Mapped[dict[str, Any]]
    cap_units: Mapped[int]
    cost_units: Mapped[int]
    used_units: Mapped[int] = mapped_column(server_default=text("0"))
    cap_minor: Mapped[int | None]
    customer_cap_minor: Mapped[int | None]
    day_cap_minor: Mapped[int | None]
    spent_minor: Mapped[int] = mapped_column(server_default=text("0"))
    hits: Mapped[int] = mapped_column(server_default=text("0"))
    customer_hits: Mapped[int | None]
    customer_days: Mapped[int | None]
    exclusive_group: Mapped[str | None]
    holdout_percent: Mapped[int] = mapped_column(server_default=text("0"))
    ttl_until: Mapped[datetime | None]
    strategy_meta: Mapped[dict[str, Any] | None]
    stopped_why: Mapped[Stopped | None] = mapped_column(stored(Stopped))
    created_by: Mapped[str]
    created_at: Mapped[datetime] = stamp()
    updated_at: Mapped[datetime | None]


class CampaignTrigger(TenantRow):
    """One event that campaigns listened for, and what became of each of them.

    `source` is MANUAL, or the event that brought it, which counts once. `decisions` maps a
    campaign to its verdict, the index of the condition that was not true, and its cost.
    """

    __tablename__ = "campaign_triggers"
    __table_args__ = (
        _customer_key(),
        Index(
            None,
            "merchant_id",
            "source",
            unique=True,
            postgresql_where=text("source <> 'MANUAL'"),
        ),
        Index(None, "merchant_id", "event", "created_at", "id"),
        Index(None, "merchant_id", "customer_id", "created_at"),
        Index(None, "merchant_id", "payment_id", postgresql_where=text("payment_id IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str]
    event: Mapped[str]
    context: Mapped[dict[str, Any]]
    source: Mapped[str]
    asked_by: Mapped[str]
    payment_id: Mapped[str | None]
    kill_switch: Mapped[bool]
    decisions: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[datetime] = stamp()


class CampaignHit(TenantRow):
    """One campaign that took hold of one event, what that cost, and what it gave, with ids."""

    __tablename__ = "campaign_hits"
    __table_args__ = (
        _customer_key(),
        ForeignKeyConstraint(
            ["merchant_id", "campaign_id"], ["campaigns.merchant_id", "campaigns.id"]
        ),
        ForeignKeyConstraint(
            ["merchant_id", "trigger_id"], ["campaign_triggers.merchant_id", "campaign_triggers.id"]
        ),
        CheckConstraint("units >= 0 AND cost_minor >= 0", name="not_negative"),
        Index(None, "merchant_id", "trigger_id", "campaign_id", unique=True),
        Index(None, "merchant_id", "campaign_id", "created_at", "id"),
        Index(None, "merchant_id", "campaign_id", "customer_id", "created_at"),
        Index(None, "merchant_id", "customer_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    campaign_id: Mapped[str]
    trigger_id: Mapped[str]
    customer_id: Mapped[str]
    units: Mapped[int]
    cost_minor: Mapped[int]
    given: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    # Discount cards of it that paid: the voucher's id, and what it took off, minor units.
    redeemed: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[datetime] = stamp()


class CampaignExposure(TenantRow):
    """The first event at which a campaign with a holdout would have given this customer something.

    `held_out`: by lot the customer got nothing. Written once, whatever happens later, so that both
    sides are compared as they were drawn.
    """

    __tablename__ = "campaign_exposures"
    __table_args__ = (
        _customer_key(),
        ForeignKeyConstraint(
            ["merchant_id", "campaign_id"], ["campaigns.merchant_id", "campaigns.id"]
        ),
        Index(None, "merchant_id", "customer_id"),
    )

    campaign_id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(primary_key=True)
    held_out: Mapped[bool]
    first_at: Mapped[datetime]


class CampaignMonth(TenantRow):
    """What all campaigns of a merchant cost in one month of its time zone."""

    __tablename__ = "campaign_months"
    __table_args__ = (CheckConstraint("cost_minor >= 0", name="not_negative"),)

    month: Mapped[date] = mapped_column(primary_key=True)  # its first day
    cost_minor: Mapped[int] = mapped_column(server_default=text("0"))


class CampaignReplay(TenantRow):
    """A campaign run over what has happened: one row for each subject, made anew when asked again.

    `subject` is `proposal:…` or `campaign:…`. `campaign` is what was proposed; of a campaign that
    runs it is null, because its own row says what it is. `run_at` of one that waits: when a worker
    may take it. Nothing in it names a customer.
    """

    __tablename__ = "campaign_replays"
    __table_args__ = (
        CheckConstraint(
            "(state = 'WAITING') = (done_at IS NULL) AND (state <> 'DONE' OR result IS NOT NULL)",
            name="done_with_a_result",
        ),
        Index(None, "merchant_id", "run_at", postgresql_where=text("state = 'WAITING'")),
    )

    subject: Mapped[str] = mapped_column(primary_key=True)
    content_hash: Mapped[str]
    state: Mapped[ReplayState] = mapped_column(stored(ReplayState))
    campaign: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    failure: Mapped[str | None]
    asked_by: Mapped[str]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    run_at: Mapped[datetime] = stamp()
    created_at: Mapped[datetime] = stamp()
    done_at: Mapped[datetime | None]
