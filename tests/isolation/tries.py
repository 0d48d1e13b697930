"""One random request of our people with the other shop's ids in it."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from mealquest.core.principal import Role
from mealquest.web.frame import Endpoint, Face
from tests.isolation.world import Credential, World, camel
from tests.web.samples import FACES, Sample

# How often a face is tried beside others: pages cost more to make and show what JSON shows.
USUAL, PAGE, SLOW = 100, 8, 2
# Those that end our own people's sign-ins are tried seldom too.
SLOW_ONES = {
    "identity.sign_out",
    "merchants.erase",
    "privacy.cancel_account",
    "ops.metrics",
    "audit.audit_csv",
    "audit.chain_export",
    "invoices.pdf",
    "payer.go_on",
    "privacy.begin_export",
    "sandbox.decide",
    "sandbox_model.complete",
    "strategy_chat.send",
    "strategy_chat.review",
    "strategy_plans.create",
    "board.queues",
}
# The same for everybody, and large; and, in development only, every message to anybody.
LEFT_OUT = {"ops.docs", "ops.openapi_document", "ops.outbox"}
PARAMETER = re.compile(r"<(\w+)>")
FULL_WIDTH = {ord(c): ord(c) + 0xFEE0 for c in map(chr, range(0x21, 0x7F))}


@dataclass(frozen=True)
class Try:
    endpoint: Endpoint
    face: Face
    by: Credential
    method: str
    path: str
    query: str
    body: bytes
    headers: dict[str, str]

    def __str__(self) -> str:
        url = self.path + (f"?{self.query}" if self.query else "")
        sent = {k: v for k, v in self.headers.items() if k not in self.by.headers}
        return (
            f"{self.endpoint.full_name} ({self.face.value}) by {self.by.name}:"
            f" {self.method} {url} {sent} {self.body!r}"
        )


Bend = Callable[[random.Random, str, World], Any]
BENDS: list[Bend] = [
    lambda _r, value, _w: [value],
    lambda _r, value, _w: {"id": value},
    lambda _r, value, _w: value.upper(),
    lambda _r, value, _w: value.title(),
    lambda _r, value, _w: f" {value}\t",
    lambda _r, value, _w: f"{value}\u200b",
    lambda _r, value, _w: value.translate(FULL_WIDTH),
    lambda _r, value, _w: f"{value}\x00",
    lambda _r, value, _w: f"{value}%",
    lambda _r, value, w: f"{w.own.merchant_id},{value}",
    lambda _r, value, w: f"{value},{w.own.merchant_id}",
    lambda _r, value, w: f"{w.own.merchant_id}:{value}",
    lambda _r, value, w: [w.own.merchant_id, value],
    lambda _r, value, _w: f"{{{value}}}",
    lambda _r, value, _w: f"x' OR merchant_id = '{value}' --",
    lambda _r, value, w: f"../{w.other.merchant_id}/{value}",
]


class Tries:
    """An endless sequence of tries, the same for the same seed and routes."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed = world, seed
        self._random = random.Random(seed)
        self._faces = [each for each in FACES if each[0].full_name not in LEFT_OUT]
        self._weights = [_weight(*each) for each in self._faces]
        self._names = sorted(world.pool)

    def next(self) -> Try:
        rng = self._random
        endpoint, face = rng.choices(self._faces, self._weights)[0]
        own, other = self.world.samples[endpoint.full_name]
        by = self._by(endpoint)
        base = other if rng.random() < 0.7 else own
        fields = self._fields(base.fields, own.fields, other.fields)
        path = self._path(endpoint, face, own, other)
        headers = by.headers | self._headers(own, other)
        query, body = self._encoded(endpoint, face, fields, by, headers)
        method = endpoint.method if rng.random() < 0.98 else rng.choice(["HEAD", "PUT", "POST"])
        return Try(endpoint, face, by, method, path, query, body, headers)

    def _by(self, endpoint: Endpoint) -> Credential:
        """Mostly somebody who may call it."""
        rng, known = self._random, self.world.credentials
        if endpoint.roles and rng.random() < 0.9:
            may = [one for one in known if one.role in endpoint.roles]
            return rng.choice(may or known)
        return rng.choice(known)

    # --- values ------------------------------------------------------------------------------

    def _value(self, name: str) -> Any:
        """One of the other's, of the same name for the most part; now and then it is bent."""
        rng, pool = self._random, self.world.pool
        same = pool.get(name)
        value = rng.choice(same if same and rng.random() < 0.9 else pool[rng.choice(self._names)])
        if isinstance(value, str) and rng.random() < 0.2:
            return rng.choice(BENDS)(rng, value, self.world)
        return value

    def _fields(self, base: dict[str, Any], *both: dict[str, Any]) -> dict[str, Any]:
        rng, fields = self._random, dict(base)
        for name in {**both[0], **both[1]}:
            roll = rng.random()
            if roll < 0.08:
                fields.pop(name, None)
            elif roll < 0.3:
                fields[name] = self._value(name)
            elif roll < 0.4 and name in both[0]:
                fields[name] = both[0][name]
        if rng.random() < 0.2:
            fields["merchantId"] = self._value("merchantId")
        if rng.random() < 0.1:
            fields["merchant_id"] = self.world.other.merchant_id
        for _ in range(rng.choice((0, 0, 0, 1, 2))):
            name = rng.choice(self._names)
            fields[name] = self._value(name)
        if rng.random() < 0.08:
            fields["cursor"] = self._value("cursor")
        return fields

    def _path(self, endpoint: Endpoint, face: Face, own: Sample, other: Sample) -> str:
        rng, path = self._random, dict(endpoint.urls)[face]
        for name in PARAMETER.findall(path):
            roll = rng.random()
            if roll < 0.62 and name in other.path:
                value = other.path[name]
            elif roll < 0.8 and name in own.path:
                value = own.path[name]
            else:
                value = self._value(camel(name))
            path = path.replace(f"<{name}>", quote(str(value), safe=""))
        return path

    def _headers(self, own: Sample, other: Sample) -> dict[str, str]:
        rng, headers = self._random, {}
        if own.key or rng.random() < 0.05:
            fresh = f"k-{rng.getrandbits(40):x}"
            headers["Idempotency-Key"] = rng.choice([fresh, fresh, str(other.key), str(own.key)])
        if rng.random() < 0.05:
            headers["X-Merchant-Id"] = self.world.other.merchant_id
        if rng.random() < 0.05:
            headers["X-Forwarded-Host"] = f"{self.world.other.merchant_id}.example.com"
        if rng.random() < 0.03:
            headers["If-None-Match"] = "*"
        if rng.random() < 0.1:
            headers["HX-Request"] = "true"
        if rng.random() < 0.05:
            headers["X-Http-Method-Override"] = rng.choice(["DELETE", "PATCH"])
        return headers

    # --- the wire ----------------------------------------------------------------------------

    def _encoded(
        self,
        endpoint: Endpoint,
        face: Face,
        fields: dict[str, Any],
        by: Credential,
        headers: dict[str, str],
    ) -> tuple[str, bytes]:
        """The query and the body; sometimes the merchant stands in both, or twice."""
        rng, world = self._random, self.world
        both = [("merchantId", world.own.merchant_id), ("merchantId", world.other.merchant_id)]
        rng.shuffle(both)
        if not endpoint.mutates:
            pairs = [(name, _plain(value)) for name, value in fields.items()]
            return urlencode(pairs + (both if rng.random() < 0.1 else []), doseq=True), b""
        query = urlencode(rng.choice([both, both[:1], both[1:]])) if rng.random() < 0.15 else ""
        if by.csrf:
            headers["X-CSRFToken"] = by.csrf
        if face is Face.PAGE and rng.random() < 0.9:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            pairs = [(name, _plain(value)) for name, value in fields.items()]
            return query, urlencode(pairs, doseq=True).encode()
        headers["Content-Type"] = "application/json"
        body = json.dumps(fields, default=str)
        if rng.random() < 0.1:
            twice = json.dumps(both[0][1])
            body = f'{{"merchantId": {twice}, {body[1:]}' if fields else body
        return query, body.encode()


def _weight(endpoint: Endpoint, face: Face) -> int:
    if endpoint.full_name in SLOW_ONES or endpoint.roles == frozenset({Role.OPERATOR}):
        return SLOW
    return PAGE if face is Face.PAGE else USUAL


def _plain(value: Any) -> Any:
    """As a form or a query has it: texts, and lists of them."""
    if isinstance(value, list):
        return [str(one) for one in value]
    return value if isinstance(value, bytes) else str(value)
