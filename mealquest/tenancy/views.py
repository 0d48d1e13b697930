"""Merchants: which there are, for people who choose one, and what each has set."""

from datetime import date
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel.dates import get_timezone_location
from babel.numbers import get_currency_name
from flask import url_for
from flask_babel import get_locale
from pydantic import Field

from mealquest.core.clock import utc_now
from mealquest.core.money import Currency
from mealquest.core.principal import MERCHANT, Role
from mealquest.core.wire import NoInput
from mealquest.tenancy import service
from mealquest.tenancy.domain import Operation
from mealquest.tenancy.forms import ExistsForm, SettingsForm, SettingsPageForm, time_zones
from mealquest.tenancy.replies import CatalogView, ExistsView, SettingsView
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import translate as _

feature = Feature("tenancy")
OWNER = frozenset({Role.OWNER})
# Regions whose zones people live in; the other names are older spellings of the same.
REGIONS = (
    "Africa/",
    "America/",
    "Asia/",
    "Atlantic/",
    "Australia/",
    "Europe/",
    "Indian/",
    "Pacific/",
)


class SettingsPage(SettingsView):
    may_edit: bool = Field(False, exclude=True)


@feature.get(api="/api/merchant/catalog")
def catalog(call: Call, form: NoInput) -> CatalogView:
    """Every merchant, by id."""
    return service.catalog()


@feature.get(api="/api/merchant/exists")
def exists(call: Call, form: ExistsForm) -> ExistsView:
    """Whether a merchant of this id exists."""
    return service.exists(form.merchant_id)


@feature.get(
    api="/api/merchant/settings",
    page="/console/settings",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="tenancy/settings",
)
def settings(call: Call, form: NoInput) -> SettingsPage:
    """Name, time zone, currency, language and refunds of the shop."""
    found = service.shop_settings(call.merchant_id)
    return SettingsPage(**dict(found), may_edit=call.principal.role in OWNER)


@feature.patch(
    api="/api/merchant/settings",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.MERCHANT_SETTINGS_SET,
)
def change_settings(call: Call, form: SettingsForm) -> SettingsView:
    """Change any of the settings; a field that is none of them is refused."""
    return service.change_shop_settings(call.merchant_id, form, call.principal)


@feature.post(
    page="/console/settings",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.MERCHANT_SETTINGS_SET,
    again="tenancy.settings",
    see_other=lambda view: url_for("tenancy.settings.page"),
    flash=lambda view: _("The settings are saved."),
)
def save_settings(call: Call, form: SettingsPageForm) -> SettingsView:
    """Change the settings from their page, where a browser can only post."""
    return service.change_shop_settings(call.merchant_id, form, call.principal)


@feature.word
def zone_choices(chosen: str) -> list[tuple[str, str]]:
    """Every time zone as people call it, from west to east, and in any case the chosen one."""
    return _zones(chosen, str(get_locale() or "en"), utc_now().date())


@lru_cache(maxsize=64)
def _zones(chosen: str, _locale: str, _day: date) -> list[tuple[str, str]]:
    """Worked out once a day for each language."""
    names = [name for name in time_zones() if name.startswith(REGIONS)]
    labels = {zone_label(name): name for name in (*sorted(names), "UTC", chosen)}
    return [
        (labels[label], label)
        for label in sorted(labels, key=lambda name: _place(labels[name], name))
    ]


def _place(name: str, label: str) -> tuple[int, str]:
    return _ahead(name), label


def _ahead(name: str) -> int:
    """How many minutes the zone is ahead of UTC today."""
    offset = utc_now().astimezone(ZoneInfo(name)).utcoffset()
    return int(offset.total_seconds()) // 60 if offset else 0


@feature.word
def zone_label(name: str) -> str:
    """`Shanghai (UTC+08:00)`; the difference is today's."""
    if name == "UTC":
        return name
    locale = get_locale() or "en"
    city = get_timezone_location(ZoneInfo(name), locale=locale, return_city=True)
    ahead = _ahead(name)
    hours, minutes = divmod(abs(ahead), 60)
    return f"{city} (UTC{'-' if ahead < 0 else '+'}{hours:02d}:{minutes:02d})"


@feature.word
def currency_choices() -> list[tuple[str, str]]:
    locale = get_locale() or "en"
    return [
        (code.value, f"{code.value} · {get_currency_name(code.value, locale=locale)}")
        for code in Currency
    ]


@feature.word
def refund_policies() -> list[dict[str, str]]:
    """What happens to gifts when an order is refunded."""
    return [
        {
            "value": "CLAWBACK",
            "label": _("Take gifts back"),
            "hint": _("The gifted share of a refund is taken back, bonus first."),
        },
        {
            "value": "RESTORE",
            "label": _("Restore everything"),
            "hint": _("Each part goes back to where it came from, with its expiry."),
        },
    ]


@feature.word
def languages() -> list[tuple[str, str]]:
    return [("en", "English"), ("zh-Hans", "简体中文")]
