"""What a merchant has set about its shop, and its owner changing it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from pydantic.alias_generators import to_camel
from sqlalchemy import update
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core import directory
from mealquest.core.db import transaction
from mealquest.core.money import Currency, Money
from mealquest.core.principal import Principal
from mealquest.tenancy import queries
from mealquest.tenancy.accounts import email_was_set
from mealquest.tenancy.domain import Operation
from mealquest.tenancy.errors import CurrencyFixed, MerchantNotFound
from mealquest.tenancy.forms import SettingsForm
from mealquest.tenancy.models import Merchant, MerchantSettings
from mealquest.tenancy.queries import MerchantFacts
from mealquest.tenancy.replies import SettingsView

CurrencyGuard = Callable[[Session, str], None]
_guards_currency: list[CurrencyGuard] = []

OF_MERCHANTS_ROW = ("name", "email")  # kept in the control table too


def shop_settings(merchant_id: str) -> SettingsView:
    with transaction(merchant_id) as session:
        facts = queries.facts(session, merchant_id)
        if facts is None:
            raise MerchantNotFound
        return _view(session, facts, queries.email(session, merchant_id))


def change_shop_settings(merchant_id: str, form: SettingsForm, by: Principal) -> SettingsView:
    """Set what the form names; what it leaves out stays. The audit keeps the difference.

    CurrencyFixed: another currency, and money has moved in the one there is.
    """
    with transaction(merchant_id) as session:
        facts = queries.locked_facts(session, merchant_id)
        if facts is None:
            raise MerchantNotFound
        email = queries.email(session, merchant_id)
        now = {"email": email} | {
            name: getattr(facts, name) for name in _names() if name != "email"
        }
        changed = {n: v for n, v in form.changes().items() if v != now[n]}
        if changed:
            _write(session, facts, changed)
            difference = {to_camel(n): {"from": now[n], "to": v} for n, v in changed.items()}
            details = {"changed": difference}
            audit.record(session, merchant_id, Operation.MERCHANT_SETTINGS_SET, by, details)
        facts = queries.facts(session, merchant_id) or facts
        return _view(session, facts, changed.get("email", email))


def _names() -> list[str]:
    return [name for name in SettingsForm.model_fields if name != "merchant_id"]


def _write(session: Session, facts: MerchantFacts, changed: dict[str, Any]) -> None:
    merchant_id = facts.merchant_id
    values = {name: value for name, value in changed.items() if name != "email"}
    if "currency" in values:
        values |= _in_currency(session, facts, values["currency"])
    if values:
        session.execute(
            update(MerchantSettings)
            .where(MerchantSettings.merchant_id == merchant_id)
            .values(**values)
        )
    of_row = {name: changed[name] for name in OF_MERCHANTS_ROW if name in changed}
    if of_row:
        session.execute(update(Merchant).where(Merchant.id == merchant_id).values(**of_row))
        directory.changed(session, merchant_id)
    if of_row.get("email"):
        email_was_set(session, merchant_id)


def _in_currency(session: Session, facts: MerchantFacts, currency: Currency) -> dict[str, Any]:
    """The budget's cap as the same number, in whole major units, of the new currency."""
    if queries.keeps_sums(session, facts.merchant_id):
        raise CurrencyFixed
    for guard in _guards_currency:
        guard(session, facts.merchant_id)
    cap = Money(facts.budget_cap_minor, facts.currency).major
    whole = max(Decimal(1), cap.to_integral_value())
    return {"budget_cap_minor": Money.of_major(whole, currency).minor}


def guard_currency(guard: CurrencyGuard) -> None:
    """Name who may refuse, by raising, that a merchant takes another currency."""
    if guard not in _guards_currency:
        _guards_currency.append(guard)


def _view(session: Session, facts: MerchantFacts, email: str | None) -> SettingsView:
    return SettingsView(
        merchant_id=facts.merchant_id,
        name=facts.name,
        email=email,
        time_zone=facts.time_zone,
        currency=facts.currency,
        locale=facts.locale,
        refund_policy=facts.refund_policy,
        campaign_holdout_percent=facts.campaign_holdout_percent,
        currency_fixed=queries.keeps_sums(session, facts.merchant_id),
    )
