"""One open socket: what waits to be sent, the thread that sends it, and how it comes to an end.

Two threads work on a socket. The web server's own thread runs `LiveSocket.serve` and sends; a
second one belongs to the WebSocket library, reads, answers pings and sends its own. Whoever has
news only appends to the queue and wakes the sender, so a slow client holds up nobody.
"""

import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from prometheus_client import Counter
from simple_websocket import ConnectionClosed, Server
from sqlalchemy.exc import SQLAlchemyError
from wsproto.utilities import LocalProtocolError

from mealquest.core.errors import Unavailable
from mealquest.identity.service import Claims
from mealquest.realtime import service
from mealquest.realtime.domain import Close, LiveEvent, Reason, Viewer

MOST_WAITING = 256  # frames; a client that lets more pile up is dropped
FEW_WAITING = 8  # frames; a client that lags so far behind hears nothing that passes by
SEND_S = 10  # one frame takes no longer to leave, or the client is gone
SEND_BUFFER = 64 * 1024  # of the kernel: what a client may lag behind before frames pile up
BYE_S = 1.0  # for the client to answer a close frame
REFUSED_BYE_S = 0.1  # when threads are short
BATCH = 200  # events of a backlog read at a time

closed_total = Counter("mealquest_sockets_closed", "Live sockets closed.", ["reason"])
frames_total = Counter("mealquest_live_frames", "Frames sent to live sockets.")

log = structlog.get_logger(__name__)


class Wire:
    """The TCP connection beneath a WebSocket, as the library wants it, but safe to share.

    Whole frames only: both threads send. The web server owns the descriptor and closes it; we
    shut the connection down, which also wakes the thread that reads.
    """

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self._sending = threading.Lock()
        with suppress(OSError):  # not every kind of connection has all of these
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_S, 0))
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> int:
        with self._sending:
            self._raw.sendall(data)
        return len(data)

    def recv(self, size: int) -> bytes:
        return self._raw.recv(size)

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        with suppress(OSError):  # the other side was faster
            self._raw.shutdown(socket.SHUT_RDWR)


class LiveSocket:
    """A client that follows its merchant's events from a number on."""

    def __init__(self, viewer: Viewer, claims: Claims, since: int | None) -> None:
        self.viewer = viewer
        self.claims = claims
        self.joined_at = 0  # the queue holds what is newer; the backlog is what is older
        self.ended_at: float | None = None
        self.holds_place = False
        self.wants_passing = False
        self._since = since
        self._position = 0  # number of the last event sent, or passed over
        self._reason: Reason | None = None
        self._waiting: deque[tuple[int | None, str]] = deque()
        self._wire: Wire | None = None
        self._wake: Callable[[], Any] = lambda: None

    @classmethod
    def refused(cls, viewer: Viewer, claims: Claims, reason: Reason) -> "LiveSocket":
        """One that is closed as soon as it is open, which is how it learns the reason."""
        refused = cls(viewer, claims, None)
        refused._reason = reason
        return refused

    # --- called by the hub --------------------------------------------------------------

    def push(self, seq: int, frame: str) -> None:
        self._waiting.append((seq, frame))
        if len(self._waiting) > MOST_WAITING and self._reason is None:
            log.info("socket lags", merchant_id=self.viewer.merchant_id, seq=seq)
            self.end(Reason.TOO_SLOW)
        self._wake()

    def whisper(self, frame: str) -> None:
        """Send what passes by, unless more important things wait to be sent."""
        if len(self._waiting) < FEW_WAITING:
            self._waiting.append((None, frame))
            self._wake()

    def end(self, reason: Reason) -> None:
        """Ask the sender to close; the first reason counts."""
        if self._reason is None:
            self._reason, self.ended_at = reason, time.monotonic()
        self._wake()

    def cut(self) -> None:
        """End it without a word: its sender hangs on a client that takes nothing any more."""
        if self._wire is not None:
            self._wire.close()

    # --- the sender ---------------------------------------------------------------------

    def attach(self, wire: Wire) -> None:
        self._wire = wire

    def serve(self, ws: Server) -> None:
        """Send until one of the two sides ends it. Never raises: HTTP is over on this socket."""
        self._wake = ws.event.set
        try:
            if self._reason is None:
                self._send_backlog(ws)
            self._send_news(ws)
        except (ConnectionClosed, LocalProtocolError):
            pass  # the client has gone, or goes
        except OSError as broken:
            if isinstance(broken, BlockingIOError):
                self.end(Reason.TOO_SLOW)
            self.cut()  # in the middle of a frame, so there is nothing more to say
        except (SQLAlchemyError, Unavailable) as away:
            log.warning("socket closed", error=type(away).__name__)
            self.end(Reason.UNAVAILABLE)
        except Exception as failure:  # an error page must not follow on a socket
            log.error("socket failed", exc_info=failure)
            self.end(Reason.UNAVAILABLE)
        self._say_bye(ws)

    def _send_news(self, ws: Server) -> None:
        while ws.connected and self._reason is None:
            while self._waiting and self._reason is None:
                seq, frame = self._waiting.popleft()
                if (
                    seq is None or seq > self._position
                ):  # a client may come with a newer number than we had
                    self._send(ws, frame)
            ws.event.wait()
            ws.event.clear()
            ws.input_buffer.clear()  # clients have nothing to say

    def _send_backlog(self, ws: Server) -> None:
        """What was missed before joining: numbers after `since`, up to the first in the queue."""
        if self._since is None:
            return
        merchant_id, self._position = self.viewer.merchant_id, self._since
        if gap := service.lost(merchant_id, self._since):
            frame, self._position = gap
            self._send(ws, frame)
        while self._position < self.joined_at and self._reason is None:
            batch = service.backlog(merchant_id, self._position, self.joined_at, BATCH)
            self._send_seen(ws, batch)
            self._position = batch[-1].seq if batch else self.joined_at

    def _send_seen(self, ws: Server, events: list[LiveEvent]) -> None:
        for event in events:
            if self.viewer.may_see(event):
                self._send(ws, event.frame())

    def _send(self, ws: Server, frame: str) -> None:
        ws.send(frame)
        frames_total.inc()

    def _say_bye(self, ws: Server) -> None:
        """Close as the protocol wants it, wait a moment for the answer, then let go."""
        reason = self._reason
        closed_total.labels(reason or "CLIENT").inc()
        if reason is not None:
            log.info("socket closed", reason=reason, merchant_id=self.viewer.merchant_id)
        with suppress(ConnectionClosed, LocalProtocolError, OSError):
            ws.close(reason.code if reason else Close.NORMAL, reason)
        ws.thread.join(REFUSED_BYE_S if reason is Reason.FULL else BYE_S)
        self.cut()
