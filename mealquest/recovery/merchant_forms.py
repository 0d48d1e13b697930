"""What the routes about merchants and their connection take in."""

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from babel import Locale
from pydantic import AfterValidator, BeforeValidator, Field

from mealquest.core.paging import ListForm
from mealquest.core.wire import Flag, Input, Phone, Str, refuse

EMAIL_LENGTH, ADDRESS_LENGTH, NAME_LENGTH, URL_LENGTH = 254, 500, 64, 500
PLAIN_COLOR = "#000000"
_EMAIL = re.compile(r"[^@\s<>,;:\"()]+@[^@\s.<>,;:\"()]+(\.[^@\s.<>,;:\"()]+)+")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_COUNTRY = re.compile(r"[A-Z]{2}")
# As ISO 3166-1 has them: CLDR adds groups of countries, and places that are none of it.
_NO_COUNTRY = set("AC CP CQ DG EA EU EZ IC QO TA UN XA XB XK ZZ".split())  # noqa: SIM905 - 15 words
COUNTRIES = {code for code in map(str, Locale("en").territories) if _COUNTRY.fullmatch(code)}
COUNTRIES -= _NO_COUNTRY


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def checked_email(value: str) -> str:
    if len(value) > EMAIL_LENGTH or not _EMAIL.fullmatch(value):
        raise refuse("email format invalid")
    return value


def _country(value: str) -> str:
    code = value.upper()
    if code not in COUNTRIES:
        raise refuse("billingCountry must be an ISO 3166-1 alpha-2 code")
    return code


def _color(value: str) -> str:
    if not _COLOR.fullmatch(value):
        raise refuse("brandColor must look like #1a2b3c")
    return value.lower()


def _logo(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or re.search(r"[\s\"'<>\\]", value):
        raise refuse("logoUrl must start with https://")
    return value


def _one_line(value: str) -> str:
    if not value.isprintable() or re.search(r"[<>@]", value):
        raise refuse("fromName contains characters that are not allowed")
    return value


# Nothing, or only blanks, clears a field.
_Blank = BeforeValidator(_blank_is_none)
Email = Annotated[Annotated[Str, AfterValidator(checked_email)] | None, _Blank]
Country = Annotated[Annotated[Str, AfterValidator(_country)] | None, _Blank]
Address = Annotated[Annotated[Str, Field(max_length=ADDRESS_LENGTH)] | None, _Blank]
Color = Annotated[Annotated[Str, AfterValidator(_color)] | None, _Blank]
Logo = Annotated[Annotated[Str, Field(max_length=URL_LENGTH), AfterValidator(_logo)] | None, _Blank]
FromName = Annotated[
    Annotated[Str, Field(max_length=NAME_LENGTH), AfterValidator(_one_line)] | None, _Blank
]
Name = Annotated[Annotated[Str, Field(max_length=NAME_LENGTH)] | None, _Blank]
OptionalPhone = Annotated[Phone | None, _Blank]


class MerchantForm(Input):
    merchant_id: Str


class MerchantsForm(ListForm):
    pass


class NewMerchantForm(Input):
    """What an operator may say of a new merchant; tokens, tier and accounts are never taken."""

    name: Name = None
    email: Email = None
    billing_country: Country = None
    billing_address: Address = None
    owner_phone: OptionalPhone = None


class ChangeForm(Input):
    """Any of what a merchant may change about itself: null clears, what is absent stays."""

    email: Email = None
    billing_country: Country = None
    billing_address: Address = None
    brand_color: Color = None
    logo_url: Logo = None
    from_name: FromName = None
    support_email: Email = None

    def changes(self) -> dict[str, Any]:
        """Only what was sent, by column."""
        sent = {name: getattr(self, name) for name in self.model_fields_set}
        if "brand_color" in sent:
            sent["brand_color"] = sent["brand_color"] or PLAIN_COLOR
        return sent


class AnyChangeForm(Input):
    """As it came: who may ask is looked at before what is asked."""

    merchant_id: Str
    email: Any = None
    billing_country: Any = None
    billing_address: Any = None
    brand_color: Any = None
    logo_url: Any = None
    from_name: Any = None
    support_email: Any = None

    @property
    def sent(self) -> dict[str, Any]:
        """What was sent of it, by its names on the wire."""
        named = self.model_fields_set - {"merchant_id"}
        return self.model_dump(by_alias=True, include=named)


class ConnectForm(Input):
    """`merchant_id`: whose, when an operator asks; anybody else's own."""

    merchant_id: Any = None


class DisconnectForm(ConnectForm):
    """`confirm` is the second word that cancelling subscriptions, and the page, want."""

    cancel_subscriptions: Flag = False
    confirm: Flag = False


class BackForm(Input):
    """What Stripe sends a browser back with. All of it may be anything."""

    code: Any = None
    state: Any = None
    error: Any = None


def country_names(locale: Locale) -> list[tuple[str, str]]:
    """Codes with names in one language, by name."""
    names = {code: str(locale.territories.get(code, code)) for code in COUNTRIES}
    return sorted(names.items(), key=lambda pair: pair[1])
