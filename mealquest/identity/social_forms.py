"""What a customer's sign-in takes in."""

from typing import Annotated, Any

from pydantic import BeforeValidator, StringConstraints, model_validator

from mealquest.core.wire import Input, Phone, Str, refuse
from mealquest.identity.forms import OptionalLine, PhoneCodeText
from mealquest.tenancy.service import MerchantId

CODE_LENGTH = 512  # providers' codes are around forty characters long


def _code(value: Any) -> Any:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise refuse("code is required")
    return value


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


ProviderCode = Annotated[Str, StringConstraints(max_length=CODE_LENGTH), BeforeValidator(_code)]


class SocialSignInForm(Input):
    """A provider's code; `merchant_id` also by the name `storeId`.

    `phone` counts only with the `phone_code` that was sent to it, and only when the provider
    itself says no phone.
    """

    merchant_id: MerchantId
    code: ProviderCode
    phone: Annotated[Phone | None, BeforeValidator(_blank_is_none)] = None
    phone_code: Annotated[PhoneCodeText | None, BeforeValidator(_blank_is_none)] = None
    display_name: OptionalLine = None

    @model_validator(mode="before")
    @classmethod
    def _by_either_name(cls, sent: dict[str, Any]) -> dict[str, Any]:
        """What is left out is refused in the words for what is empty."""
        merchant_id = sent.get("merchantId", sent.get("merchant_id")) or sent.get("storeId")
        return {"code": None} | sent | {"merchantId": merchant_id}

    @property
    def proves_phone(self) -> bool:
        return self.phone is not None and self.phone_code is not None
