"""CSRF for what a cookie authenticates, and the headers every answer carries."""

import re

from flask import Response, request
from flask_wtf.csrf import generate_csrf, validate_csrf
from wtforms.validators import ValidationError

from mealquest.core.errors import Forbidden
from mealquest.web import inputs

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LOCAL = re.compile(r"/(?![/\\])[^\x00-\x20\x7f]*")
HSTS = "max-age=31536000; includeSubDomains"


class CsrfFailed(Forbidden):
    code = "CSRF_FAILED"


def csrf_token() -> str:
    token: str = generate_csrf()
    return token


def require_csrf() -> None:
    """CsrfFailed unless the request carries the token of this browser's session."""
    inputs.body()  # before the form is parsed, which takes the beginning of a long one for all
    sent = request.headers.get("X-CSRFToken") or request.form.get("csrf_token")
    try:
        validate_csrf(sent)
    except ValidationError:
        raise CsrfFailed("the form has expired, open the page again and repeat") from None


def is_local(target: str) -> bool:
    """Whether a redirect there stays on this site, as a browser reads it."""
    return bool(LOCAL.fullmatch(target))


def secure(response: Response, *, https: bool) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if https:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
