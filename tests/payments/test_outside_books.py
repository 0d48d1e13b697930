"""Random histories of holds on PostgreSQL against a model in plain Python: everything agrees.

Orders that wait, money that comes, fails, comes late or twice or in the wrong sum, staff who give
up, time that runs out, money paid in, bonus and vouchers that expire, over several customers.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import Conflict, Invalid
from mealquest.payments import gateway
from mealquest.payments import service as payments
from mealquest.payments.models import Payment
from mealquest.wallet import models
from mealquest.wallet import service as wallets
from mealquest.wallet.forms import TopUpForm
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.outside import ask, balances, held, let_time_pass, told
from tests.factories.requests import CLERK, OWNER, keyed
from tests.factories.wallet import lots_of, make_voucher, make_wallet
from tests.payments.histories import some

OPENED = {"principal": 300, "bonus": 100, "silver": 50}
CUSTOMERS = 2


def major(minor: int) -> Decimal:
    return Decimal(minor).scaleb(-2)


# --- the model ----------------------------------------------------------------------------


@dataclass
class Lot:
    id: str
    left: int
    turn: float  # lots are spent in this order
    held: int = 0
    expired: bool = False

    @property
    def free(self) -> int:
        return 0 if self.expired else self.left - self.held


@dataclass
class Voucher:
    id: str
    value: int
    turn: int
    status: str = "ACTIVE"
    expired: bool = False

    @property
    def usable(self) -> bool:
        return self.status == "ACTIVE" and not self.expired


@dataclass
class Order:
    id: str
    voucher: Voucher | None
    off: int
    uses: list[tuple[Lot, int]]
    principal: int
    silver: int
    external: int
    status: str = ""

    @property
    def bonus(self) -> int:
        return sum(minor for _, minor in self.uses)

    @property
    def total(self) -> int:
        return self.off + self.bonus + self.principal + self.silver + self.external


@dataclass
class Purse:
    principal: int = OPENED["principal"]
    silver: int = OPENED["silver"]
    held_principal: int = 0
    held_silver: int = 0
    lots: list[Lot] = field(default_factory=list)
    vouchers: list[Voucher] = field(default_factory=list)

    def spend_lots(self, minor: int) -> list[tuple[Lot, int]]:
        uses = []
        for lot in sorted(self.lots, key=lambda lot: lot.turn):
            take = min(lot.free, minor)
            if take:
                uses.append((lot, take))
                minor -= take
        return uses

    def split(self, total: int, *, use_voucher: bool) -> Order:
        usable = sorted((v for v in self.vouchers if v.usable), key=lambda v: v.turn)
        voucher = usable[0] if usable and use_voucher else None
        off = min(total, voucher.value) if voucher else 0
        uses = self.spend_lots(total - off)
        left = total - off - sum(minor for _, minor in uses)
        principal = min(left, self.principal - self.held_principal)
        silver = min(left - principal, self.silver - self.held_silver)
        return Order("", voucher, off, uses, principal, silver, left - principal - silver)

    def hold(self, order: Order, sign: int) -> None:
        self.held_principal += sign * order.principal
        self.held_silver += sign * order.silver
        for lot, minor in order.uses:
            lot.held += sign * minor
        if order.voucher:
            order.voucher.status = "HELD" if sign > 0 else "ACTIVE"

    def take(self, order: Order) -> None:
        self.principal -= order.principal
        self.silver -= order.silver
        for lot, minor in order.uses:
            lot.left -= minor
        if order.voucher:
            order.voucher.status = "USED"

    def has(self, order: Order) -> bool:
        return (
            self.principal - self.held_principal >= order.principal
            and self.silver - self.held_silver >= order.silver
            and sum(lot.free for lot in self.lots) >= order.bonus
            and (order.voucher is None or order.voucher.usable)
        )


# --- the same history, on the product -------------------------------------------------------


class Shop:
    def __init__(self) -> None:
        self.merchant_id = make_merchant()
        self.rows, self.purses = [], []
        for _ in range(CUSTOMERS):
            row = make_wallet(self.merchant_id, make_customer(self.merchant_id), **OPENED)
            (lot_id,) = lots_of(self.merchant_id, row.customer_id)
            self.rows.append(row)
            self.purses.append(Purse(lots=[Lot(lot_id, OPENED["bonus"], float("inf"))]))
        self.orders: list[tuple[int, Order]] = []
        self.accounts: Counter[str] = Counter(opening=-CUSTOMERS * sum(OPENED.values()))
        self.steps = count(1)
        self.owed = 0

    # what customers and staff do

    def top_up(self, who: int, amount: int, bonus: int, expires: bool) -> None:
        row, purse, step = self.rows[who], self.purses[who], next(self.steps)
        form = TopUpForm(
            user_id=row.customer_id,
            amount=major(amount),
            bonus=major(bonus),
            method="CASH",
            bonus_valid_days=step if expires else None,
        )
        before = set(lots_of(self.merchant_id, row.customer_id))
        wallets.top_up(self.merchant_id, form, OWNER, keyed(form, f"t{step}", OWNER))
        purse.principal += amount
        for lot_id in set(lots_of(self.merchant_id, row.customer_id)) - before:
            # Lots without an expiry are spent last, in the order of their ids.
            turn = step if expires else float("inf")
            purse.lots.append(Lot(lot_id, bonus, turn))
        purse.lots.sort(key=lambda lot: (lot.turn, lot.id))
        self.accounts["outside:cash"] -= amount
        self.accounts["merchant:gifts"] -= bonus

    def grant(self, who: int, value: int) -> None:
        step = next(self.steps)
        voucher_id = make_voucher(
            self.merchant_id,
            self.rows[who].customer_id,
            value=value,
            expires_at=utc_now() + timedelta(hours=1, minutes=step),
        )
        self.purses[who].vouchers.append(Voucher(voucher_id, value, step))

    def order(self, who: int, total: int, use_voucher: bool) -> None:
        purse = self.purses[who]
        order = purse.split(total, use_voucher=use_voucher)
        view = ask(
            self.rows[who],
            major(total),
            f"o{next(self.steps)}",
            None if use_voucher else "NONE",
        )
        order.id, order.status = view.payment_txn_id, "PAID"
        assert view.quote.payable == major(order.external)
        if order.external:
            order.status = "PENDING_EXTERNAL"
            purse.hold(order, 1)
        else:
            purse.take(order)
            self.sold(order)
        assert view.status == order.status
        self.orders.append((who, order))

    def give_up(self, which: int) -> None:
        if not self.orders:
            return
        who, order = self.orders[-1 - which % len(self.orders)]
        if order.status in {"PENDING_EXTERNAL", "CANCELLED"}:
            view = payments.cancel(self.merchant_id, order.id, CLERK)
            assert view.status == "CANCELLED"
            self.end(who, order, "CANCELLED")
        else:
            with pytest.raises(Conflict):
                payments.cancel(self.merchant_id, order.id, CLERK)

    # what the gateway says

    def report(self, which: int, status: str, off_by: int, repeats: bool) -> None:
        asked = [(who, order) for who, order in self.orders if order.external] or self.orders
        if not asked:
            return
        who, order = asked[-1 - which % len(asked)]
        form = told(self.rows[who], order.id, major(max(0, order.external + off_by)), status)
        wrong = status == "SUCCESS" and off_by != 0
        if not order.external or wrong:
            with pytest.raises(Invalid):
                payments.callback(form)
            return
        view = payments.callback(form)
        if status == "SUCCESS":
            self.come(who, order)
        else:
            self.end(who, order, "EXTERNAL_FAILED")
        assert view.status == order.status
        if repeats:
            assert payments.callback(form).as_json() == view.as_json()

    def come(self, who: int, order: Order) -> None:
        purse = self.purses[who]
        if order.status == "PENDING_EXTERNAL":
            purse.hold(order, -1)
        elif order.status in {"EXTERNAL_FAILED", "EXTERNAL_EXPIRED"} and purse.has(order):
            order.uses = purse.spend_lots(order.bonus)
        elif order.status in {"EXTERNAL_FAILED", "EXTERNAL_EXPIRED", "CANCELLED"}:
            order.status = "EXTERNAL_REFUND_DUE"
            self.accounts["outside:gateway"] -= order.external
            self.accounts["merchant:due_back"] += order.external
            self.owed += order.external
            return
        else:
            return
        purse.take(order)
        order.status = "PAID"
        self.accounts["outside:gateway"] -= order.external
        self.sold(order)

    def end(self, who: int, order: Order, status: str) -> None:
        if order.status == "PENDING_EXTERNAL":
            self.purses[who].hold(order, -1)
            order.status = status

    def sold(self, order: Order) -> None:
        self.accounts["merchant:sales"] += order.total
        self.accounts["merchant:vouchers"] -= order.off

    # what time does

    def run_out(self, which: int) -> None:
        waiting = [o for o in self.orders if o[1].status == "PENDING_EXTERNAL"] or self.orders
        if not waiting:
            return
        who, order = waiting[-1 - which % len(waiting)]
        let_time_pass(self.rows[who], order.id)
        expired = payments.expire_due()
        assert expired == (order.status == "PENDING_EXTERNAL")
        self.end(who, order, "EXTERNAL_EXPIRED")

    def age_bonus(self, who: int) -> None:
        aging = [lot for lot in self.purses[who].lots if lot.turn < float("inf")]
        for lot in aging[:1]:
            lot.expired = True
            self.change("UPDATE bonus_lots SET expires_at = now() - interval '1 s'", lot.id)

    def age_voucher(self, who: int) -> None:
        for voucher in [v for v in self.purses[who].vouchers if not v.expired][:1]:
            voucher.expired = True
            self.change("UPDATE vouchers SET expires_at = now() - interval '1 s'", voucher.id)

    def change(self, statement: str, row_id: str) -> None:
        with transaction(self.merchant_id) as session:
            session.execute(text(statement + " WHERE id = :id"), {"id": row_id})

    def sweep(self) -> None:
        wallets.expire_due()
        for purse in self.purses:
            for lot in purse.lots:
                if lot.expired:
                    self.accounts["merchant:breakage"] += lot.left - lot.held
                    lot.left = lot.held
            for voucher in purse.vouchers:
                if voucher.expired and voucher.status == "ACTIVE":
                    voucher.status = "EXPIRED"

    def send_back(self) -> None:
        while payments.send_due():
            pass
        self.accounts["merchant:due_back"] -= self.owed
        self.accounts["outside:gateway"] += self.owed
        self.owed = 0

    # what must hold

    def must_agree(self) -> None:
        expected = dict(self.accounts)
        purses, lots, vouchers = {}, {}, {}
        for row, purse in zip(self.rows, self.purses, strict=True):
            bonus = sum(lot.left for lot in purse.lots)
            held_bonus = sum(lot.held for lot in purse.lots)
            purses[row.customer_id] = (
                (purse.principal, bonus, purse.silver),
                (purse.held_principal, held_bonus, purse.held_silver),
            )
            lots |= {lot.id: (lot.left, lot.held) for lot in purse.lots}
            vouchers |= {voucher.id: voucher.status for voucher in purse.vouchers}
            account = f"wallet:{row.customer_id}:"
            expected |= {account + "principal": purse.principal, account + "bonus": bonus}
            expected |= {account + "silver": purse.silver}
        found = Found(self.merchant_id)
        assert found.purses == purses
        assert found.lots == lots
        assert found.vouchers == vouchers
        assert found.payments == {order.id: order.status for _, order in self.orders}
        assert found.accounts == {name: minor for name, minor in expected.items() if minor}
        assert len(found.backed) == len(set(found.backed))


class Found:
    """What the database says, read at once."""

    def __init__(self, merchant_id: str) -> None:
        self.accounts = balances(merchant_id)
        with transaction(merchant_id) as session:
            self.purses = {
                row.customer_id: (
                    (row.principal_minor, row.bonus_minor, row.silver_minor),
                    (row.held_principal_minor, row.held_bonus_minor, row.held_silver_minor),
                )
                for row in session.scalars(select(models.Wallet))
            }
            self.lots = {
                row.id: (row.left_minor, row.held_minor)
                for row in session.scalars(select(models.BonusLot))
            }
            self.payments = {row.id: row.status for row in session.scalars(select(Payment))}
            vouchers = list(session.scalars(select(models.Voucher)))
        self.vouchers = {row.id: row.status for row in vouchers}
        self.backed = [row.used_by for row in vouchers if row.status in {"USED", "HELD"}]
        assert all(row.used_by is None for row in vouchers if row.status == "ACTIVE")


WHO = st.integers(0, CUSTOMERS - 1)
WHICH = st.integers(0, 5)  # counted from the newest order
TOTAL = st.sampled_from([3, 41, 120, 260, 455, 460, 700])
GIVEN = {
    "order": (WHO, TOTAL, st.sampled_from([True, True, False])),
    "report": (
        WHICH,
        st.sampled_from(["SUCCESS", "FAILED", "SUCCESS"]),
        st.sampled_from([0, 0, 0, 0, 1, -1]),
        st.booleans(),
    ),
    "top_up": (WHO, st.sampled_from([1, 50, 400]), st.sampled_from([0, 70]), st.booleans()),
    "grant": (WHO, st.integers(1, 150)),
    "give_up": (WHICH,),
    "run_out": (WHICH,),
    "age_bonus": (WHO,),
    "age_voucher": (WHO,),
    "sweep": (),
    "send_back": (),
}
OFTEN = ["order", "report"] * 7 + ["run_out"] * 4 + ["give_up", "top_up", "grant"]
ACTS = st.sampled_from([*OFTEN, *GIVEN]).flatmap(
    lambda name: st.tuples(st.just(name), *GIVEN[name])
)


@some
@given(st.lists(ACTS, min_size=15, max_size=40))
def test_every_cent_is_where_the_model_says_after_any_history(app, monkeypatch, acts):
    monkeypatch.setattr(gateway, "refund", lambda due: None)
    shop = Shop()
    for name, *values in acts:
        getattr(shop, name)(*values)
        shop.must_agree()
    for which in range(len(shop.orders)):
        shop.give_up(which)
    shop.send_back()
    shop.sweep()
    shop.must_agree()
    assert all(held(row) == (0, 0, 0) for row in shop.rows)
