"""All sockets of one web process, and the one thread that brings them their news.

A ring from Redis says which merchant has news; the rows after the merchant's cursor are then read
from PostgreSQL, once for all its sockets here. While Redis is away the thread looks for itself
every second, and every few seconds in any case: what a lost ring left out is found there.
"""

import threading
import time
from collections import Counter as Tally
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from flask import Flask
from prometheus_client import Gauge
from sqlalchemy.exc import SQLAlchemyError

from mealquest.core.errors import Unavailable
from mealquest.core.ids import new_id
from mealquest.identity.service import Claims
from mealquest.realtime import service
from mealquest.realtime.connection import LiveSocket
from mealquest.realtime.domain import LiveEvent, Passing, Reason, Viewer
from mealquest.realtime.gateway import Ear

TURN_S = 0.25  # longest wait for a ring
TEND_S = 1.5  # between looks at tokens and policies
LOOK_S = 1.0  # between looks for news while Redis is away
CALM_S = 3.0  # and while it is there
LAST_WORDS_S = 2.5  # for closing every socket when the process ends
GIVE_UP_S = 5.0  # a socket that was told to end and has not is cut
EACH = 200  # events of one merchant read at a time

open_sockets = Gauge("mealquest_sockets", "Open live sockets.", multiprocess_mode="livesum")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Channel:
    """One merchant's sockets here; `cursor` is the number of the last event they were given."""

    cursor: int
    members: set[LiveSocket] = field(default_factory=set)


