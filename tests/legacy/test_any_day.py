"""Whatever the old server went through, what comes out of its snapshot sums to what was in it."""

import json
from collections import Counter
from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from mealquest.core.clock import utc_now
from mealquest.legacy import service as legacy
from mealquest.legacy import writing
from mealquest.legacy.notes import Notes
from mealquest.legacy.plan import plan
from mealquest.legacy.snapshot import Document, shops_of
from tests.conftest import _empty
from tests.legacy import books
from tests.legacy.old_server import OldServer
from tests.payments.histories import some

SHOP, GUESTS = "m_any", ("u_a", "u_b")
cents = st.integers(1, 20_000).map(lambda minor: minor / 100)
acts = st.lists(
    st.tuples(
        st.sampled_from(["pay", "settle", "fail", "refund", "give", "spend", "leave"]), cents
    ),
    max_size=14,
)


def lived(wallets: list[tuple[float, float, float]], said: list[tuple[str, float]]) -> OldServer:
    """A shop after these acts; who or what is meant follows from the amount."""
    old = OldServer(utc_now() - timedelta(days=2))
    old.open(SHOP, "Any", 300)
    users = [old.add(SHOP, uid, wallet) for uid, wallet in zip(GUESTS, wallets, strict=True)]
    for number, (act, amount) in enumerate(said):
        user = users[int(amount * 100) % 2]
        payments = list(old.state["paymentsByMerchant"][SHOP].values())
        waiting = [one for one in payments if one["status"] == "PENDING_EXTERNAL"]
        left = [one for one in payments if one["status"] == "PAID"]
        left = [one for one in left if one["refundedAmount"] < one["orderAmount"]]
        if act == "pay":
            old.pay(SHOP, user["uid"], amount, f"key-{number}")
        elif act in {"settle", "fail"} and waiting:
            old.callback(waiting[0], "SUCCESS" if act == "settle" else "FAILED")
        elif act == "refund" and left:
            most = round(left[0]["orderAmount"] - left[0]["refundedAmount"], 2)
            old.refund(left[0], min(amount, most), f"back-{number}")
        elif act == "give":
            days = None if amount > 150 else amount / 10 - 3
            old.give(user, f"v_{number % 3}", amount, days)
        elif act == "spend":  # a gift, or what another server did to the wallet
            user["wallet"]["principal"] = amount
        elif act == "leave":
            user["isDeleted"] = amount > 120
    return old


@settings(some, max_examples=60)
@given(st.lists(st.tuples(cents, cents, cents), min_size=2, max_size=2), acts)
def test_every_balance_is_the_sum_of_its_postings(wallets, said):
    """The plan alone: nothing is written."""
    old, notes = lived(wallets, said), Notes()
    state = json.loads(old.document(), parse_float=Decimal)
    (made,) = plan(
        shops_of(Document("main", state, notes)), notes, now=utc_now(), hold_s=1800
    ).shops
    assert notes.problems == []
    accounts: Counter[str] = Counter()
    for entry in made.money.entries:
        for posting in entry.postings:
            assert posting.minor > 0
            accounts[posting.source] -= posting.minor
            accounts[posting.destination] += posting.minor
    for wallet in made.money.wallets:
        for bucket in ("principal", "bonus", "silver"):
            there = getattr(wallet.balances, bucket)
            assert accounts.pop(f"wallet:{wallet.customer_id}:{bucket}", 0) == there
            assert 0 <= getattr(wallet.held, bucket) <= there
        lot = wallet.lot
        assert (lot.left if lot else 0) == wallet.balances.bonus
        assert lot is None or lot.held <= lot.left <= lot.granted
    assert not any(account.startswith("wallet:") for account in accounts)
    paid = [one for one in made.money.payments if one.status == "PAID"]
    kept = sum(one.parts.order - one.refunded_minor for one in paid)
    assert accounts["merchant:sales"] == kept


@settings(some, max_examples=6)
@given(st.lists(st.tuples(cents, cents, cents), min_size=2, max_size=2), acts)
def test_what_is_written_sums_to_it_and_is_sound(app, keep, wallets, said):
    _empty(app)
    old = lived(wallets, said)
    keep(old.document())
    assert legacy.bring_in().done
    assert books.sums(SHOP) == _without_the_erased(old)
    books.is_sound(SHOP)


def _without_the_erased(old: OldServer) -> writing.Sums:
    for user in old.state["merchantUsers"][SHOP].values():
        if user.get("isDeleted"):
            user["vouchers"] = []
    return books.held_by(old.state, SHOP)
