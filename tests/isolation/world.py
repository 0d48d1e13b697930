"""Two shops full of data of every kind: whose people try, and whose data no answer may hold."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flask import Flask
from sqlalchemy import select

from jobs import outbox
from mealquest.audit import service as audit
from mealquest.core.db import Base, platform_transaction
from mealquest.core.principal import Role
from mealquest.suppliers import service as suppliers
from mealquest.suppliers.service import HEADER as PARTNER_KEY
from mealquest.web.frame import Endpoint, Face
from tests.conftest import _owner
from tests.factories.customers import make_customer
from tests.factories.http import bearer, client_of, csrf_in, signed_in
from tests.factories.wallet import make_wallet
from tests.isolation.filling import fill, key_of, tenant_tables
from tests.isolation.saved import Saved
from tests.web.samples import ENDPOINTS, SAMPLES, Sample, _owner_of, _partner, sample_of, send
from tests.web.shops import Shop, open_shop
from tests.web.test_isolation import PROOF, PUBLIC

A_LOT = 765_432_198  # minor units in a wallet of the victim: a sum that nothing else comes to
PUBLIC_WORDS = {"m_quokka", "Quokka"}  # everybody is told of every shop its id and name
LONG = 12  # letters of a word that stands nowhere by chance
TOKEN = re.compile(r"\w[\w.]{4,}\w")
WRITTEN = {
    "contract.apply",
    "profiles.set_birthday",
    "sequence.change",
    "sequence.write",
}
UNGUARDED = {
    "merchant_migrations",
    "placements",
    "tenant_gates",
    "tenant_moves",
    "waiting_callbacks",
}
# What these make moves wallets to another store, where other samples do not find them.
SHARING = {"alliance", "alliance_customers", "debts"}
# Samples that take long to make, and which others serve as well.
TAKES_LONG = {"privacy.file": "privacy.export"}


@dataclass(frozen=True)
class Credential:
    """What a caller of a role sends to be known, in its headers."""

    name: str
    role: Role | None
    headers: dict[str, str]
    csrf: str = ""


class World:
    """`own` tries with all its people; `other` is to be seen and touched by none of them."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.own, self.other = open_shop("Alpha", 6), open_shop("Quokka", 8)
        rich = make_customer(self.other.merchant_id, display_name="Quokka Rich")
        make_wallet(self.other.merchant_id, rich, principal=A_LOT)
        self.samples = self._samples()
        self._write(self.own)
        self._write(self.other)
        outbox.relay()
        audit.tend_due()
        fill(self.own.merchant_id, "Alpha")
        fill(self.other.merchant_id, "Quokka")
        self.credentials = list(self._credentials())
        self.pool = self._pool()
        sent = json.dumps(self.pool, default=str)
        texts = (*self.other.secrets, "Quokka Rich", *self.other.phones.values())
        self.texts = [one for one in texts if one not in sent]
        self._saved = Saved(_owner(app), self.own.merchant_id)

    def _samples(self) -> dict[str, tuple[Sample, Sample]]:
        found: dict[str, tuple[Sample, Sample]] = {}
        for endpoint in sorted(ENDPOINTS, key=lambda each: each.feature in SHARING):
            known = found.get(TAKES_LONG.get(endpoint.full_name, ""))
            found[endpoint.full_name] = known or (self._own(endpoint), self._other(endpoint))
        return found

    def _own(self, endpoint: Endpoint) -> Sample:
        """What our shop would send; another test asks for a sample where there is none."""
        return sample_of(endpoint, self.own) if endpoint.full_name in SAMPLES else Sample()

    def _other(self, endpoint: Endpoint) -> Sample:
        """What the other shop would send; of what proves somebody, and of links, nothing."""
        if endpoint.full_name in PROOF | PUBLIC or endpoint.full_name not in SAMPLES:
            return Sample()
        return sample_of(endpoint, self.other)

    def _write(self, shop: Shop) -> None:
        """What is sealed, or has a form of its own, as the shop would write it."""
        client = client_of(self.app)
        for endpoint in ENDPOINTS:
            if endpoint.full_name in WRITTEN:
                taken = send(client, endpoint, Face.API, sample_of(endpoint, shop), shop)
                assert taken.status_code < 300, (endpoint.full_name, taken.text)

    def _credentials(self) -> Iterator[Credential]:
        for role, token in self.own.tokens.items():
            yield Credential(f"token of {role}", role, bearer(token))
        for role in (Role.OWNER, Role.CLERK):
            browser = signed_in(self.app, self.own.phones[role], self.own.merchant_id)
            csrf = csrf_in(browser.get("/console/customers"))
            cookies = "; ".join(f"{c.key}={c.value}" for c in browser._cookies.values())
            yield Credential(f"cookie of {role}", role, {"Cookie": cookies}, csrf)
        partner = _partner(self.own)["partner_id"]
        key = suppliers.new_key(self.own.merchant_id, partner, _owner_of(self.own)).key
        yield Credential("a partner's key", Role.PARTNER, {PARTNER_KEY: key})
        yield Credential("nothing", None, {})

    # --- what is sent, and what must never come back -----------------------------------------

    def _pool(self) -> dict[str, list[Any]]:
        """Values of the other shop by the name of a field or of a part of an address."""
        pool: dict[str, list[Any]] = {"merchantId": [self.other.merchant_id]}
        for _, other in self.samples.values():
            for name, value in (*other.path.items(), *other.fields.items()):
                known = pool.setdefault(camel(name), [])
                if value not in known:
                    known.append(value)
        pool["cursor"] = list(self._cursors())
        pool["idempotencyKey"] = [s.key for _, s in self.samples.values() if s.key]
        return pool

    def _cursors(self) -> Iterator[str]:
        """Of lists of the other shop, which name its rows."""
        client, owner = client_of(self.app), bearer(self.other.tokens[Role.OWNER])
        for url in ("/api/payment/ledger", "/api/customers", "/api/audit/logs", "/api/campaigns"):
            answer = client.get(url, query_string={"limit": 1}, headers=owner)
            if answer.is_json and answer.json.get("nextCursor"):
                yield answer.json["nextCursor"]

    @cached_property
    def secrets(self) -> frozenset[str]:
        """Words that stand in the other's rows, in none of ours, and are never sent."""
        sent = words(json.dumps(self.pool, default=str)) | PUBLIC_WORDS
        theirs, ours = self._words_in_rows(self.other), self._words_in_rows(self.own)
        found = {word for word in theirs - ours - sent if _is_unmistakable(word)}
        return frozenset(found | {f"{A_LOT / 100:.2f}"})

    def ids_in_common(self) -> set[str]:
        """Unmistakable words that stand in rows of both shops."""
        both = self._words_in_rows(self.own) & self._words_in_rows(self.other)
        return {word for word in both if _is_unmistakable(word)}

    def _words_in_rows(self, shop: Shop) -> set[str]:
        found: set[str] = set()
        with platform_transaction("a test reads all words of a shop") as session:
            for table in tenant_tables():
                rows = select(table).where(table.c.merchant_id == shop.merchant_id)
                for row in session.execute(rows):
                    found |= words(json.dumps([v for v in row if is_text(v)], ensure_ascii=False))
        return found

    # --- what must stay as it is -------------------------------------------------------------

    def fingerprint(self, shop: Shop | None = None, *, guarded: bool = False) -> dict[str, str]:
        """Of each table, how many rows the other shop (or `shop`) has, and which versions.

        An update writes a new version even where it changes nothing. `guarded`: leave out control
        tables that no policy guards, which the application's own statements alone keep apart.
        """
        parts = [
            f"SELECT '{table.name}', count(*), coalesce(sum(hashtextextended("
            f"ctid::text || xmin::text, 0)), 0)::text FROM {table.name} WHERE {key} = %(shop)s"
            for table in Base.metadata.tables.values()
            if (key := key_of(table)) and not (guarded and table.name in UNGUARDED)
        ]
        whose = {"shop": (shop or self.other).merchant_id}
        found = _owner(self.app).execute(" UNION ALL ".join(parts), whose)
        return {name: f"{rows} rows, versions {versions}" for name, rows, versions in found}

    def heal(self) -> None:
        """Give our people back what their tries took from them."""
        self._saved.write_back(_owner(self.app))


def words(shown: str) -> set[str]:
    return set(TOKEN.findall(shown))


def _is_unmistakable(word: str) -> bool:
    """Ids and other long ones with digits in it, and what names the other shop."""
    has_digit = any(letter.isdigit() for letter in word)
    return "quokka" in word.lower() or (len(word) >= LONG and has_digit)


def is_text(value: Any) -> bool:
    return isinstance(value, str | dict | list)


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)