class Hub:
    def __init__(self, app: Flask, redis_url: str, limit: int) -> None:
        self.process_id = new_id("web")
        self._app = app
        self._limit = limit
        self._ear = Ear(redis_url)
        self._lock = threading.Lock()  # guards what follows, and nothing slow is done under it
        self._channels: dict[str, Channel] = {}
        self._taken = 0
        self._unsaid: set[str] = set()  # merchants whose number of sockets has changed
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._saying = threading.Lock()  # one thread writes presence at a time, the newest number
        self._tend_at = self._look_at = 0.0

    # --- coming and going ---------------------------------------------------------------

    def join(
        self, viewer: Viewer, claims: Claims, since: int | None, *, wants_passing: bool = False
    ) -> LiveSocket:
        """Register a client before its handshake is answered, so that it misses nothing after.

        One too many, and one that comes while the process ends, gets a socket that only closes.
        """
        if self._stopping.is_set():
            return LiveSocket.refused(viewer, claims, Reason.RESTARTING)
        if not self._take_place():
            return LiveSocket.refused(viewer, claims, Reason.FULL)
        joined = LiveSocket(viewer, claims, since)
        joined.wants_passing, joined.holds_place = wants_passing, True
        try:
            self._enter(joined)
            self._say({viewer.merchant_id})
        except BaseException:
            self.leave(joined)
            raise
        return joined

    def leave(self, gone: LiveSocket) -> None:
        merchant_id = gone.viewer.merchant_id
        with self._lock:
            if not gone.holds_place:
                return
            gone.holds_place = False
            channel = self._channels.get(merchant_id)
            if channel is not None and gone in channel.members:
                channel.members.discard(gone)
                self._unsaid.add(merchant_id)
                if not channel.members:
                    del self._channels[merchant_id]
            self._taken -= 1
            open_sockets.set(self._taken)
            is_last = not self._taken and self._stopping.is_set()
        if is_last:
            with suppress(SQLAlchemyError):  # in ten seconds nobody counts this process anyway
                self._say_what_is_unsaid()

    def close_all(self) -> None:
        """Let every client go and come back elsewhere, within three seconds: the process ends."""
        self._stopping.set()
        for member in self._members():
            member.end(Reason.RESTARTING)
        give_up = time.monotonic() + LAST_WORDS_S
        while self._taken and time.monotonic() < give_up:
            time.sleep(0.05)
        for member in self._members():
            member.cut()

    def _take_place(self) -> bool:
        with self._lock:
            if self._taken >= self._limit:
                return False
            self._taken += 1
            open_sockets.set(self._taken)
            return True

    def _enter(self, joined: LiveSocket) -> None:
        newest: int | None = None
        while not self._enters(joined, newest):
            newest = service.newest_seq(joined.viewer.merchant_id)

    def _enters(self, joined: LiveSocket, newest: int | None) -> bool:
        """False: nobody follows this merchant here yet, and where to begin is not known."""
        merchant_id = joined.viewer.merchant_id
        with self._lock:
            if merchant_id not in self._channels:
                if newest is None:
                    return False
                self._channels[merchant_id] = Channel(cursor=newest)
                self._look_at = 0.0  # a ring since then went unheard
            channel = self._channels[merchant_id]
            joined.joined_at = channel.cursor
            channel.members.add(joined)
            self._ensure_thread()
            return True

    def _members(self) -> list[LiveSocket]:
        with self._lock:
            return [member for channel in self._channels.values() for member in channel.members]

    # --- the thread ---------------------------------------------------------------------

    def _ensure_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="live-events", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        with self._app.app_context():
            while not self._stopping.is_set():
                try:
                    self._turn()
                except (SQLAlchemyError, Unavailable) as away:
                    log.warning("sockets wait for the database", error=type(away).__name__)
                    self._stopping.wait(LOOK_S)
                except Exception as failure:  # the sockets need this thread
                    log.error("live events failed", exc_info=failure)
                    self._stopping.wait(LOOK_S)

    def _turn(self) -> None:
        heard = self._ear.hears
        news = self._ear.wait(TURN_S)
        for passing in news.passing:
            self._pass_on(passing)
        now = time.monotonic()
        hears_again = self._ear.hears and not heard
        if hears_again or now >= self._look_at:
            self._look_at = now + (CALM_S if self._ear.hears else LOOK_S)
            self._bring_news(self._cursors())
        elif news.rung:
            self._bring_news(self._cursors(news.rung))
        if now >= self._tend_at:
            self._tend_at = now + TEND_S
            self._tend()
        self._say_what_is_unsaid()

    def _cursors(self, of: set[str] | None = None) -> dict[str, int]:
        with self._lock:
            return {
                merchant_id: channel.cursor
                for merchant_id, channel in self._channels.items()
                if of is None or merchant_id in of
            }

    def _bring_news(self, cursors: dict[str, int]) -> None:
        while cursors:
            events = service.news(cursors, EACH)
            for event in events:
                self._give(event)
            full = Tally(event.merchant_id for event in events)
            cursors = self._cursors({name for name, count in full.items() if count >= EACH})

    def _give(self, event: LiveEvent) -> None:
        with self._lock:
            channel = self._channels.get(event.merchant_id)
            if channel is None or event.seq <= channel.cursor:
                return
            channel.cursor = event.seq
            listeners = [member for member in channel.members if member.viewer.may_see(event)]
        if listeners:
            frame = event.frame()
            for member in listeners:
                member.push(event.seq, frame)

    def _pass_on(self, passing: Passing) -> None:
        with self._lock:
            channel = self._channels.get(passing.merchant_id)
            members = list(channel.members) if channel else []
        listeners = [one for one in members if one.wants_passing and one.viewer.may_hear(passing)]
        if listeners:
            frame = passing.frame()
            for member in listeners:
                member.whisper(frame)

    # --- looking after what is open -------------------------------------------------------

    def _tend(self) -> None:
        members = self._members()
        if not members:
            return
        standing, open_merchants = service.allowed({member.claims for member in members})
        for member in members:
            if reason := _reason_to_end(member, standing, open_merchants):
                member.end(reason)
            if member.ended_at and time.monotonic() - member.ended_at > GIVE_UP_S:
                member.cut()
        self._say({member.viewer.merchant_id for member in members})

    def _say_what_is_unsaid(self) -> None:
        with self._lock:
            merchants, self._unsaid = self._unsaid, set()
        if not merchants:
            return
        try:
            self._say(merchants)
        except SQLAlchemyError:
            with self._lock:
                self._unsaid |= merchants
            raise

    def _say(self, merchants: set[str]) -> None:
        """Write how many sockets these merchants have here."""
        with self._saying:
            with self._lock:
                counts = {
                    merchant_id: len(self._channels[merchant_id].members)
                    if merchant_id in self._channels
                    else 0
                    for merchant_id in merchants
                }
            service.note_presence(self.process_id, counts)


def _reason_to_end(
    member: LiveSocket, standing: set[Claims], open_merchants: set[str]
) -> Reason | None:
    if member.claims.expires_at <= time.time():
        return Reason.TOKEN_EXPIRED
    if member.claims not in standing:
        return Reason.SIGNED_OUT
    if member.viewer.merchant_id not in open_merchants:
        return Reason.REALTIME_DISABLED
    return None
