"""Language, theme, and what every template knows: navigation, person, formats."""

import secrets
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import numbers
from babel.dates import format_date, format_datetime
from flask import Flask, current_app, g, request, url_for
from flask_babel import Babel, get_locale, get_translations, gettext, lazy_gettext
from sqlalchemy.orm import Session

from mealquest import __version__
from mealquest.core.db import in_transaction, transaction
from mealquest.core.principal import MANAGEMENT, Principal, Role
from mealquest.core.settings import Profile
from mealquest.identity import service as identity
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantFacts
from mealquest.web.navigation import entries_for, sections
from mealquest.web.preferences import preferred
from mealquest.web.security import csrf_token

LOCALES = ("en", "zh_Hans")
CODE_FIRST = numbers.parse_pattern("¤¤ #,##0.00;¤¤ -#,##0.00")  # with the currency's decimals
THEMES = ("auto", "light", "dark")
HTML_LANG = {"en": "en", "zh_Hans": "zh-Hans"}

ROLE_LABELS = {
    Role.OWNER: lazy_gettext("Owner"),
    Role.MANAGER: lazy_gettext("Manager"),
    Role.CLERK: lazy_gettext("Clerk"),
    Role.APPLICANT: lazy_gettext("New owner"),
    Role.PARTNER: lazy_gettext("Partner"),
}


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    role_label: str
    merchant_name: str


@dataclass(frozen=True, slots=True)
class Frozen:
    """A merchant that is read-only: since when and by whom, as far as that is known."""

    since: datetime | None
    by: str


def install(app: Flask, translations: Path) -> None:
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(translations)
    Babel(app, locale_selector=_locale)
    # A page asks for hundreds of messages: the catalog is looked up once for all of them.
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        gettext=lambda message: _catalog().ugettext(message),
        ngettext=lambda one, many, number: _catalog().ungettext(one, many, number),
        newstyle=True,
    )
    app.context_processor(_context)
    app.add_template_filter(money, "money")
    app.add_template_filter(signed, "signed")
    app.add_template_filter(moment, "moment")
    app.add_template_filter(instant, "instant")
    app.add_template_filter(day, "day")
    app.add_template_global(role_label, "role_label")
    app.add_template_global(new_key, "new_key")
    app.add_template_global(preferred, "preferred")


def _locale() -> str:
    """What the person chose, else the shop's language, else the browser's."""
    chosen = request.cookies.get("mq_locale", "")
    if chosen in LOCALES:
        return chosen
    shop = None if in_transaction() else merchant()
    if shop and shop.locale.replace("-", "_") in LOCALES:
        return shop.locale.replace("-", "_")
    best = request.accept_languages.best_match(["en", "zh", "zh-CN", "zh-Hans"], "en")
    return "zh_Hans" if best.startswith("zh") else "en"


def language() -> str:
    """The language of this request's page, by its name on the wire: `en` or `zh-Hans`."""
    return HTML_LANG.get(str(get_locale() or "en"), "en")


def _catalog() -> Any:
    """Messages in the language of the request. Under `force_locale` use flask_babel's own."""
    if "catalog" not in g:
        g.catalog = get_translations()
    return g.catalog


def theme() -> str:
    chosen = request.cookies.get("mq_theme", "")
    return chosen if chosen in THEMES else "auto"


def principal() -> Principal | None:
    found: Principal | None = g.get("principal")
    return found


def merchant() -> MerchantFacts | None:
    """The merchant this page is about, read once a request."""
    who = principal()
    if who is None or who.merchant_id is None:
        return None
    if "merchant" not in g:
        with transaction(who.merchant_id) as session:
            g.merchant = tenancy.settings_of(session, who.merchant_id)
            g.frozen = _frozen(session, who.merchant_id)
    facts: MerchantFacts = g.merchant
    return facts


def _frozen(session: Session, merchant_id: str) -> Frozen | None:
    """None: the merchant may write."""
    found = tenancy.freeze_of(session, merchant_id)
    if found is None:
        return None
    known = identity.people(session, merchant_id, [found.by]) if found.by else []
    names = [name_of(Principal(one.role, one.id, name=one.name)) for one in known]
    return Frozen(found.since, names[0] if names else found.by or "")


