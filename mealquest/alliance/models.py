from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from mealquest.alliance.domain import Act, LinkState
from mealquest.core.db import TenantRow, stamp, stored


class AllianceConfig(TenantRow):
    """What a store's owner has set, and what follows from it and from the partners' lists.

    `wallet_merchant_id` and `shares` are derived; they are written in the transaction that changes
    a list or a link, for every store it concerns. Absent row: the store is alone.
    """

    __tablename__ = "alliance_configs"

    cluster_id: Mapped[str]
    stores: Mapped[list[str]] = mapped_column(ARRAY(Text))
    wallet_shared: Mapped[bool] = mapped_column(server_default=text("false"))
    tier_shared: Mapped[bool] = mapped_column(server_default=text("false"))
    updated_at: Mapped[datetime] = stamp()
    updated_by: Mapped[str]
    wallet_merchant_id: Mapped[str]  # whose wallets this store's customers pay from
    shares: Mapped[bool] = mapped_column(server_default=text("false"))  # with anybody, in effect


class AllianceLink(TenantRow):
    """A store's own view of a partner. The partner has the mirrored row, written with this one."""

    __tablename__ = "alliance_links"
    __table_args__ = (
        CheckConstraint("merchant_id <> partner_id", name="of_two_stores"),
        CheckConstraint(
            "NOT shares OR (offers AND offered AND state = 'AGREED')", name="shared_by_consent"
        ),
        CheckConstraint("shares = (shares_since IS NOT NULL)", name="shares_since"),
    )

    partner_id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[LinkState] = mapped_column(stored(LinkState))
    offers: Mapped[bool]  # this store lists the partner and shares its wallet
    offered: Mapped[bool]  # the partner does
    shares: Mapped[bool]  # in effect: both do, and keep one currency
    invited_at: Mapped[datetime] = stamp()
    agreed_at: Mapped[datetime | None]
    shares_since: Mapped[datetime | None]
    left_at: Mapped[datetime | None]


class AllianceAct(TenantRow):
    """Who did what when; each of the two stores has a row of its own, which nobody changes."""

    __tablename__ = "alliance_acts"
    __table_args__ = (
        Index(None, "merchant_id", "occurred_at", "id"),
        Index(None, "merchant_id", "partner_id", "occurred_at", "id"),
        Index(None, "merchant_id", "customer_id", postgresql_where=text("customer_id IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    partner_id: Mapped[str]
    act: Mapped[Act] = mapped_column(stored(Act))
    by_merchant_id: Mapped[str]
    by_subject: Mapped[str | None]  # the member of staff; null in the other store's book
    customer_id: Mapped[str | None]  # whose profile was sent
    terms: Mapped[dict[str, Any]]  # what held from then on: walletShared, shares, holder
    occurred_at: Mapped[datetime] = stamp()
