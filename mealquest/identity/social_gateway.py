"""WeChat and Alipay: who holds a code that their app gave to a customer's phone.

A code is good for one exchange, so nothing here is tried twice.
"""

import json
import re
import threading
import time
from typing import Any

import httpx
from flask import current_app

from mealquest.core.errors import AppError
from mealquest.core.settings import Settings
from mealquest.identity.domain import Provider, SocialPerson
from mealquest.identity.errors import (
    SocialIdentityInvalid,
    SocialNotConfigured,
    SocialProviderAway,
    SocialProviderBusy,
    SocialProviderFailed,
    SocialProviderTimedOut,
)

PLACES = 24  # requests of a process that may wait for providers: the counter needs threads too
LONGEST_ANSWER = 64 * 1024
LONGEST_TEXT = 256  # of a name or phone that a provider says
_MAINLAND = re.compile(r"1[3-9]\d{9}")  # eleven digits that no other form of ours has
_SUBJECTS = ("subject", "userId", "user_id", "openid")
_PHONES = ("phone", "mobile")

_places = threading.BoundedSemaphore(PLACES)


def person_behind(provider: Provider, code: str) -> SocialPerson:
    """Exchange a code for the person it was given to. No transaction may be open.

    Raises:
        SocialNotConfigured: the operator has not set this provider up.
        SocialIdentityInvalid: the provider refuses the code, or names nobody.
        SocialProviderFailed, SocialProviderTimedOut: there is no answer, or one that is none.
        SocialProviderAway: nobody answers at Alipay's verifier.
        SocialProviderBusy: too many sign-ins of this process wait for an answer already.
    """
    settings: Settings = current_app.config["SETTINGS"]
    if not _places.acquire(blocking=False):
        raise SocialProviderBusy("too many sign-ins at once, try again")
    try:
        return _alipay(settings, code) if provider is Provider.ALIPAY else _wechat(settings, code)
    finally:
        _places.release()


def _wechat(settings: Settings, code: str) -> SocialPerson:
    if not settings.signs_in_by_wechat:
        raise SocialNotConfigured("WeChat Mini App auth is not configured")
    sent = {
        "appid": settings.auth_wechat_app_id,
        "secret": settings.auth_wechat_app_secret,
        "js_code": code,
        "grant_type": "authorization_code",
    }
    url = f"{settings.auth_wechat_base_url.rstrip('/')}/sns/jscode2session"
    status, answer = _ask(settings, "WeChat Mini App", "GET", url, params=sent)
    if not httpx.codes.is_success(status):
        raise SocialProviderFailed("WeChat Mini App auth service is not available")
    subject = None if answer.get("errcode") else _text(answer, "openid")
    if subject is None:
        raise SocialIdentityInvalid("invalid wechat identity")
    return SocialPerson(
        Provider.WECHAT_MINIAPP, subject, _text(answer, "unionid"), _phone(answer, "phoneNumber")
    )


def _alipay(settings: Settings, code: str) -> SocialPerson:
    if not settings.signs_in_by_alipay:
        raise SocialNotConfigured("Alipay auth is not configured")
    sent = {
        "code": code,
        "appId": settings.auth_alipay_app_id,
        "appSecret": settings.auth_alipay_app_secret,
    }
    status, answer = _ask(settings, "Alipay", "POST", settings.auth_alipay_verify_url, json=sent)
    subject = _text(answer, *_SUBJECTS) if httpx.codes.is_success(status) else None
    if subject is None:
        raise SocialIdentityInvalid("invalid alipay identity")
    union = _text(answer, "unionId", "unionid")
    return SocialPerson(Provider.ALIPAY, subject, union, _phone(answer, *_PHONES))


def _ask(
    settings: Settings, name: str, method: str, url: str, **sent: Any
) -> tuple[int, dict[str, Any]]:
    """Status and JSON object of the answer; the object is empty for other JSON.

    An answer that trickles in ends with the time allowed, too.
    """
    allowed = settings.auth_http_timeout_ms / 1000
    until = time.monotonic() + allowed
    body = bytearray()
    try:
        with httpx.stream(method, url, timeout=allowed, **sent) as answer:
            for piece in answer.iter_bytes():
                body += piece
                if time.monotonic() > until:
                    raise httpx.ReadTimeout("trickles")
                if len(body) > LONGEST_ANSWER:
                    raise httpx.DecodingError("longer than any answer of theirs")
    except httpx.TimeoutException:
        raise SocialProviderTimedOut(f"{name} auth service timed out") from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise _away(name) from None
    return answer.status_code, _object(name, answer.status_code, bytes(body))


def _away(name: str) -> AppError:
    """Clients know WeChat's silence by 502 and that of Alipay's verifier by 503."""
    told = f"{name} auth service is not available"
    return SocialProviderAway(told) if name == "Alipay" else SocialProviderFailed(told)


def _object(name: str, status: int, body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        if not httpx.codes.is_success(status):
            return {}  # the status says it all
        raise SocialProviderFailed(f"{name} auth service did not answer in JSON") from None
    return found if isinstance(found, dict) else {}


def _phone(answer: dict[str, Any], *names: str) -> str | None:
    """A verified phone with its country: both providers say those of the mainland without one."""
    said = _text(answer, *names)
    if said is not None and _MAINLAND.fullmatch(said):
        return f"+86{said}"
    return said


def _text(answer: dict[str, Any], *names: str) -> str | None:
    """The first of these members that says something."""
    for name in names:
        value = answer.get(name)
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if isinstance(text, str) and text.strip() and len(text) <= LONGEST_TEXT:
            return text.strip()
    return None
