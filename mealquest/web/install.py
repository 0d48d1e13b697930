"""Register declared features with Flask, and everything that holds for every request."""

import re
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from flask import Flask, Response, g, redirect, request
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask_compress import Compress
from werkzeug.middleware.proxy_fix import ProxyFix

from mealquest.core import telemetry
from mealquest.core.crypto import derive_key
from mealquest.core.errors import AppError, MethodNotAllowed, NotFound
from mealquest.core.ids import new_id
from mealquest.core.settings import Profile, Settings
from mealquest.web import (
    assets,
    credentials,
    look,
    pipeline,
    preferences,
    problems,
    respond,
    security,
)
from mealquest.web.frame import Endpoint, Face, Feature
from mealquest.web.inputs import MAX_BODY
from mealquest.web.quota import Quotas
from mealquest.web.throttle import Throttles

SIGNED_IN = timedelta(hours=12)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

log = structlog.get_logger("mealquest.access")


class Sessions(SecureCookieSessionInterface):
    """Sessions in a signed cookie, of which static files know nothing.

    The login library looks into the session of every request, and an answer that says it varies
    with the cookie is thrown away by caches as soon as the cookie changes.
    """

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if request.endpoint != assets.ENDPOINT:
            super().save_session(app, session, response)


def install(
    app: Flask, features: Iterable[Feature], settings: Settings, redis_url: str, root: Path
) -> None:
    _configure(app, settings)
    app.session_interface = Sessions()
    app.extensions["throttles"] = Throttles(redis_url, enabled=settings.throttles)
    app.extensions["quotas"] = Quotas(redis_url)
    app.extensions["endpoints"] = {}
    assets.install(app, root / "static")
    look.install(app, root / "mealquest" / "translations")
    credentials.login_manager.init_app(app)
    app.before_request(_begin)
    app.after_request(_finish)
    app.register_error_handler(Exception, _unhandled)
    app.add_url_rule("/preferences", "preferences", _preferences, methods=["POST"])
    for feature in features:
        app.jinja_env.globals.update(feature.words)
        for endpoint in feature.endpoints:
            _register(app, endpoint)
    Compress(app)


def _configure(app: Flask, settings: Settings) -> None:
    app.config.update(
        SECRET_KEY=derive_key(settings.jwt_secret, "console session"),
        PERMANENT_SESSION_LIFETIME=2 * SIGNED_IN,  # a form may be sent when a sign-in has ended
        SESSION_COOKIE_NAME="mq_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=_https(settings),
        MAX_CONTENT_LENGTH=MAX_BODY + 1,  # so that a body in chunks shows that it is longer
        MAX_FORM_MEMORY_SIZE=MAX_BODY,
        WTF_CSRF_TIME_LIMIT=int(SIGNED_IN.total_seconds()),
        COMPRESS_MIMETYPES=["text/html", "application/json"],
        COMPRESS_STREAMS=False,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_options["autoescape"] = True
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]


def _https(settings: Settings) -> bool:
    return settings.profile in {Profile.STAGING, Profile.PROD}


def _register(app: Flask, endpoint: Endpoint) -> None:
    if endpoint.full_name in app.extensions["endpoints"]:
        raise ValueError(f"{endpoint.full_name} is declared twice")
    app.extensions["endpoints"][endpoint.full_name] = endpoint
    for face, url in endpoint.urls:
        app.add_url_rule(
            url,
            f"{endpoint.full_name}.{face.value}",
            _view(endpoint, face),
            methods=[endpoint.method],
        )


def _view(endpoint: Endpoint, face: Face) -> Callable[..., Response]:
    def view(**path: Any) -> Response:
        return pipeline.run(endpoint, face, path)

    return view


def _begin() -> None:
    sent = request.headers.get("X-Request-Id", "")
    telemetry.request_id.set(sent if _REQUEST_ID.fullmatch(sent) else new_id("req"))
    g.began = time.perf_counter()


def _finish(response: Response) -> Response:
    response.headers["X-Request-Id"] = telemetry.request_id.get()
    rule = request.url_rule.rule if request.url_rule else "unknown"
    seconds = time.perf_counter() - g.get("began", time.perf_counter())
    telemetry.requests_total.inc()
    method = request.method if request.method in METHODS else "other"
    status = 101 if g.get("is_socket") else response.status_code
    telemetry.requests_by_path.labels(rule, method, status).inc()
    if not g.get("is_socket"):  # which lasts as long as somebody listens
        telemetry.request_seconds.labels(rule).observe(seconds)
    if response.status_code >= 400:
        telemetry.errors_total.inc()
    log.info(
        "request",
        method=method,
        route=rule,
        status=status,
        ms=round(seconds * 1000, 1),
    )
    https = request.is_secure and response.status_code < 500
    return security.secure(response, https=https)


def _unhandled(failure: Exception) -> Response:
    """What no declared handler answered: unknown paths, wrong verbs, bodies too large."""
    error = problems.as_app_error(failure)
    if not request.path.startswith("/api/"):
        return respond.problem(error, Face.PAGE)
    return respond.problem(_api_error(error), Face.API)


def _api_error(error: AppError) -> AppError:
    """Authentication comes first: a stranger is not told which API paths exist."""
    if not isinstance(error, NotFound | MethodNotAllowed):
        return error
    try:
        pipeline.require_somebody()
    except Exception as refused:  # noqa: BLE001 - whatever it is, it is the answer
        return problems.as_app_error(refused)
    return error


def _preferences() -> Response:
    """Theme and language, kept in cookies so that they hold before anybody signs in."""
    try:
        security.require_csrf()
    except AppError as error:
        return respond.problem(error, Face.PAGE)
    onward = request.form.get("next", "/")
    response = redirect(onward if security.is_local(onward) else "/", code=303)
    for name, allowed in (("theme", look.THEMES), ("locale", look.LOCALES)):
        value = request.form.get(name, "")
        if value in allowed:
            preferences.remember(response, name, value)  # type: ignore[arg-type]
    return response  # type: ignore[return-value]  # werkzeug's base class
