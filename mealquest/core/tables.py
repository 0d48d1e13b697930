"""What a table is declared with. `core.db` gives these names on, beside the transactions."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, DateTime, Enum, MetaData, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mealquest.core.money import Currency
from mealquest.core.principal import Role


class TableKind(StrEnum):
    TENANT = "tenant"  # distributed by merchant_id, forced row-level security
    REFERENCE = "reference"  # small, the same everywhere
    CONTROL = "control"  # lives in one database: merchants, phone index, scheduler


def stored(enum: type[StrEnum]) -> Enum:
    """An enum column that keeps the value, as text, so adding a member needs no ALTER TYPE."""
    return Enum(
        enum,
        native_enum=False,
        length=40,
        create_constraint=False,
        values_callable=lambda members: [member.value for member in members],
    )


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        int: BigInteger,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        Currency: stored(Currency),
        Role: stored(Role),
    }
    table_kind: ClassVar[TableKind]


class TenantRow(Base):
    """A row of one merchant: `merchant_id` leads its primary key and every other key."""

    __abstract__ = True
    table_kind = TableKind.TENANT

    merchant_id: Mapped[str] = mapped_column(primary_key=True, sort_order=-2)


class ControlRow(Base):
    __abstract__ = True
    table_kind = TableKind.CONTROL


class ReferenceRow(Base):
    __abstract__ = True
    table_kind = TableKind.REFERENCE


def stamp() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())


db = SQLAlchemy(metadata=Base.metadata)