def translate(message: str, **values: Any) -> str:
    """`gettext` with a type; imported as `_`, so that messages are collected."""
    found = str(_catalog().ugettext(message))
    return found % values if values else found


def role_label(role: Role) -> str:
    return str(ROLE_LABELS.get(role, role))


def name_of(who: Principal) -> str:
    """A person's name. Staff that nobody named is called by the role, in the reader's language."""
    nameless = not who.name or who.name.upper() == who.role.value
    return role_label(who.role) if nameless else who.name


def new_key() -> str:
    """An idempotency key for one rendering of a form."""
    return secrets.token_urlsafe(18)


def money(amount: Decimal, currency: str | None = None) -> str:
    """`CNY 52.00`, or `¥52.00` for readers of Chinese."""
    facts = merchant()
    code = currency or (facts.currency if facts else "CNY")
    locale = get_locale() or "en"
    if str(locale).startswith("zh"):
        return str(numbers.format_currency(amount, code, locale=locale))
    return str(numbers.format_currency(amount, code, format=CODE_FIRST, locale=locale))


def signed(amount: Decimal, currency: str | None = None) -> str:
    """What was added or taken: `CNY +52.00` and `CNY -52.00`, `+¥52.00` and `-¥52.00`."""
    text = money(amount, currency)
    if amount <= 0:
        return text
    code, _space, figure = text.partition(" ")
    return f"{code} +{figure}" if figure else f"+{text}"


def moment(value: datetime, time_zone: str | None = None) -> str:
    """Date and time in the merchant's zone: `22 Nov 2026, 08:02`, `2026年11月22日 08:02`.

    Pages for people who are not signed in name the zone.
    """
    pattern = _pattern({"en": "d MMM y, HH:mm", "zh": "y年M月d日 HH:mm"})
    locale = get_locale() or "en"
    here = ZoneInfo(time_zone) if time_zone else zone()
    return str(format_datetime(value, pattern, tzinfo=here, locale=locale))


def instant(value: datetime) -> str:
    """As `moment`, to the second: `22 Nov 2026, 08:02:41`."""
    pattern = _pattern({"en": "d MMM y, HH:mm:ss", "zh": "y年M月d日 HH:mm:ss"})
    locale = get_locale() or "en"
    return str(format_datetime(value, pattern, tzinfo=zone(), locale=locale))


def day(value: date) -> str:
    """A date, of a moment in the merchant's zone: `22 Nov 2026`, `2026年11月22日`."""
    local = value.astimezone(zone()).date() if isinstance(value, datetime) else value
    locale = get_locale() or "en"
    return str(format_date(local, _pattern({"en": "d MMM y", "zh": "y年M月d日"}), locale=locale))


def _pattern(patterns: dict[str, str]) -> str:
    return patterns[str(get_locale() or "en")[:2]]


def zone() -> ZoneInfo:
    facts = merchant()
    return ZoneInfo(facts.time_zone if facts else "UTC")


def _context() -> dict[str, Any]:
    settings = current_app.config["SETTINGS"]
    locale = str(get_locale() or "en")
    facts, who = merchant(), principal()
    navigation = entries_for(who)
    return {
        "navigation": navigation,
        "navigation_sections": sections(navigation),
        "person": _person(),
        "currency": facts.currency if facts else "",
        "may_give_bonus": who is not None and who.role in MANAGEMENT,
        "kill_switch_on": facts is not None and facts.kill_switch_enabled,
        "frozen": g.frozen if facts is not None else None,
        "is_owner": who is not None and who.role is Role.OWNER,
        "csrf_token": csrf_token,
        "theme": theme(),
        "locale": locale,
        "html_lang": HTML_LANG.get(locale, "en"),
        "sign_out_url": url_for("identity.sign_out.page"),
        "preferences_url": url_for("preferences"),
        "environment_badge": _badge(settings.profile),
        "product_version": __version__,
    }


def _badge(profile: Profile) -> str:
    badges: dict[Profile, str] = {
        Profile.DEV: gettext("development · sandbox"),
        Profile.TEST: gettext("test"),
        Profile.STAGING: gettext("staging"),
    }
    return badges.get(profile, "")


def _person() -> Person | None:
    who, facts = principal(), merchant()
    if who is None or facts is None:
        return None
    return Person(name_of(who), role_label(who.role), facts.name)
