"""Merchants as another server kept them, and their applications for a contract."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core import directory
from mealquest.core.money import Currency
from mealquest.tenancy.contract import sealed
from mealquest.tenancy.domain import ContractStatus, RefundPolicy
from mealquest.tenancy.errors import MerchantExists
from mealquest.tenancy.models import ContractApplication, Merchant, MerchantSettings


@dataclass(frozen=True, slots=True)
class OldMerchant:
    id: str
    name: str
    currency: Currency
    time_zone: str
    locale: str
    budget_cap_minor: int
    kill_switch: bool
    cluster_id: str | None
    onboarded_at: datetime


@dataclass(frozen=True, slots=True)
class OldContract:
    """Number, account and phone in clear; they are encrypted as they are written."""

    company_name: str
    license_no: str
    settlement_account: str
    contact_phone: str
    notes: str
    submitted_by: str
    submitted_at: datetime


def restore_merchant(session: Session, old: OldMerchant) -> None:
    """Write a merchant without staff or customers. MerchantExists: the id is taken."""
    if session.get(Merchant, old.id) is not None:
        raise MerchantExists
    directory.changed(session, old.id)
    session.execute(insert(Merchant).values(id=old.id, name=old.name, created_at=old.onboarded_at))
    session.execute(
        insert(MerchantSettings).values(
            merchant_id=old.id,
            name=old.name,
            currency=old.currency,
            time_zone=old.time_zone,
            locale=old.locale,
            refund_policy=RefundPolicy.CLAWBACK,
            budget_cap_minor=old.budget_cap_minor,
            kill_switch_enabled=old.kill_switch,
            cluster_id=old.cluster_id or f"cluster_{old.id}",
            onboarded_at=old.onboarded_at,
        )
    )


def restore_contract(session: Session, merchant_id: str, old: OldContract) -> None:
    values = {name: getattr(old, name) for name in old.__slots__}
    session.execute(
        insert(ContractApplication).values(
            values
            | sealed(merchant_id, values)
            | {"merchant_id": merchant_id, "status": ContractStatus.PENDING_REVIEW}
        )
    )
