"""What the state takes in."""

from typing import Any

from pydantic import model_validator

from mealquest.core.paging import OptionalText
from mealquest.core.wire import Input
from mealquest.tenancy.service import MerchantId


class StateForm(Input):
    """`user_id`: whose wallet to show; a customer names themselves, staff may name nobody."""

    merchant_id: MerchantId
    user_id: OptionalText = None

    @model_validator(mode="before")
    @classmethod
    def _absent_is_empty(cls, sent: dict[str, Any]) -> dict[str, Any]:
        return {"merchantId": ""} | sent
