"""Rows of invoices in recovery, their mails and how they are reminded."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from mealquest.core.db import TenantRow, stamp, stored
from mealquest.recovery.domain import BroughtBy, CaseStatus, Closed, MailState
from mealquest.recovery.models import counted, number


class RecoveryCase(TenantRow):
    """One invoice whose payment failed, from the first failure to its end. Stripe's ids only.

    `last_event_at` is when Stripe made the newest event that was taken in, so that an older one
    which comes late does not turn anything back. Amounts are minor units of `currency`.
    """

    __tablename__ = "recovery_cases"
    __table_args__ = (
        CheckConstraint("(status = 'open') = (closed_at IS NULL)", name="closed_once_not_open"),
        CheckConstraint("amount_due >= 0 AND mails_sent >= 0", name="not_negative"),
        Index(None, "merchant_id", "first_failed_at", "invoice_id"),
        Index(None, "merchant_id", "status", "first_failed_at", "invoice_id"),
        Index(None, "merchant_id", "stripe_customer_id"),
        Index(
            None,
            "merchant_id",
            "subscription_id",
            postgresql_where=text("subscription_id IS NOT NULL"),
        ),
    )

    invoice_id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[CaseStatus] = mapped_column(stored(CaseStatus))
    closed_why: Mapped[Closed | None] = mapped_column(stored(Closed))
    closed_at: Mapped[datetime | None]
    stripe_customer_id: Mapped[str | None]
    subscription_id: Mapped[str | None]
    currency: Mapped[str]
    amount_due: Mapped[int]
    attempt_count: Mapped[int]
    scheduled_attempt: Mapped[int] = counted()  # the newest one that a reminder was scheduled for
    billing_reason: Mapped[str | None]
    next_payment_attempt: Mapped[datetime | None]
    decline_code: Mapped[str | None]
    decline_class: Mapped[str | None]
    needs_action: Mapped[bool] = mapped_column(server_default=text("false"))
    holdout: Mapped[bool] = mapped_column(server_default=text("false"))
    mails_sent: Mapped[int] = counted()
    last_mail_at: Mapped[datetime | None]
    last_step: Mapped[int] = counted()
    page_opened_at: Mapped[datetime | None]
    charged_by_hand_at: Mapped[datetime | None]
    first_failed_at: Mapped[datetime]
    last_failed_at: Mapped[datetime]
    last_event_at: Mapped[datetime]
    last_event_id: Mapped[str | None]  # settles which is the newer one of a second
    reminders_stopped_at: Mapped[datetime | None]  # by the merchant: no mail of ours any more
    checked_at: Mapped[datetime | None]  # when reconciliation last asked Stripe
    # What the payer's page last saw of it at Stripe.
    seen_at: Mapped[datetime | None]
    seen_status: Mapped[str | None]
    seen_remaining: Mapped[int | None]


class CaseEntry(TenantRow):
    """One line of an invoice's timeline. `details` holds ids, amounts and codes, no person."""

    __tablename__ = "recovery_entries"
    __table_args__ = (Index(None, "merchant_id", "invoice_id", "at", "id"),)

    id: Mapped[int] = number()
    invoice_id: Mapped[str]
    kind: Mapped[str]
    at: Mapped[datetime] = stamp()
    details: Mapped[dict[str, Any]]


class Recovery(TenantRow):
    """An invoice paid after a failure, counted once."""

    __tablename__ = "recoveries"
    __table_args__ = (
        CheckConstraint("amount_minor >= 0", name="not_negative"),
        Index(None, "merchant_id", "recovered_at", "invoice_id"),
        Index(None, "merchant_id", "invoice_id", postgresql_where=text("NOT is_checked")),
    )

    invoice_id: Mapped[str] = mapped_column(primary_key=True)
    amount_minor: Mapped[int]
    currency: Mapped[str]
    brought_by: Mapped[BroughtBy] = mapped_column(stored(BroughtBy))
    step: Mapped[int] = counted()
    decline_class: Mapped[str | None]
    recovered_at: Mapped[datetime]
    event_id: Mapped[str]
    # Whether Stripe was asked since how much of it came past Stripe, which no event says.
    is_checked: Mapped[bool] = mapped_column(server_default=text("false"))


