"""Three stores that share a wallet, and days that go by as fast as they are told to."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg

from mealquest.alliance import service as alliance
from mealquest.alliance.debt_forms import SettleForm
from mealquest.alliance.forms import ConfigForm
from mealquest.core.db import transaction
from mealquest.core.errors import AppError
from mealquest.core.ids import new_id
from mealquest.payments import service as payments
from mealquest.payments.refund_forms import RefundForm
from mealquest.wallet import service as wallets
from mealquest.wallet.forms import TopUpForm
from mealquest.wallet.service import SettlementKind, settlement, settlement_days
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.requests import CLERK, MANAGER, OWNER, keyed

BEGIN = datetime(2020, 1, 1, 4, tzinfo=UTC)  # noon at the stores


@contextmanager
def dated_books(app) -> Iterator[psycopg.Connection]:
    """A connection that may say of entries that they were written on another day."""
    with psycopg.connect(app.config["MIGRATION_URL"], autocommit=True) as connection:
        connection.execute("ALTER TABLE ledger_entries DISABLE TRIGGER append_only")
        try:
            yield connection
        finally:
            connection.execute("ALTER TABLE ledger_entries ENABLE TRIGGER append_only")


def share(*stores: str) -> None:
    """Every store lists all of them in this order, so the first keeps the wallet."""
    for store in stores:
        alliance.set_config(store, ConfigForm(stores=list(stores), wallet_shared=True), OWNER)


def leave(store: str) -> None:
    alliance.set_config(store, ConfigForm(stores=[store], wallet_shared=False), OWNER)


def settle(
    creditor: str,
    debtor: str,
    amount: Decimal | None = None,
    kind: SettlementKind = SettlementKind.PAID,
    key: str | None = None,
):
    form = SettleForm(store_id=debtor, kind=kind, amount=amount)
    return alliance.settle(creditor, form, OWNER, keyed(form, key or new_id("key"), OWNER))


def pay(store: str, customer_id: str, amount: Decimal):
    form = payments.VerifyForm(user_id=customer_id, order_amount=amount, voucher_id="NONE")
    return payments.verify(store, form, CLERK, keyed(form, new_id("key")))


def refund(store: str, payment_id: str, amount: Decimal):
    form = RefundForm(payment_txn_id=payment_id, refund_amount=amount)
    return payments.refund(store, form, MANAGER, keyed(form, new_id("key"), MANAGER))


def top_up(store: str, customer_id: str, amount: Decimal, bonus: Decimal = Decimal(0)):
    form = TopUpForm(user_id=customer_id, amount=amount, bonus=bonus, method="CASH")
    return wallets.top_up(store, form, MANAGER, keyed(form, new_id("key"), MANAGER))


class Town:
    """Stores whose days are simulated: what is written today is dated back afterwards."""

    def __init__(self, books: psycopg.Connection, seed: int, stores: int = 3) -> None:
        self.chance = random.Random(seed)
        self.stores = [make_merchant(f"m_town_{number}") for number in range(stores)]
        self.holder = self.stores[0]
        self.customers = [make_customer(self.holder) for _ in range(4)]
        for store in self.stores[1:]:
            for customer_id in self.customers:
                make_customer(store, customer_id=customer_id)
        self.owner = books
        self.paid: list[tuple[str, str, Decimal]] = []
        self.day = 0
        self.done: dict[str, int] = {}
        share(*self.stores)

    def live_a_day(self) -> None:
        for _ in range(self.chance.randint(1, 3)):
            act = self.chance.choices(
                (self._sell, self._refund, self._top_up, self._settle, self._default, self._exit),
                (45, 15, 18, 10, 4, 8),
            )[0]
            try:
                act()
            except AppError as refused:
                self.done[refused.reason] = self.done.get(refused.reason, 0) + 1
            else:
                name = act.__name__.lstrip("_")
                self.done[name] = self.done.get(name, 0) + 1
        self._date_back()
        self.day += 1

    @property
    def now(self) -> datetime:
        return BEGIN + timedelta(days=self.day)

    def positions(self) -> list[int]:
        found = []
        for store in self.stores:
            with transaction(store) as session:
                found += [one.position_minor for one in settlement.positions(session, store)]
        return found

    def close(self) -> None:
        for store in self.stores:
            with transaction(store) as session:
                settlement_days.close_days(session, store, self.now)

    def _amount(self, most: int) -> Decimal:
        return Decimal(self.chance.randint(1, most)).scaleb(-2)

    def _sell(self) -> None:
        store, customer_id = self.chance.choice(self.stores), self.chance.choice(self.customers)
        amount = self._amount(6_000)
        done = pay(store, customer_id, amount)
        if done.status == payments.PaymentStatus.PAID:
            self.paid.append((store, done.payment_txn_id, amount))

    def _refund(self) -> None:
        if not self.paid:
            return self._top_up()
        store, payment_id, amount = self.chance.choice(self.paid)
        part = min(amount, self._amount(3_000))
        refund(store, payment_id, part)
        return None

    def _top_up(self) -> None:
        store, customer_id = self.chance.choice(self.stores), self.chance.choice(self.customers)
        top_up(store, customer_id, self._amount(20_000), self._amount(2_000))

    def _settle(self) -> None:
        creditor, debtor = self.chance.sample(self.stores, 2)
        settle(creditor, debtor)

    def _default(self) -> None:
        creditor, debtor = self.chance.sample(self.stores, 2)
        settle(creditor, debtor, kind=SettlementKind.WRITTEN_OFF)

    def _exit(self) -> None:
        """Somebody leaves; whoever left before comes back."""
        store = self.chance.choice(self.stores)
        with transaction(store) as session:
            shares = alliance.scope_of(session, store).wallet_shared
        if shares:
            leave(store)
        else:
            share(*self.stores)

    def _date_back(self) -> None:
        """Say of all that was written since yesterday that it was written on the simulated day."""
        self.owner.execute(
            "UPDATE ledger_entries SET created_at = %s WHERE created_at > '2026-01-01'", [self.now]
        )


def all_postings(town: Town) -> Sequence[tuple[str, int]]:
    """What each store's accounts with the others come to, out of the ledger itself."""
    return town.owner.execute(
        "SELECT merchant_id, sum(CASE WHEN destination LIKE 'settlement:%' THEN amount_minor"
        " ELSE -amount_minor END) FROM ledger_postings"
        " WHERE source LIKE 'settlement:%' OR destination LIKE 'settlement:%'"
        " GROUP BY merchant_id"
    ).fetchall()
