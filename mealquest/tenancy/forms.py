"""What tenancy takes in: how a merchant is named, and what it sets."""

import re
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from mealquest.core.errors import Invalid
from mealquest.core.money import Currency
from mealquest.core.wire import Input, Str, refuse
from mealquest.tenancy.domain import RefundPolicy

NAME_LENGTH = 64
EMAIL_LENGTH = 254
MOST_HELD_OUT = 50  # percent of customers
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_NO_PLACE = {"localtime", "Factory", "posixrules"}  # names of the machine's own files
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


@cache
def time_zones() -> frozenset[str]:
    """Every time zone a merchant may have, by its IANA name."""
    return frozenset(available_timezones() - _NO_PLACE)


def _name(value: str) -> str:
    if not value:
        raise refuse("merchant name is required")
    if len(value) > NAME_LENGTH:
        raise refuse("merchant name too long")
    return value


def _email(value: str) -> str | None:
    if value and (len(value) > EMAIL_LENGTH or not _EMAIL.fullmatch(value)):
        raise refuse("email format invalid")
    return value or None


def _time_zone(value: str) -> str:
    if value not in time_zones():
        raise refuse("timeZone must be an IANA time zone")
    return value


class SettingsForm(Input):
    """Any of a merchant's settings; what is left out stays. A field that is none is refused."""

    model_config = ConfigDict(extra="forbid")

    merchant_id: Any = None  # the token's counts
    name: Annotated[Str, AfterValidator(_name)] = ""
    email: Annotated[Str, AfterValidator(_email)] | None = None
    time_zone: Annotated[Str, AfterValidator(_time_zone)] = ""
    currency: Currency = Currency.CNY
    locale: Literal["en", "zh-Hans"] = "en"
    refund_policy: RefundPolicy = RefundPolicy.CLAWBACK
    campaign_holdout_percent: Annotated[int, Field(ge=0, le=MOST_HELD_OUT)] = 0

    def changes(self) -> dict[str, Any]:
        """Only what was sent, by column."""
        return {
            name: value for name, value in self if name in self.model_fields_set - {"merchant_id"}
        }


class SettingsPageForm(SettingsForm):
    """The console's form, which also carries its token."""

    model_config = ConfigDict(extra="ignore")
