"""Health, metrics, the API's description, and what would have been sent in development."""

import json
from typing import Any
from urllib.parse import urlencode

from flask import Response, current_app, make_response, redirect, render_template, request, url_for
from flask_babel import get_locale
from markupsafe import Markup

from mealquest.core.errors import NotFound
from mealquest.core.principal import MANAGEMENT
from mealquest.core.wire import NoInput
from mealquest.ops import service
from mealquest.ops.replies import Alive, Healthy
from mealquest.web import openapi
from mealquest.web.frame import Call, Feature

feature = Feature("ops")
FROM_STRIPE = ("connected", "error")


@feature.get(api="/health", for_monitors=True)
def health(call: Call, form: NoInput) -> Alive:
    """Alive: the process answers. No dependency is asked."""
    return service.alive()


@feature.get(api="/api/health", for_monitors=True)
def ready(call: Call, form: NoInput) -> Healthy:
    """Ready: the database answers too."""
    return service.healthy()


@feature.get(api="/metrics", for_monitors=True, media="text/plain")
def metrics(call: Call, form: NoInput) -> Response:
    """Prometheus text of all processes."""
    return Response(service.metrics(), content_type=service.METRICS_TYPE)


@feature.get(api="/api/openapi.json", media="application/json")
def openapi_document(call: Call, form: NoInput) -> Response:
    """This API, described by OpenAPI 3.1."""
    return Response(json.dumps(_spec()), mimetype="application/json")


@feature.get(page="/api/docs")
def docs(call: Call, form: NoInput) -> Response:
    """This API, described for people."""
    page = render_template("web/api_docs.html", spec=_spec(), described=_described())
    return make_response(page)


@feature.get(page="/")
def front(call: Call, form: NoInput) -> Response:
    """The front page; people who are signed in go on to the console, and where Stripe sends them
    back, to what they have connected."""
    said = {name: request.args[name] for name in FROM_STRIPE if name in request.args}
    if call.principal.role in MANAGEMENT and said:
        onward = f"{url_for('connect.connection.page')}?{urlencode(said)}"
        return make_response(redirect(onward, code=303))
    if call.principal.merchant_id and not request.args:
        return make_response(redirect(url_for("payments.home.page"), code=303))
    return make_response(render_template("ops/front.html"))


@feature.get(page="/dev/outbox")
def outbox(call: Call, form: NoInput) -> Response:
    """Every phone code and mail of this development installation, newest first."""
    if not current_app.config["SETTINGS"].is_development:
        raise NotFound("Not Found")
    view = service.development_outbox()
    if request.accept_mimetypes.best_match(["text/html", "application/json"]) == "text/html":
        return make_response(render_template("ops/outbox.html", view=view))
    return Response(view.as_json(), mimetype="application/json")


def _spec() -> dict[str, Any]:
    """Described on first use: it is the same for as long as the process runs."""
    known: dict[str, Any] = current_app.extensions.setdefault("openapi", {})
    if not known:
        endpoints = current_app.extensions["endpoints"].values()
        known |= openapi.describe(endpoints, current_app.config["SETTINGS"].base_url)
    return known


def _described() -> Markup:
    """The document as HTML in the reader's language, rendered once for each."""
    known: dict[str, Markup] = current_app.extensions.setdefault("openapi_pages", {})
    locale = str(get_locale() or "en")
    if locale not in known:
        known[locale] = Markup(render_template("web/_api_docs.html", spec=_spec()))  # noqa: S704 - a template's own output
    return known[locale]
