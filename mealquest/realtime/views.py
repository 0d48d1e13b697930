"""The socket: who may open it, and what happens to the connection."""

import threading
from functools import partial
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, current_app, g, request
from flask_sock import Sock
from simple_websocket import Server

from mealquest.core.errors import Forbidden, Unavailable, UpgradeRequired
from mealquest.core.principal import CASHIER
from mealquest.core.settings import Settings
from mealquest.identity.service import Claims
from mealquest.realtime import service
from mealquest.realtime.connection import LiveSocket, Wire
from mealquest.realtime.domain import Viewer
from mealquest.realtime.errors import HandshakeInvalid, OriginDenied
from mealquest.realtime.event_views import feature
from mealquest.realtime.forms import ConnectForm
from mealquest.realtime.gateway import Rings
from mealquest.realtime.hub import Hub
from mealquest.tenancy.service import Operation
from mealquest.web import credentials, pipeline
from mealquest.web.credentials import Credential
from mealquest.web.frame import Call, Face, Scope

__all__ = ["feature", "install"]

PATH = "/ws"
SWITCHING = 101
VERSION = "13"
OPTIONS = {
    "ping_interval": 25,  # seconds; a client that answers none of two is gone
    "max_message_size": 4096,  # of clients, who have nothing to say
    "thread_class": partial(threading.Thread, daemon=True),
}

sockets = Blueprint("sockets", __name__)
sock = Sock()


def install(app: Flask, settings: Settings, redis_url: str) -> None:
    app.config["SOCK_SERVER_OPTIONS"] = OPTIONS
    app.extensions["rings"] = Rings(redis_url)
    app.extensions["hub"] = Hub(app, redis_url, settings.socket_limit)
    app.register_blueprint(sockets)


# --- the handshake ------------------------------------------------------------------------


def _presented() -> Credential | None:
    """The token of the query, a ticket, a header, or the console's cookie, in this order."""
    if not _asks_for_upgrade() or request.headers.get("Sec-WebSocket-Version", VERSION) != VERSION:
        raise UpgradeRequired("this path speaks WebSocket, version 13")
    found = _found()
    g.socket_claims = found.claims if found else None
    return found


def _found() -> Credential | None:
    if token := request.args.get("token"):
        return credentials.bearer(token)
    if ticket := request.args.get("ticket"):
        return Credential(claims=service.redeem_ticket(ticket))
    found = credentials.presented()
    if found is not None and found.by_cookie and not _comes_from_us():
        raise OriginDenied
    return found


def _asks_for_upgrade() -> bool:
    """As the router decides it."""
    return request.environ.get("HTTP_UPGRADE", "").lower() == "websocket" and "upgrade" in {
        word.strip() for word in request.environ.get("HTTP_CONNECTION", "").lower().split(",")
    }


def _comes_from_us() -> bool:
    """A browser sends cookies along with any page's socket: only our own pages may use ours."""
    settings: Settings = current_app.config["SETTINGS"]
    ours = (request.host_url, settings.public_base_url)
    origin = _origin(request.headers.get("Origin", ""))
    return origin is not None and origin in map(_origin, ours)


def _origin(url: str) -> tuple[str, str] | None:
    """Scheme and host with port; None for a page without a place of its own, and for nothing."""
    parts = urlsplit(url)
    return (parts.scheme, parts.netloc) if parts.netloc else None


@feature.get(
    api=PATH,
    roles=CASHIER,
    scope=Scope.QUERY,
    gate=Operation.WS_CONNECT,
    presented=_presented,
    status=SWITCHING,
    media="application/json",
)
def connect(call: Call, form: ConnectForm) -> Response:
    """Follow the merchant's events over a WebSocket; a customer gets those about them."""
    if not request.headers.get("Sec-WebSocket-Key", "").strip():
        raise HandshakeInvalid("Sec-WebSocket-Key is required")
    g.wire = _wire()
    viewer = Viewer(call.merchant_id, call.principal.role, call.principal.subject)
    claims: Claims | None = g.socket_claims
    if claims is None:
        raise Forbidden("permission denied")
    g.live = _hub().join(viewer, claims, form.since, wants_passing=form.passing == "yes")
    return Response(status=SWITCHING)


def _wire() -> Wire:
    """The connection below, which the library will find in the environment in our wrapping.

    No compression: events are small, and its memory would be most of what a socket costs.
    """
    environ = request.environ
    name = next((n for n in ("gunicorn.socket", "werkzeug.socket") if n in environ), None)
    if name is None:
        raise Unavailable("this server cannot upgrade a connection", code="NO_SOCKETS_HERE")
    environ[name] = wire = Wire(environ[name])
    environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
    return wire


@sockets.before_request
def _admit() -> Response | None:
    """Everything is decided while the answer can still be a plain HTTP status."""
    endpoint = current_app.extensions["endpoints"]["realtime.connect"]
    answer = pipeline.run(endpoint, Face.API, {})
    g.is_socket = answer.status_code == SWITCHING
    return None if g.is_socket else answer


@sock.route(PATH, bp=sockets)  # type: ignore[untyped-decorator]
def stream(ws: Server) -> None:
    live: LiveSocket = g.live
    live.attach(g.wire)
    live.serve(ws)


@sockets.teardown_request
def _leave(_failure: BaseException | None) -> None:
    live: LiveSocket | None = g.pop("live", None)
    if live is not None:
        _hub().leave(live)


def _hub() -> Hub:
    hub: Hub = current_app.extensions["hub"]
    return hub
