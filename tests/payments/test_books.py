"""Random histories on PostgreSQL against a model of a few lines: every account must agree."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.payments import service as payments
from mealquest.payments.forms import VerifyForm
from mealquest.wallet import service as wallets
from mealquest.wallet.forms import TopUpForm
from tests.factories.requests import OWNER, keyed
from tests.factories.wallet import lots_of, make_voucher, make_wallet, wallet_of
from tests.payments.histories import some

OPENED = {"principal": 300, "bonus": 100, "silver": 50}


@dataclass
class ModelLot:
    left: int
    days: int | None
    expired: bool = False


@dataclass
class Model:
    """What the books must say, in minor units."""

    principal: int = OPENED["principal"]
    silver: int = OPENED["silver"]
    lots: list[ModelLot] = field(default_factory=lambda: [ModelLot(OPENED["bonus"], None)])
    vouchers: list[tuple[int, int, str]] = field(default_factory=list)  # hours, value, id
    accounts: Counter = field(default_factory=Counter)

    def top_up(self, amount: int, bonus: int, days: int | None, method: str) -> None:
        self.principal += amount
        if bonus:
            self.lots.append(ModelLot(bonus, days))
        self.accounts[f"outside:{method.lower()}"] -= amount
        self.accounts["merchant:gifts"] -= bonus

    def pay(self, order: int, *, use_voucher: bool) -> bool:
        usable = [v for v in sorted(self.vouchers) if v[1]] if use_voucher else []
        off = min(order, usable[0][1]) if usable else 0
        lots = sorted(
            (lot for lot in self.lots if not lot.expired),
            key=lambda lot: 10**6 if lot.days is None else lot.days,
        )
        if off + sum(lot.left for lot in lots) + self.principal + self.silver < order:
            return False
        left = order - off
        for lot in lots:
            taken = min(lot.left, left)
            lot.left -= taken
            left -= taken
        from_principal = min(left, self.principal)
        self.principal -= from_principal
        self.silver -= left - from_principal
        if usable:
            self.vouchers.remove(usable[0])
        self.accounts["merchant:vouchers"] -= off
        self.accounts["merchant:sales"] += order
        return True

    def sweep(self) -> None:
        for lot in self.lots:
            if lot.expired:
                self.accounts["merchant:breakage"] += lot.left
                lot.left = 0

    @property
    def bonus(self) -> int:
        return sum(lot.left for lot in self.lots)


class Shop:
    """The same history, on the product."""

    def __init__(self) -> None:
        self.model = Model()
        self.row = make_wallet(**OPENED)
        self.merchant_id, self.customer_id = self.row.merchant_id, self.row.customer_id
        self.step = 0

    def top_up(self, amount: int, bonus: int, expires: bool, method: str) -> None:
        self.step += 1
        days = self.step if expires else None  # a day of its own: no two lots expire together
        form = TopUpForm(
            user_id=self.customer_id,
            amount=Decimal(amount).scaleb(-2),
            bonus=Decimal(bonus).scaleb(-2),
            method=method,
            bonus_valid_days=days,
        )
        wallets.top_up(self.merchant_id, form, OWNER, keyed(form, f"t{self.step}", OWNER))
        self.model.top_up(amount, bonus, days, method)

    def grant(self, value: int, hours: int) -> None:
        expires_at = utc_now() + timedelta(hours=hours, seconds=self.step)
        self.step += 1
        id_ = make_voucher(self.merchant_id, self.customer_id, value=value, expires_at=expires_at)
        self.model.vouchers.append((hours * 3600 + self.step, value, id_))

    def pay(self, order: int, use_voucher: bool) -> None:
        self.step += 1
        form = VerifyForm(
            user_id=self.customer_id,
            order_amount=Decimal(order).scaleb(-2),
            voucher_id=None if use_voucher else "NONE",
        )
        request = keyed(form, f"p{self.step}", OWNER)
        expected = self.model.pay(order, use_voucher=use_voucher)
        view = payments.verify(self.merchant_id, form, OWNER, request)
        assert view.status == ("PAID" if expected else "PENDING_EXTERNAL")
        alive = sum(lot.left for lot in self.model.lots if not lot.expired)
        assert view.wallet.bonus == Decimal(alive).scaleb(-2)
        assert payments.verify(self.merchant_id, form, OWNER, request).replayed
        if not expected:
            payments.cancel(self.merchant_id, view.payment_txn_id, OWNER)

    def let_bonus_expire(self) -> None:
        """Time goes by until the soonest lot that can expire has expired."""
        waiting = [lot for lot in self.model.lots if lot.days is not None and not lot.expired]
        if not waiting:
            return
        min(waiting, key=lambda lot: lot.days or 0).expired = True
        with transaction(self.merchant_id) as session:
            session.execute(
                text(
                    "UPDATE bonus_lots SET expires_at = now() - interval '1 second' WHERE id ="
                    " (SELECT id FROM bonus_lots WHERE merchant_id = :merchant"
                    "   AND expires_at > now() ORDER BY expires_at LIMIT 1)"
                ),
                {"merchant": self.merchant_id},
            )

    def sweep(self) -> None:
        wallets.expire_due()
        self.model.sweep()

    def must_agree(self) -> None:
        model, row = self.model, wallet_of(self.merchant_id, self.customer_id)
        assert (row.principal_minor, row.bonus_minor, row.silver_minor) == (
            model.principal,
            model.bonus,
            model.silver,
        )
        assert sum(lots_of(self.merchant_id, self.customer_id).values()) == row.bonus_minor
        expected = Counter(model.accounts)
        expected["opening"] = -sum(OPENED.values())
        for bucket in wallets.Bucket:
            account = wallets.wallet_account(self.customer_id, bucket)
            expected[account] = getattr(model, bucket.value)
        assert self.accounts() == {name: minor for name, minor in expected.items() if minor}

    def accounts(self) -> dict[str, int]:
        """Every account that was ever posted to, by its balance, those at zero left out."""
        with transaction(self.merchant_id) as session:
            names = session.scalars(
                text(
                    "SELECT source FROM ledger_postings"
                    " UNION SELECT destination FROM ledger_postings"
                )
            ).all()
            found = {name: wallets.balance_of(session, self.merchant_id, name) for name in names}
        assert sum(found.values()) == 0
        return {name: minor for name, minor in found.items() if minor}


Act = Callable[[Shop], None]
METHODS = st.sampled_from(["CASH", "CARD", "TRANSFER", "OTHER"])
ACTS: st.SearchStrategy[Act] = st.one_of(
    st.builds(
        lambda *with_: lambda shop: shop.top_up(*with_),
        st.integers(1, 400),
        st.integers(0, 200),
        st.booleans(),
        METHODS,
    ),
    st.builds(
        lambda *with_: lambda shop: shop.grant(*with_), st.integers(0, 150), st.integers(1, 90)
    ),
    st.builds(lambda *with_: lambda shop: shop.pay(*with_), st.integers(1, 700), st.booleans()),
    st.just(Shop.let_bonus_expire),
    st.just(Shop.sweep),
)


@some
@given(st.lists(ACTS, min_size=4, max_size=14))
def test_the_books_agree_with_the_model_after_any_history(app, acts):
    shop = Shop()
    for act in acts:
        act(shop)
        shop.must_agree()
    shop.sweep()
    shop.must_agree()
