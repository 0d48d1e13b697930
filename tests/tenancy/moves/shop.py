"""A shop that is busy: payments, refunds, chat and audit from several threads, all remembered."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from flask import Flask
from sqlalchemy import text

from mealquest.audit import service as audit
from mealquest.core.db import transaction
from mealquest.core.errors import AppError
from mealquest.payments import service as payments
from mealquest.payments.forms import VerifyForm
from mealquest.payments.refund_forms import RefundForm
from tests.factories.merchants import make_merchant
from tests.factories.requests import CLERK, OWNER, keyed
from tests.factories.wallet import make_wallet

BEGIN_CHAT = text(
    "INSERT INTO strategy_sessions (merchant_id, id, created_by) VALUES (:merchant, 'chat', 'o')"
)
CHAT = text(
    """
    WITH s AS (UPDATE strategy_sessions SET message_seq = message_seq + 1
                WHERE merchant_id = :merchant AND id = 'chat' RETURNING message_seq)
    INSERT INTO strategy_messages (merchant_id, session_id, seq, role, type, text)
    SELECT :merchant, 'chat', message_seq, 'USER', 'TEXT', :text FROM s
    """
)


@dataclass(slots=True)
class Shop:
    """What was acknowledged, by kind; and how long a writer waited at most, in milliseconds."""

    merchant_id: str
    customers: list[str]
    paid: set[str] = field(default_factory=set)
    refunded: set[str] = field(default_factory=set)
    said: set[str] = field(default_factory=set)
    noted: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    longest_ms: float = 0.0
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @classmethod
    def opened(cls, merchant_id: str, customers: int = 3) -> "Shop":
        make_merchant(merchant_id)
        found = [
            make_wallet(merchant_id, principal=100_000_000).customer_id for _ in range(customers)
        ]
        with transaction(merchant_id) as session:
            session.execute(BEGIN_CHAT, {"merchant": merchant_id})
        return cls(merchant_id, found)

    @property
    def writes(self) -> int:
        return len(self.paid) + len(self.refunded) + len(self.said) + len(self.noted)

    def work(self) -> None:
        """One round: a payment, sometimes its refund, a word, a note."""
        number = next(self._numbers)
        customer = self.customers[number % len(self.customers)]
        self._timed(lambda: self._pay(customer, number))
        self._timed(lambda: self._say(f"word_{number}"))
        self._timed(lambda: self._note(f"note_{number}"))

    def _timed(self, write) -> None:
        began = time.monotonic()
        try:
            write()
        except AppError as refused:
            self.failures.append(refused.message)
        self.longest_ms = max(self.longest_ms, (time.monotonic() - began) * 1000)

    def _pay(self, customer: str, number: int) -> None:
        form = VerifyForm.model_validate({"userId": customer, "orderAmount": 1})
        key = f"pay_{number}"
        view = payments.verify(self.merchant_id, form, CLERK, keyed(form, key, CLERK))
        self.paid.add(view.payment_txn_id)
        if number % 3 == 0:
            back = RefundForm.model_validate(
                {"paymentTxnId": view.payment_txn_id, "refundAmount": 1}
            )
            payments.refund(self.merchant_id, back, OWNER, keyed(back, f"back_{number}", OWNER))
            self.refunded.add(view.payment_txn_id)

    def _say(self, name: str) -> None:
        with transaction(self.merchant_id) as session:
            session.execute(CHAT, {"merchant": self.merchant_id, "text": name})
        self.said.add(name)

    def _note(self, name: str) -> None:
        with transaction(self.merchant_id) as session:
            audit.record(session, self.merchant_id, "ACCESS", OWNER, {"note": name})
        self.noted.add(name)

    @contextmanager
    def busy(self, app: Flask, threads: int = 2, pause_s: float = 0.05) -> Iterator["Shop"]:
        """Writers at work for the time of the block."""
        stop = threading.Event()

        def write() -> None:
            with app.app_context():
                while not stop.wait(pause_s):
                    self.work()

        workers = [threading.Thread(target=write) for _ in range(threads)]
        for worker in workers:
            worker.start()
        try:
            yield self
        finally:
            stop.set()
            for worker in workers:
                worker.join()

    def require_complete(self) -> None:
        """Every acknowledged write is there exactly once, and nothing else is."""
        merchant = {"merchant": self.merchant_id}
        with transaction(self.merchant_id) as session:

            def found(statement: str) -> list[str]:
                return list(session.scalars(text(statement), merchant))

            paid = found("SELECT id FROM payments WHERE merchant_id = :merchant")
            back = found("SELECT payment_id FROM refunds WHERE merchant_id = :merchant")
            said = found("SELECT text FROM strategy_messages WHERE merchant_id = :merchant")
            places = found(
                "SELECT seq FROM strategy_messages WHERE merchant_id = :merchant ORDER BY seq"
            )
            noted = found(
                "SELECT details ->> 'note' FROM audit_log"
                " WHERE merchant_id = :merchant AND action = 'ACCESS'"
            )
            spent = session.scalar(
                text(
                    "SELECT sum(100000000 - principal_minor) FROM wallets"
                    " WHERE merchant_id = :merchant"
                ),
                merchant,
            )
        assert sorted(paid) == sorted(self.paid)
        assert sorted(back) == sorted(self.refunded)
        assert sorted(said) == sorted(self.said)
        assert places == list(range(1, len(said) + 1))
        assert sorted(noted) == sorted(self.noted)
        assert spent == 100 * (len(self.paid) - len(self.refunded))
        assert self.failures == []
