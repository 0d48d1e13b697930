"""What the list of refused mails takes in."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from mealquest.core.paging import ListForm
from mealquest.core.wire import Input, Str, refuse
from mealquest.recovery.merchant_forms import checked_email


def _there(value: Any) -> Any:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise refuse("email is required")
    return value


Address = Annotated[Str, AfterValidator(checked_email)]


class SuppressionsForm(ListForm):
    pass


class SuppressForm(Input):
    email: Annotated[Address, BeforeValidator(_there)]


class SuppressionForm(Input):
    address_hash: Annotated[Str, Field(max_length=100)]


class LeaveForm(Input):
    """A mail program's one click sends more, which says nothing new (RFC 8058)."""

    leave_token: str  # whatever it is, a wrong one is not found
