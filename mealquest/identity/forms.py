"""What identity takes in."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StringConstraints, model_validator

from mealquest.core.paging import ListForm, OptionalDay, OptionalOrder, OptionalText, Order
from mealquest.core.principal import MERCHANT, Role
from mealquest.core.wire import Flag, Input, Key, Line, Phone, Str, refuse
from mealquest.identity.domain import is_month_day
from mealquest.tenancy.service import tidy_merchant_id

_CODE = re.compile(r"\d{6}", re.ASCII)


def _code(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not _CODE.fullmatch(text):
        raise refuse("code format invalid")
    return text


def _or_none(value: str) -> str | None:
    return value or None


def _staff_role(value: Any) -> Role:
    if value is None or value == "":
        raise refuse("role is required")
    if not isinstance(value, str) or value.strip().upper() not in MERCHANT:
        raise refuse("role is not one of the allowed values")
    return Role(value.strip().upper())


def _birthday(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not is_month_day(value):
        raise refuse("birthday format invalid")
    return value


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


# Checked after the code, which is used up all the same when this turns out to be wrong.
TidyMerchantId = Annotated[str | None, BeforeValidator(tidy_merchant_id)]
PhoneCodeText = Annotated[str, BeforeValidator(_code)]
OptionalLine = Annotated[Line, AfterValidator(_or_none)] | None
Birthday = Annotated[str | None, BeforeValidator(_birthday)]
StaffRole = Annotated[Role, BeforeValidator(_staff_role)]
StaffName = Annotated[Str, StringConstraints(max_length=64)]


class _WrongWhenAbsent(Input):
    """What is left out is refused in the words for what is wrong."""

    @model_validator(mode="before")
    @classmethod
    def _absent_is_empty(cls, sent: dict[str, Any]) -> dict[str, Any]:
        needed = (field.alias for field in cls.model_fields.values() if field.is_required())
        return {name: "" for name in needed if name} | sent


class RequestCodeForm(_WrongWhenAbsent):
    phone: Phone


class SignInForm(_WrongWhenAbsent):
    phone: Phone
    code: PhoneCodeText
    merchant_id: TidyMerchantId = None


class CustomerForm(_WrongWhenAbsent):
    phone: Phone
    display_name: OptionalLine = None


class CustomersForm(ListForm):
    """Days of joining are the merchant's and inclusive."""

    query: OptionalText = None
    from_day: OptionalDay = None
    to_day: OptionalDay = None
    order: OptionalOrder = Order.NEWEST


class BirthdayForm(Input):
    """`birthday`: MM-DD; null or nothing takes it back. A page sends `month` and `day`."""

    birthday: Birthday

    @model_validator(mode="before")
    @classmethod
    def _of_month_and_day(cls, sent: dict[str, Any]) -> dict[str, Any]:
        month, day = sent.get("month"), sent.get("day")
        if "birthday" in sent or not (isinstance(month, str) and isinstance(day, str)):
            return sent
        return sent | {"birthday": f"{month}-{day}" if month or day else ""}


class CustomerBirthdayForm(BirthdayForm):
    user_id: Key


class ResolveForm(_WrongWhenAbsent):
    """A customer's code, as scanned or typed."""

    code: Line


class InviteForm(_WrongWhenAbsent):
    phone: Phone
    role: StaffRole
    name: StaffName = ""


class StaffForm(Input):
    staff_id: Key


class RemoveStaffForm(StaffForm):
    """`confirm` says that the caller means to leave themselves."""

    confirm: Flag = False


class ChangeStaffForm(StaffForm):
    """What is left out or blank stays. `confirm` is for one's own role and phone."""

    role: Annotated[StaffRole | None, BeforeValidator(_blank_is_none)] = None
    name: Annotated[StaffName | None, BeforeValidator(_blank_is_none)] = None
    phone: Annotated[Phone | None, BeforeValidator(_blank_is_none)] = None
    confirm: Flag = False


class EndSessionForm(StaffForm):
    session_id: Key
