"""What onboarding takes in. Older clients call two of the fields by other names."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, model_validator

from mealquest.core.wire import MAX_AMOUNT, Flag, Input, Key, Phone, Str, refuse
from mealquest.tenancy.service import MerchantId

BUDGET_CAP = 300
NAME_LENGTH = 64
OTHER_NAMES = {"storeId": "merchantId", "merchantName": "name"}
DIGITS = 40


def _name(value: str) -> str:
    if not value:
        raise refuse("merchant name is required")
    if len(value) > NAME_LENGTH:
        raise refuse("merchant name too long")
    return value


def _budget_cap(value: Any) -> int:
    """Whole major units, rounded down."""
    if _blank(value):
        return BUDGET_CAP
    number = _number(value)
    if number is None or number < 1:
        raise refuse("budgetCap must be a positive number")
    if number > MAX_AMOUNT:
        raise refuse("budgetCap is too large")
    return int(number)


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        number = Decimal(str(value).strip()[:DIGITS])
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _none_if_blank(value: Any) -> Any:
    return None if _blank(value) else value


Name = Annotated[Str, AfterValidator(_name)]
BudgetCap = Annotated[int, BeforeValidator(_budget_cap)]
OptionalKey = Annotated[Key | None, BeforeValidator(_none_if_blank)]
OptionalPhone = Annotated[Phone | None, BeforeValidator(_none_if_blank)]
OptionalFlag = Annotated[Flag | None, BeforeValidator(_none_if_blank)]
OptionalMerchantId = Annotated[MerchantId | None, BeforeValidator(_none_if_blank)]


class _Shop(Input):
    name: Name
    budget_cap: BudgetCap = BUDGET_CAP
    seed_demo_users: OptionalFlag = None

    @model_validator(mode="before")
    @classmethod
    def _known_by_other_names(cls, sent: dict[str, Any]) -> dict[str, Any]:
        renamed = {ours: sent[theirs] for theirs, ours in OTHER_NAMES.items() if theirs in sent}
        absent = {
            field.alias or name: ""  # refused in the words for an empty one
            for name, field in cls.model_fields.items()
            if field.is_required() and name not in sent
        }
        return absent | renamed | sent


class OnboardForm(_Shop):
    """A new merchant. `seedDemoUsers` left out: yes, or no for an applicant."""

    merchant_id: MerchantId
    cluster_id: OptionalKey = None
    owner_phone: OptionalPhone = None


class OwnerOnboardForm(_Shop):
    """A new merchant of somebody who has proved a phone; without an id one is made of the name."""

    merchant_id: OptionalMerchantId = None
