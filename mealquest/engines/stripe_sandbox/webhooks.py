"""Events on their way to endpoints: signed, repeated with growing pauses, and as bad as asked."""

import hashlib
import hmac
import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mealquest.engines.stripe_sandbox.objects import API_VERSION
from mealquest.engines.stripe_sandbox.world import MODERN, World

Json = dict[str, Any]
PAUSES_S = (2, 10, 60, 300, 1800, 7200, 18_000, 36_000)
TIMEOUT_S = 10.0
LONGEST_SLEEP_S = 1.0


@dataclass
class Weather:
    """How deliveries go. `held` ones wait until they are let go, and then leave newest first."""

    delay_s: float = 0.0
    copies: int = 1
    lose: int = 0  # so many deliveries vanish as if the network had eaten them
    hold: bool = False
    kinds: list[str] = field(default_factory=list)  # empty: all types of events

    def concerns(self, kind: str) -> bool:
        return not self.kinds or kind in self.kinds


def sign(body: bytes, secret: str, at: int | None = None) -> str:
    """The `Stripe-Signature` header. The real time: receivers compare it with theirs."""
    stamp = int(time.time()) if at is None else at
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256)
    return f"t={stamp},v1={digest.hexdigest()}"


def body_of(event: Json, version: str | None) -> bytes:
    """In the shape of the endpoint's own API version, which may be an old one."""
    shown = event
    subject = event["data"]["object"]
    if version and version < MODERN and subject["object"] == "invoice":
        shown = json.loads(json.dumps(event))
        parent = shown["data"]["object"].pop("parent", None) or {}
        of_sub = parent.get("subscription_details") or {}
        shown["data"]["object"] |= {"subscription": of_sub.get("subscription"), "paid": False}
        shown["data"]["object"]["paid"] = subject["status"] == "paid"
    return json.dumps(shown | {"api_version": version or API_VERSION}, indent=2).encode()


class Postman:
    """Delivers what is due, one after the other. `start` gives it a thread of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.weather = Weather()
        self._closing = threading.Event()
        self._round = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self, each_round: Any = None) -> None:
        self._thread = threading.Thread(target=self._work, args=(each_round,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._world.news.set()
        if self._thread:
            self._thread.join()

    def _work(self, each_round: Any) -> None:
        while not self._closing.is_set():
            self._world.news.wait(LONGEST_SLEEP_S)
            self._world.news.clear()
            if self._closing.is_set():
                return
            if each_round:
                each_round()
            self.deliver_due()

    def deliver_due(self) -> int:
        """Send what is due by the sandbox's clock; how many were taken."""
        taken = 0
        with self._round:
            for row in self._due():
                if self._closing.is_set():
                    break
                taken += self._carry(*row)
        return taken

    def release(self) -> int:
        """Send what was held, newest first, and hold no more."""
        self.weather.hold = False
        held = self._world.store.run(
            "SELECT id, event, account, endpoint, tries FROM deliveries WHERE state = 'held'"
            " ORDER BY id DESC"
        )
        with self._round:
            return sum(self._carry(*row) for row in held)

    def _due(self) -> list[tuple[Any, ...]]:
        return self._world.store.run(
            "SELECT id, event, account, endpoint, tries FROM deliveries"
            " WHERE state = 'waiting' AND due <= ? ORDER BY due, id",
            self._world.exact_now,
        )

    def _carry(self, number: int, event_id: str, account: str, endpoint_id: str, tries: int) -> int:
        event = self._world.store.get(account, "event", event_id)
        endpoint = self._world.store.get("", "webhook_endpoint", endpoint_id)
        if event is None or endpoint is None:
            self._mark(number, "gone", tries)
            return 0
        weather = self.weather if self.weather.concerns(event["type"]) else Weather()
        if tries == 0 and self._is_kept_back(number, weather):
            return 0
        said = [self._post(endpoint, event) for _ in range(weather.copies)][-1]
        if said.startswith("2"):
            self._mark(number, "delivered", tries + 1, said=said)
            return 1
        again = PAUSES_S[tries] if tries < len(PAUSES_S) else None
        state = "given up" if again is None else "waiting"
        self._mark(number, state, tries + 1, self._world.exact_now + (again or 0), said)
        return 0

    def _is_kept_back(self, number: int, weather: Weather) -> bool:
        if weather.hold:
            self._mark(number, "held", 0)
        elif weather.delay_s:
            self._mark(number, "waiting", 1, self._world.exact_now + weather.delay_s)
        elif weather.lose > 0:
            weather.lose -= 1
            self._mark(number, "lost", 1)
        else:
            return False
        return True

    def _post(self, endpoint: Json, event: Json) -> str:
        """The status that the endpoint answered, or what kept it from answering."""
        body = body_of(event, endpoint["api_version"])
        where = urlsplit(endpoint["url"])
        kind = (
            http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
        )
        link = kind(where.hostname or "", where.port, timeout=TIMEOUT_S)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": sign(body, endpoint["secret"]),
            "User-Agent": "Stripe/1.0 (sandbox)",
        }
        target = where.path + (f"?{where.query}" if where.query else "")
        try:
            link.request("POST", target or "/", body, headers)
            return str(link.getresponse().status)
        except (OSError, http.client.HTTPException) as failure:
            return type(failure).__name__
        finally:
            link.close()

    def _mark(
        self, number: int, state: str, tries: int, due: float | None = None, said: str = ""
    ) -> None:
        self._world.store.run(
            "UPDATE deliveries SET state = ?, tries = ?, due = coalesce(?, due), said = ?"
            " WHERE id = ?",
            state,
            tries,
            due,
            said,
            number,
        )
