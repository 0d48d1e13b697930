"""How a merchant is named by whoever calls us."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

from mealquest.core.errors import Invalid
from mealquest.core.wire import Input, refuse

_MERCHANT_ID = re.compile(r"[a-z][a-z0-9_-]{1,63}")


def tidy_merchant_id(value: Any) -> str | None:
    """Trimmed and lower-cased; None for nothing. Its form is not checked yet."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise refuse("merchantId format invalid")
    return value.strip().lower() or None


def require_merchant_id(text: str) -> str:
    """Invalid: `text`, already tidy, cannot be the id of a merchant."""
    if not _MERCHANT_ID.fullmatch(text):
        raise Invalid("merchantId format invalid", code="MERCHANT_ID_INVALID")
    return text


def _well_formed(value: Any) -> str:
    text = tidy_merchant_id(value)
    if text is None:
        raise refuse("merchantId is required")
    if not _MERCHANT_ID.fullmatch(text):
        raise refuse("merchantId format invalid")
    return text


MerchantId = Annotated[str, BeforeValidator(_well_formed)]


class ExistsForm(Input):
    merchant_id: MerchantId
