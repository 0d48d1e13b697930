"""Two stores that pay from each other's wallets, all at the same moment."""

from decimal import Decimal

from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.payments import service as payments
from mealquest.payments.refund_forms import RefundForm
from mealquest.wallet import service as wallets
from mealquest.wallet.errors import ExposureExceeded
from mealquest.wallet.forms import TopUpForm
from mealquest.wallet.service import settlement
from tests.factories.alliances import list_stores, share
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.requests import OWNER, keyed
from tests.factories.threads import run_together
from tests.factories.wallet import make_wallet, wallet_of
from tests.payments.test_shared_wallet import must_be_sound, owed, verify

GUESTS = ("u_a", "u_b")


def test_stores_that_keep_each_others_wallets_never_wait_for_ever(app):
    """Each lists the other one first, so each pays from the wallets of the other."""
    stores = make_merchant("m_left"), make_merchant("m_right")
    for guest in GUESTS:
        for store in stores:
            make_customer(store, guest)
            make_wallet(store, guest, principal=10_000)
    for store, other in (stores, stores[::-1]):
        list_stores(store, other, store)
    first = {
        (store, guest): verify(store, 3, key=f"{guest} first", customer=guest, by=OWNER)
        for store in stores
        for guest in GUESTS
    }

    def pay(store, guest, key):
        return lambda: verify(store, 5, key=key, customer=guest, by=OWNER)

    def back(store, guest):
        form = RefundForm(
            payment_txn_id=first[store, guest].payment_txn_id,
            refund_amount=Decimal(1),
            user_id=None,
        )
        return lambda: payments.refund(store, form, OWNER, keyed(form, "back" + guest, OWNER))

    def top_up(store, guest):
        form = TopUpForm(user_id=guest, amount=Decimal(2), method="CASH")
        return lambda: wallets.top_up(store, form, OWNER, keyed(form, "up" + guest, OWNER))

    calls = []
    for store in stores:
        for guest in GUESTS:
            calls += [pay(store, guest, guest + key) for key in ("one", "two")]
            calls += [back(store, guest), top_up(store, guest)]
    failures = [done for done in run_together(app, calls) if isinstance(done, Exception)]
    assert failures == []
    for store, other in (stores, stores[::-1]):
        for guest in GUESTS:
            assert wallet_of(store, guest).principal_minor == 10_000 - 300 - 1_000 + 100 + 200
        with transaction(store) as session:
            (kept,) = settlement.positions(session, store)
        assert (kept.partner_id, kept.position_minor) == (other, 0)  # as much each way
    must_be_sound(*stores)


def test_two_orders_at_once_do_not_pass_a_limit_together(app):
    keeper, store = make_merchant("m_keeper"), make_merchant("m_store")
    for guest in GUESTS:
        make_customer(store, guest)
        make_customer(keeper, guest)
        make_wallet(keeper, guest, principal=10_000)
    share(keeper, store)
    with transaction(store) as session:
        settlement.set_cap(session, store, keeper, Currency.CNY, 1_000)
    calls = [
        lambda guest=guest: verify(store, 6, key=guest, customer=guest, by=OWNER)
        for guest in GUESTS
    ]
    done = run_together(app, calls)
    assert sum(isinstance(one, ExposureExceeded) for one in done) == 1
    assert owed(store, keeper) == 6
    must_be_sound(keeper, store)
