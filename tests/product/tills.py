"""Tills that take payments while things die around them, and what the books must say in the end."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import httpx
import psycopg

from tests.product.running import MERCHANT, PATIENCE_S, Product, until

GUESTS = ("u_fixture_001", "u_fixture_002")
AWAY_S = 0.03  # before a till asks again

_WRONG_BALANCES = """
    SELECT w.merchant_id, w.customer_id, b.bucket, b.minor, coalesce(sum(m.minor), 0)
      FROM wallets AS w
     CROSS JOIN LATERAL (VALUES ('principal', principal_minor), ('bonus', bonus_minor),
                                ('silver', silver_minor)) AS b (bucket, minor)
      LEFT JOIN (SELECT merchant_id, destination AS account, amount_minor AS minor
                   FROM ledger_postings
                  UNION ALL
                 SELECT merchant_id, source, -amount_minor FROM ledger_postings) AS m
             ON m.merchant_id = w.merchant_id
            AND m.account = format('wallet:%s:%s', w.customer_id, b.bucket)
     GROUP BY 1, 2, 3, 4 HAVING b.minor <> coalesce(sum(m.minor), 0)
"""
_SALES = """
    SELECT coalesce(sum(amount_minor), 0) FROM ledger_postings
     WHERE merchant_id = %s AND destination = 'merchant:sales'
"""


def amount_of(key: str) -> int:
    """What is paid under a key, in minor units: a few cents."""
    return sum(key.encode()) % 7 + 1


@dataclass
class Tills:
    """Pays once under each key, and asks again under the same key until it is acknowledged."""

    product: Product
    acknowledged: dict[str, str] = field(default_factory=dict)  # payment by key
    seconds: list[float] = field(default_factory=list)  # of each answer
    unanswered: Counter[str] = field(default_factory=Counter)  # what was asked again, and why
    _keys: "SimpleQueue[str | None]" = field(default_factory=SimpleQueue)
    _hands: list[Future[None]] = field(default_factory=list)
    _wanted: int = 0

    def pay(self, keys: Sequence[str]) -> None:
        self._wanted += len(keys)
        for key in keys:
            self._keys.put(key)

    def until_acknowledged(self, count: int, seconds: float = PATIENCE_S) -> None:
        """Wait for so many answers in all; a till that failed says why instead."""

        def are() -> bool:
            for hand in self._hands:
                if hand.done():
                    hand.result()
            return len(self.acknowledged) >= count

        until(are, f"{count} payments acknowledged", seconds)

    def until_all(self) -> None:
        self.until_acknowledged(self._wanted)

    def percentile(self, share: float) -> float:
        """Seconds within which this share of the answers came."""
        answered = sorted(self.seconds)
        return answered[min(len(answered) - 1, int(len(answered) * share))]

    def summary(self) -> str:
        p50, p99, all_ = (self.percentile(share) * 1000 for share in (0.5, 0.99, 1.0))
        return f"{len(self.seconds)} payments: p50 {p50:.0f} ms, p99 {p99:.0f}, slowest {all_:.0f}"

    def _work(self, pause: float) -> None:
        with self.product.client() as client:
            while key := self._keys.get():
                self.acknowledged[key] = self._take(client, key)
                time.sleep(pause)

    def _take(self, client: httpx.Client, key: str) -> str:
        guest, amount = GUESTS[sum(key.encode()) % 2], amount_of(key) / 100
        give_up = time.monotonic() + PATIENCE_S
        while True:
            began = time.monotonic()
            try:
                answer = self.product.verify(client, amount, guest=guest, key=key)
            except httpx.TransportError as gone:
                reason = type(gone).__name__
            else:
                if answer.status_code == 200:
                    self.seconds.append(time.monotonic() - began)
                    assert answer.json()["status"] == "PAID"
                    return str(answer.json()["paymentTxnId"])
                reason = answer.json()["code"]
                assert reason in {"DATABASE_AWAY", "IDEMPOTENCY_IN_PROGRESS"}, answer.text
            self.unanswered[reason] += 1
            assert time.monotonic() < give_up, f"{key} was never acknowledged: {self.unanswered}"
            time.sleep(AWAY_S)


@contextmanager
def open_tills(product: Product, hands: int = 6, pause: float = 0.0) -> Iterator[Tills]:
    """Tills at work; at the end they finish what they were given, or fail."""
    tills = Tills(product)
    with ThreadPoolExecutor(hands) as pool:
        tills._hands = [pool.submit(tills._work, pause) for _ in range(hands)]
        try:
            yield tills
        finally:
            for _ in range(hands):
                tills._keys.put(None)
    for hand in tills._hands:
        hand.result()


class Books:
    """What the database of a product says of one merchant."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._before = set(self._payments())
        self._sales = self._one(_SALES)

    def agree_with(self, acknowledged: dict[str, str]) -> None:
        """Every acknowledged payment is there once, for its amount, and nothing else is."""
        taken = {key: minor for key, minor in self._payments().items() if key not in self._before}
        paid = {payment: amount_of(key) for key, payment in acknowledged.items()}
        assert len(paid) == len(acknowledged), "two keys were answered with one payment"
        assert taken == paid
        assert self._one(_SALES) - self._sales == sum(paid.values())
        assert self._all(_WRONG_BALANCES) == []

    def until_relayed(self) -> list[int]:
        """Wait until no event is left; the numbers of the merchant's live events."""
        left = "SELECT count(*) FROM outbox_events WHERE delivered_at IS NULL"
        until(lambda: self._one(left) == 0, "every event was relayed")
        numbers = "SELECT seq FROM live_events WHERE merchant_id = %s ORDER BY seq"
        return [seq for (seq,) in self._all(numbers, MERCHANT)]

    def told(self) -> Counter[str]:
        """How often each payment of now is told in the live events."""
        rows = self._all(
            "SELECT payload ->> 'paymentTxnId' FROM live_events"
            " WHERE merchant_id = %s AND type = 'PAYMENT_VERIFIED'",
            MERCHANT,
        )
        return Counter(payment for (payment,) in rows if payment not in self._before)

    def _payments(self) -> dict[str, int]:
        rows = self._all("SELECT id, order_minor FROM payments WHERE merchant_id = %s", MERCHANT)
        return dict(rows)

    def _one(self, question: str) -> Any:
        return self._all(question, *[MERCHANT] * question.count("%s"))[0][0]

    def _all(self, question: str, *values: str) -> list[tuple[Any, ...]]:
        with self._product.database() as database:
            return _rows(database, question, values)


def _rows(
    database: psycopg.Connection[Any], question: str, values: tuple[str, ...]
) -> list[tuple[Any, ...]]:
    return database.execute(question, values or None).fetchall()