class RecoveryMail(TenantRow):
    """A mail of recovery, written as an intent before it is sent. One a task and kind.

    `idempotency_key` goes to the mail service; a resume sends under the same one.
    """

    __tablename__ = "recovery_mails"
    __table_args__ = (
        Index(None, "merchant_id", "task_id", unique=True),
        Index(None, "merchant_id", "invoice_id", "created_at"),
        Index(None, "merchant_id", "stripe_customer_id", "sent_at"),
    )

    id: Mapped[int] = number()
    task_id: Mapped[int]
    invoice_id: Mapped[str | None]
    stripe_customer_id: Mapped[str | None]
    kind: Mapped[str]
    step: Mapped[int] = counted()
    is_last: Mapped[bool] = mapped_column(server_default=text("false"))
    state: Mapped[MailState] = mapped_column(stored(MailState))
    why: Mapped[str | None]
    idempotency_key: Mapped[str]
    provider_id: Mapped[str | None]
    usage_log_id: Mapped[int | None]
    created_at: Mapped[datetime] = stamp()
    sent_at: Mapped[datetime | None]


class DunningGap(TenantRow):
    """When a Stripe customer was last mailed; its row lock keeps two mails a day apart."""

    __tablename__ = "dunning_gaps"

    stripe_customer_id: Mapped[str] = mapped_column(primary_key=True)
    last_mail_at: Mapped[datetime | None]


class Suppression(TenantRow):
    """An address that gets no more mail of this merchant; only its keyed hash is kept."""

    __tablename__ = "mail_suppressions"

    address_hash: Mapped[str] = mapped_column(primary_key=True)
    why: Mapped[str]  # unsubscribed, bounced, complained, by_merchant
    created_at: Mapped[datetime] = stamp()


class DunningSettings(TenantRow):
    """How a merchant's customers are reminded. Absent row: the product's own sequence.

    `steps`: [{attempt, delayS, isEnabled}] by attempt. Quiet hours are in the shop's time zone.
    """

    __tablename__ = "dunning_settings"
    __table_args__ = (
        CheckConstraint("quiet_from BETWEEN 0 AND 23", name="quiet_from_an_hour"),
        CheckConstraint("quiet_until BETWEEN 0 AND 23", name="quiet_until_an_hour"),
        CheckConstraint("gap_hours >= 24", name="gap_of_a_day"),
        CheckConstraint("most_mails BETWEEN 1 AND 4", name="most_mails_in_range"),
        CheckConstraint("holdout_percent BETWEEN 0 AND 20", name="holdout_in_range"),
    )

    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    quiet_from: Mapped[int | None]
    quiet_until: Mapped[int | None]
    gap_hours: Mapped[int] = mapped_column(server_default=text("24"))
    most_mails: Mapped[int] = mapped_column(server_default=text("4"))
    holdout_percent: Mapped[int] = counted()
    is_paused: Mapped[bool] = mapped_column(server_default=text("false"))
    updated_at: Mapped[datetime] = stamp()


class EmailTemplate(TenantRow):
    """A merchant's own words for one attempt; `body` is sanitised HTML with three known tokens."""

    __tablename__ = "email_templates"
    __table_args__ = (Index(None, "merchant_id", "retry_attempt", unique=True),)

    id: Mapped[int] = number()
    retry_attempt: Mapped[int]
    subject: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime] = stamp()
    updated_at: Mapped[datetime] = stamp()


class ChargeAttempt(TenantRow):
    """One attempt to charge a card, Stripe's or by hand: what the card networks limit.

    `card` is Stripe's fingerprint of it, which names nobody.
    """

    __tablename__ = "charge_attempts"
    __table_args__ = (
        Index(None, "merchant_id", "card", "attempted_at"),
        Index(None, "merchant_id", "invoice_id", "attempted_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)  # of the charge, or our idempotency key
    card: Mapped[str]
    network: Mapped[str]
    invoice_id: Mapped[str]
    by_hand: Mapped[bool] = mapped_column(server_default=text("false"))
    attempted_at: Mapped[datetime]
    # Of one by hand: when it was known what became of it. Until then its key is used again.
    settled_at: Mapped[datetime | None]


class RecoverySync(TenantRow):
    """How far reconciliation has read Stripe's list of events of a merchant."""

    __tablename__ = "recovery_syncs"

    account: Mapped[str]
    read_until: Mapped[datetime]
    last_run_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
