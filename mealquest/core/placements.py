"""The tables of `core.places`: where a merchant lies, and whether a database lets it in."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Mapped, mapped_column

from mealquest.core.db import ControlRow, stamp, stored


class Gate(StrEnum):
    """Whether a database works for a merchant. Without a row it does."""

    OPEN = "open"
    ARRIVING = "arriving"  # its rows are being copied here
    AWAY = "away"  # it works elsewhere; what is here is a copy


class Placement(ControlRow):
    """At home only: `home`, or the id of the merchant whose own database it is in. No row: home."""

    __tablename__ = "placements"

    merchant_id: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[str]
    changed_at: Mapped[datetime] = stamp()


class TenantGate(ControlRow):
    """In every database: what it thinks of a merchant. `enter_merchants` looks here."""

    __tablename__ = "tenant_gates"

    merchant_id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[Gate] = mapped_column(stored(Gate))
    changed_at: Mapped[datetime] = stamp()
