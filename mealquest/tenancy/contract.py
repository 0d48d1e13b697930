"""A merchant's application for a contract. The last one counts; the audit knows of those before.

Number, account and phone are encrypted where they are kept, and shown whole to the owner only.
"""

from collections.abc import Mapping
from typing import Any

from flask import current_app
from pydantic.alias_generators import to_camel
from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert

from mealquest.audit import service as audit
from mealquest.core.crypto import Keyring
from mealquest.core.db import platform_transaction, transaction
from mealquest.core.principal import Principal, Role
from mealquest.tenancy import queries
from mealquest.tenancy.contract_forms import ContractForm
from mealquest.tenancy.domain import ContractStatus, Operation
from mealquest.tenancy.errors import MerchantNotFound
from mealquest.tenancy.models import ContractApplication
from mealquest.tenancy.replies import ContractStatusView, ContractView

SECRET = ("license_no", "settlement_account", "contact_phone")
SHOWN = 4  # last characters of what is masked
MASK = "••••"


def apply_for_contract(merchant_id: str, form: ContractForm, by: Principal) -> ContractStatusView:
    """Send an application in, in place of the one there was.

    The contact phone is an address, not a person of the staff: it opens nothing.
    """
    values = {
        "company_name": form.company_name,
        "notes": form.notes,
        "status": ContractStatus.PENDING_REVIEW,
        "submitted_by": by.subject,
        "submitted_at": func.now(),
    } | sealed(merchant_id, {name: getattr(form, name) for name in SECRET})
    with transaction(merchant_id) as session:
        if queries.facts(session, merchant_id) is None:
            raise MerchantNotFound
        row = session.scalars(
            insert(ContractApplication)
            .values(merchant_id=merchant_id, **values)
            .on_conflict_do_update(index_elements=["merchant_id"], set_=values)
            .returning(ContractApplication)
        ).one()
        masks = {to_camel(name): masked(getattr(form, name)) for name in SECRET}
        details = {"companyName": form.company_name} | masks
        audit.record(session, merchant_id, Operation.CONTRACT_APPLY, by, details)
        return _view(row, by)


def sealed(merchant_id: str, values: Mapping[str, Any]) -> dict[str, str]:
    """The columns that are encrypted, out of their values in clear."""
    return {name: _seal(merchant_id, name, values[name]) for name in SECRET}


def contract_status(merchant_id: str, by: Principal) -> ContractStatusView:
    with transaction(merchant_id) as session:
        if queries.facts(session, merchant_id) is None:
            raise MerchantNotFound
        row = session.get(ContractApplication, merchant_id)
        if row is None:
            status = ContractStatus.NOT_SUBMITTED
            return ContractStatusView(merchant_id=merchant_id, status=status, application=None)
        return _view(row, by)


def seal_contracts_again(limit: int = 200) -> int:
    """Seal what lies under an older key of the ring under its first one; returns how many
    applications of a batch did. Part of the housekeeping: the ring is everybody's.
    """
    current = f"{_keyring().current}:"
    older = [
        ~getattr(ContractApplication, name).startswith(current, autoescape=True) for name in SECRET
    ]
    with platform_transaction("the keyring turns for every merchant at once") as session:
        found = session.scalars(
            select(ContractApplication)
            .where(or_(*older))
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        for row in found:
            for name in SECRET:
                text = _open(row.merchant_id, name, getattr(row, name))
                setattr(row, name, _seal(row.merchant_id, name, text))
        return len(found)


def masked(text: str) -> str:
    """The last four characters; nothing of what is not twice as long."""
    return f"{MASK}{text[-SHOWN:]}" if len(text) >= 2 * SHOWN else MASK


def _view(row: ContractApplication, by: Principal) -> ContractStatusView:
    opened = {name: _open(row.merchant_id, name, getattr(row, name)) for name in SECRET}
    if by.role is not Role.OWNER:
        opened = {name: masked(text) for name, text in opened.items()}
    application = ContractView(
        merchant_id=row.merchant_id,
        company_name=row.company_name,
        notes=row.notes,
        submitted_at=row.submitted_at,
        status=row.status,
        **opened,
    )
    return ContractStatusView(
        merchant_id=row.merchant_id, status=row.status, application=application
    )


def _seal(merchant_id: str, name: str, text: str) -> str:
    return _keyring().encrypt(text, place=_place(merchant_id, name))


def _open(merchant_id: str, name: str, sealed: str) -> str:
    return _keyring().decrypt(sealed, place=_place(merchant_id, name))


def _place(merchant_id: str, name: str) -> str:
    return f"contract_applications.{name}:{merchant_id}"


def _keyring() -> Keyring:
    keyring: Keyring = current_app.extensions["keyring"]
    return keyring
