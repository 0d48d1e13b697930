"""What the privacy routes take in."""

from typing import Annotated

from pydantic import BeforeValidator, model_validator

from mealquest.core.paging import ListForm, OptionalText
from mealquest.core.wire import Flag, Input, Key, refuse


def _required(value: object) -> object:
    if value is None or value == "":
        raise refuse("merchantId and userId are required")
    return value


class UserForm(Input):
    """Whose data; the merchant is the caller's."""

    user_id: Annotated[Key, BeforeValidator(_required)]

    @model_validator(mode="before")
    @classmethod
    def _named(cls, values: dict[str, object]) -> dict[str, object]:
        if not values.get("userId") and not values.get("user_id"):
            raise refuse("merchantId and userId are required")
        return values


class DeleteForm(UserForm):
    """`confirm` is what the page asks to be ticked; apps need not send it."""

    confirm: Flag = False


class ExportsForm(ListForm):
    user_id: OptionalText = None


class ExportForm(Input):
    export_id: Key
