"""Random histories of three stores that begin and cease to share wallets: no cent is lost or made.

The model knows, for each wallet, what is in it, and for each pair of stores who owes whom; it is
told only by answers. The books must agree with it, with each other, and with every check.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.payments import service as payments
from mealquest.payments.domain import GiftKind
from mealquest.payments.forms import CallbackForm, VerifyForm
from mealquest.payments.models import Payment
from mealquest.payments.refund_forms import RefundForm
from mealquest.tenancy.domain import RefundPolicy
from mealquest.wallet import service as wallets
from mealquest.wallet.forms import TopUpForm
from mealquest.wallet.ledger import Posting, wallet_account
from mealquest.wallet.service import BonusGift, Bucket, settlement
from mealquest.wallet.two_books import between
from tests.factories.alliances import leave, share
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.requests import OWNER, keyed
from tests.factories.wallet import make_voucher, make_wallet, wallet_of
from tests.payments.histories import HISTORIES, some

STORES = (0, 1, 2)
GUEST = "u_guest"
OPENED = {"principal": 300, "bonus": 100, "silver": 50}
few = settings(some, max_examples=HISTORIES // 5)


def minor(amount: Decimal) -> int:
    return int(amount * 100)


@dataclass
class Paid:
    """A payment that came from the wallet of `keeper`; `parts`: bonus, principal and silver."""

    id: str
    store: str
    keeper: str
    parts: int
    external: Decimal
    left: int
    is_paid: bool
    may_come_late: bool = False


@dataclass
class Chain:
    inside: Counter = field(default_factory=Counter)  # what is in each store's wallet
    owed: Counter = field(default_factory=Counter)  # (keeper, store): what it owes the store
    payments: list[Paid] = field(default_factory=list)
    stores: list[str] = field(default_factory=list)
    step: int = 0

    def __post_init__(self) -> None:
        for at in STORES:
            policy = RefundPolicy.RESTORE if at == 1 else RefundPolicy.CLAWBACK
            store = make_merchant(refund_policy=policy)
            self.stores.append(store)
            make_customer(store, GUEST)
            make_wallet(store, GUEST, **OPENED)
            self.inside[store] = sum(OPENED.values())

    def key(self) -> str:
        self.step += 1
        return f"k{self.step}"

    def moved(self, keeper: str, store: str, minor: int) -> None:
        """The wallet gained so much at the store's cost; below zero it lost it to the store."""
        self.inside[keeper] += minor
        if keeper != store:
            self.owed[keeper, store] -= minor

    # --- what happens ---------------------------------------------------------------------

    def agree(self, order: tuple[int, ...]) -> None:
        share(*(self.stores[at] for at in order))

    def quit(self, at: int) -> None:
        leave(self.stores[at])

    def pay(self, at: int, order: int, use_voucher: bool) -> None:
        store = self.stores[at]
        form = VerifyForm(
            user_id=GUEST,
            order_amount=Decimal(order).scaleb(-2),
            voucher_id=None if use_voucher else "NONE",
        )
        view = payments.verify(store, form, OWNER, keyed(form, self.key(), OWNER))
        deducted = view.quote.deduction
        parts = minor(deducted.bonus + deducted.principal + deducted.silver)
        keeper = view.wallet_scope.wallet_merchant_id
        is_paid = view.status == "PAID"
        self.payments.append(
            Paid(view.payment_txn_id, store, keeper, parts, deducted.external, order, is_paid)
        )
        if is_paid:
            self.moved(keeper, store, -parts)

    def end(self, how: str) -> None:
        """The oldest order that waits is paid, fails, is given up, or its time runs out."""
        one = next((one for one in self.payments if not one.is_paid), None)
        if one is None:
            return
        if one.may_come_late or how in {"SUCCESS", "FAILED"}:
            self.call(one, "SUCCESS" if one.may_come_late else how)
        elif how == "expire":
            self.let_time_pass(one)
            one.may_come_late = True
            return
        else:
            payments.cancel(one.store, one.id, OWNER)
        if not one.is_paid:
            self.payments.remove(one)

    def call(self, one: Paid, status: str) -> None:
        form = CallbackForm.model_validate(
            {
                "merchantId": one.store,
                "paymentTxnId": one.id,
                "externalTxnId": f"ext_{one.id}",
                "status": status,
                "paidAmount": one.external,
                "callbackId": self.key(),
            }
        )
        after = payments.callback(form)
        assert after.wallet_scope.wallet_merchant_id == one.keeper
        if after.status == "PAID":
            one.is_paid = True
            self.moved(one.keeper, one.store, -one.parts)

    def let_time_pass(self, one: Paid) -> None:
        past = utc_now() - timedelta(seconds=1)
        with transaction(one.store) as session:
            session.execute(
                update(Payment)
                .where(Payment.merchant_id == one.store, Payment.id == one.id)
                .values(hold_expires_at=past)
            )
        payments.expire_due()

    def refund(self, which: int, share: int) -> None:
        paid = [one for one in self.payments if one.is_paid and one.left]
        if not paid:
            return
        one = paid[which % len(paid)]
        amount = max(1, one.left * share // 4)
        form = RefundForm(
            payment_txn_id=one.id, refund_amount=Decimal(amount).scaleb(-2), user_id=None
        )
        view = payments.refund(one.store, form, OWNER, keyed(form, self.key(), OWNER))
        assert view.wallet_scope.wallet_merchant_id == one.keeper
        one.left -= amount
        back, parts = view.clawback, view.parts
        self.moved(one.keeper, one.store, minor(parts.bonus + parts.principal + parts.silver))
        taken = minor(back.from_bonus + back.from_principal + view.gifts.from_silver)
        restores = view.policy is RefundPolicy.RESTORE
        of_keeper = 0 if restores else minor(parts.bonus)
        self.inside[one.keeper] -= of_keeper
        self.moved(one.keeper, one.store, of_keeper - taken)

    def top_up(self, at: int, amount: int, bonus: int, days: int) -> None:
        store = self.stores[at]
        form = TopUpForm(
            user_id=GUEST,
            amount=Decimal(amount).scaleb(-2),
            bonus=Decimal(bonus).scaleb(-2),
            method="CASH",
            bonus_valid_days=days,
        )
        keeper = self.keeper(store)
        wallets.top_up(store, form, OWNER, keyed(form, self.key(), OWNER))
        self.moved(keeper, store, amount + bonus)

    def earn(self, bonus: int) -> None:
        """The newest order that is paid earns some, as a campaign of its store gives it."""
        one = next((one for one in reversed(self.payments) if one.is_paid and one.left), None)
        if one is None:
            return
        hit = self.key()
        with transaction(one.store) as session:
            holder = payments.wallet_keeper(session, one.store, one.id)
            assert holder == one.keeper
            wallet = wallets.lock_shared(session, one.store, GUEST, holder=holder)
            gift = BonusGift(bonus, None)
            (lot,) = wallets.grant_by_campaign(session, wallet, hit, {}, bonus=[gift])
            earned = payments.Earned(GiftKind.BONUS, bonus, hit, lot_id=lot)
            payments.note_gift(session, one.store, one.id, earned)
        self.moved(one.keeper, one.store, bonus)

    def voucher(self, at: int, value: int) -> None:
        make_voucher(self.keeper(self.stores[at]), GUEST, value=value)

    def expire(self) -> None:
        """Time runs out for the bonus that can expire, and what is free of it is swept."""
        for store in self.stores:
            with transaction(store) as session:
                session.execute(_AGE, {"merchant": store})
                self.inside[store] -= session.scalar(_FREE_OF_IT, {"merchant": store})
        wallets.expire_due()

    def keeper(self, store: str) -> str:
        with transaction(store) as session:
            return wallets.scope_of(session, store).wallet_merchant_id

    # --- what must be true ----------------------------------------------------------------

    def must_agree(self) -> None:
        for store in self.stores:
            row = wallet_of(store, GUEST)
            inside = row.principal_minor + row.bonus_minor + row.silver_minor
            assert inside == self.inside[store], store
            with transaction(store) as session:
                kept = {
                    p.partner_id: p.position_minor for p in settlement.positions(session, store)
                }
            for other in self.stores:
                expected = self.owed[store, other] - self.owed[other, store]
                assert kept.get(other, 0) == expected, (store, other)
            for check in (*wallets.CHECKS, *payments.CHECKS):
                assert check.name == "payments_overdue" or check.find(store) == [], check.name


_AGE = text(
    "UPDATE bonus_lots SET expires_at = now() - interval '1 second'"
    " WHERE merchant_id = :merchant AND expires_at IS NOT NULL"
)
_FREE_OF_IT = text(
    "SELECT CAST(coalesce(sum(left_minor - held_minor), 0) AS bigint) FROM bonus_lots"
    " WHERE merchant_id = :merchant AND expires_at <= now()"
)
ANY_STORE = st.sampled_from(STORES)
ORDERS = [order for size in (2, 3) for order in permutations(STORES, size)]


def act(name: str, *with_: st.SearchStrategy) -> st.SearchStrategy:
    return st.tuples(st.just(name), *with_)


ACTS = st.one_of(
    act("agree", st.sampled_from(ORDERS)),
    act("pay", ANY_STORE, st.integers(1, 700), st.booleans()),
    act("pay", ANY_STORE, st.integers(1, 200), st.booleans()),
    act("end", st.sampled_from(["SUCCESS", "FAILED", "cancel", "expire"])),
    act("refund", st.integers(0, 5), st.integers(1, 4)),
    act("top_up", ANY_STORE, st.integers(1, 400), st.integers(0, 200), st.integers(1, 9)),
    act("earn", st.integers(1, 90)),
    act("voucher", ANY_STORE, st.integers(1, 150)),
    act("expire"),
    act("quit", ANY_STORE),
)


@few
@given(st.sampled_from(ORDERS), st.lists(ACTS, min_size=4, max_size=14))
def test_no_cent_is_lost_or_made_between_stores_that_share_wallets(app, order, acts):
    chain = Chain()
    chain.agree(order)
    for name, *with_ in acts:
        getattr(chain, name)(*with_)
    chain.must_agree()


# --- one movement in two books ------------------------------------------------------------

OWN_ACCOUNTS = ("merchant:sales", "merchant:gifts", "merchant:vouchers", "outside:cash")
LINES = st.lists(
    st.builds(
        lambda own, bucket, into, minor, whole: (
            Posting(own, "merchant:due_back", minor)
            if whole
            else Posting(own, wallet_account(GUEST, bucket), minor)
            if into
            else Posting(wallet_account(GUEST, bucket), own, minor)
        ),
        st.sampled_from(OWN_ACCOUNTS),
        st.sampled_from(list(Bucket)),
        st.booleans(),
        st.integers(1, 10**9),
        st.booleans(),
    ),
    max_size=9,
)


def sums(lines: tuple[Posting, ...]) -> Counter:
    found: Counter = Counter()
    for line in lines:
        found[line.source] -= line.minor
        found[line.destination] += line.minor
    return found


def nonzero(found: Counter) -> dict[str, int]:
    return {name: minor for name, minor in found.items() if minor}


@given(LINES)
def test_a_movement_in_two_books_is_the_same_movement(lines):
    books = between(lines, holder="m_keeper", store="m_store")
    kept, own = sums(books.holder), sums(books.store)
    assert sum(kept.values()) == sum(own.values()) == 0
    owes, owed = kept.pop("settlement:m_store", 0), own.pop("settlement:m_keeper", 0)
    assert owes == -owed == books.owed
    assert nonzero(kept) | nonzero(own) == nonzero(sums(tuple(lines)))
    assert all(name.startswith("wallet:") for name in kept)
    assert not any(name.startswith("wallet:") for name in own)
    back = [Posting(line.destination, line.source, line.minor) for line in lines]
    assert between(back, holder="m_keeper", store="m_store").owed == -books.owed
