"""What somebody had typed into a form whose session had ended, kept until they are signed in again.

It waits in a cookie of the same browser, sealed and for half an hour, and is shown once: on the
page the form stands on, to the same person. What looks like a secret or a one-time code is not
kept, nor is a form that this browser was not given.
"""

import json
import re
import time
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from flask import Response, after_this_request, current_app, request, session, url_for
from flask_babel import gettext
from pydantic.alias_generators import to_camel

from mealquest.core.crypto import CannotDecrypt, Keyring
from mealquest.core.errors import AppError
from mealquest.core.principal import Principal
from mealquest.web import inputs
from mealquest.web.credentials import PERSON, person
from mealquest.web.formstate import FormState
from mealquest.web.frame import Endpoint
from mealquest.web.security import require_csrf

SIGNED_OUT = "SIGNED_OUT"  # what templates see as `failed`
COOKIE, PLACE = "mq_draft", "web.draft"
KEPT_S = 1800
MOST = 3800  # bytes of a cookie; browsers take four thousand
FIELDS = 100  # more than any form of ours has
SECRET = re.compile(r"code|secret|passw|token|credential|signature|api_?key", re.IGNORECASE)
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True, slots=True)
class Draft:
    person: str
    path: str  # of the page the form stands on
    values: dict[str, str]
    at: float


def keep(shown: Endpoint, path: dict[str, Any]) -> str:
    """Remember the form of this request, which stands on `shown`; the address of that page.

    Empty when the page has no address that could be made from what was sent.
    """
    try:
        require_csrf()
        values = {
            name: str(value)
            for name, value in inputs.typed(path).items()
            if not SECRET.search(name)
        }
    except AppError:
        return ""
    address = _address(shown, values)
    if address and session.get(PERSON):
        draft = Draft(session[PERSON], urlsplit(address).path, values, time.time())
        if sealed := _sealed(draft):
            _set_cookie(sealed)
    return address


def take(principal: Principal) -> FormState | None:
    """What this person had typed on the page that is asked for; it is forgotten with that."""
    sealed = request.cookies.get(COOKIE)
    draft = _opened(sealed) if sealed else None
    if sealed and (draft is None or draft.person != person(principal)):
        _set_cookie("")
        return None
    if draft is None or draft.path != request.path:
        return None
    _set_cookie("")
    words = gettext("You were signed out, and nothing was sent. What you had typed is here again.")
    return FormState(draft.values, (), words)


def _address(shown: Endpoint, values: Mapping[str, str]) -> str:
    """Where `shown` is, with as much of its own input as stood in the form."""
    path = set(PARAMETER.findall(shown.page or ""))
    if not shown.page or any(to_camel(name) not in values for name in path):
        return ""
    asked = {name: values[to_camel(name)] for name in path}
    query = {to_camel(name): values.get(to_camel(name)) for name in shown.input.model_fields}
    known = {to_camel(name) for name in path}
    asked |= {name: value for name, value in query.items() if value and name not in known}
    return url_for(f"{shown.full_name}.page", **asked)  # type: ignore[arg-type]  # any query


def _sealed(draft: Draft) -> str:
    """As much of it as a cookie holds: the longest texts are left out first.

    Empty when nothing of it fits, as of a page with a very long address.
    """
    shortest_first = sorted(draft.values.items(), key=lambda item: len(item[1]))[:FIELDS]
    while True:
        kept = asdict(replace(draft, values=dict(shortest_first)))
        packed = b64encode(zlib.compress(json.dumps(kept).encode(), 9)).decode()
        sealed = _keyring().encrypt(packed, place=PLACE)
        if len(sealed) <= MOST:
            return sealed
        if not shortest_first:
            return ""
        shortest_first.pop()


def _opened(sealed: str) -> Draft | None:
    try:
        packed = b64decode(_keyring().decrypt(sealed, place=PLACE))
    except (CannotDecrypt, ValueError):
        return None
    draft = Draft(**json.loads(zlib.decompress(packed)))
    return draft if time.time() - draft.at <= KEPT_S else None


def _set_cookie(value: str) -> None:
    """With the answer to this request; an empty value removes the cookie."""

    def apply(response: Response) -> Response:
        response.set_cookie(
            COOKIE,
            value,
            max_age=KEPT_S if value else 0,
            path="/console/",
            httponly=True,
            samesite="Lax",
            secure=current_app.config["SESSION_COOKIE_SECURE"],
        )
        return response

    after_this_request(apply)


def _keyring() -> Keyring:
    keyring: Keyring = current_app.extensions["keyring"]
    return keyring
