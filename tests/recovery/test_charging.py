"""Charges by hand: once a request, and never past what Stripe and the card networks allow."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import AppError
from mealquest.core.wire import NoInput
from mealquest.recovery import charging, networks
from mealquest.recovery.case_models import ChargeAttempt
from mealquest.recovery.charging_replies import ChargeResult
from mealquest.recovery.errors import ChargeRefused, NoSuchCase, StripeDidNot
from tests.factories.merchants import make_merchant
from tests.factories.requests import MANAGER, keyed
from tests.fakes.mail import MailEdge
from tests.fakes.stripe import StripeFake
from tests.recovery.dunned import Dunned

STRIPE = ("API_BASE", "CONNECT_BASE", "SECRET_KEY", "CLIENT_ID", "WEBHOOK_SECRETS", "SANDBOX_URL")


@pytest.fixture
def dunned(app, monkeypatch):
    with StripeFake() as stripe, MailEdge() as edge:
        for name in STRIPE:
            monkeypatch.setitem(app.config, f"STRIPE_{name}", "")
        stripe.configure(app.config)
        yield Dunned.begin(stripe, edge)


def fails(dunned: Dunned, code: str = "insufficient_funds", **wish) -> str:
    """A failed renewal that Stripe has no attempt left for."""
    invoice = dunned.fails(code, **wish)
    no_more = {"next_payment_attempt": None}
    path = f"/v1/invoices/{invoice}"
    dunned.stripe.breaks("patch", path, method="GET", times=None, patch=no_more)
    return invoice


def charge(dunned: Dunned, invoice: str, key: str = "k"):
    return charging.charge(dunned.merchant_id, invoice, MANAGER, keyed(NoInput(), key))


def rows(dunned: Dunned, *, by_hand: bool = True) -> list[ChargeAttempt]:
    with transaction(dunned.merchant_id) as session:
        found = select(ChargeAttempt).where(ChargeAttempt.merchant_id == dunned.merchant_id)
        return list(session.scalars(found.where(ChargeAttempt.by_hand.is_(by_hand))))


def paid(dunned: Dunned, invoice: str) -> list:
    return dunned.stripe.asked_of("POST", f"/v1/invoices/{invoice}/pay")


def mend(dunned: Dunned, invoice: str) -> None:
    """The payer's subscription gets a card that works."""
    sub = dunned.stripe.world.take(dunned.account, "subscription", dunned.subscription(invoice))
    good = dunned.stripe.world.store.find(dunned.account, "payment_method", {})
    (works,) = [one for one in good if one["x_number"] == "4242424242424242"]
    bill = dunned.stripe.invoice(dunned.account, invoice)
    for found in (sub, bill):
        dunned.stripe.world.keep(dunned.account, found | {"default_payment_method": works["id"]})


def test_a_charge_by_hand_brings_the_money_and_is_told_apart(dunned):
    invoice = fails(dunned)
    mend(dunned, invoice)

    first, again = charge(dunned, invoice), charge(dunned, invoice)

    assert first.result is again.result is ChargeResult.PAID
    assert len(paid(dunned, invoice)) == 1
    dunned.tells("invoice.paid")
    case = dunned.case(invoice)
    assert case.status.value == "recovered"
    assert case.charged_by_hand_at <= case.closed_at


def test_a_declined_charge_counts_once_though_its_event_comes_too(dunned):
    invoice = fails(dunned)
    view = charge(dunned, invoice)
    assert (view.result, view.decline_class) == (ChargeResult.DECLINED, "soft")
    dunned.tells("charge.failed")
    (mine,) = rows(dunned)
    assert mine.id.startswith("ch_")
    assert len(rows(dunned, by_hand=False)) == 1
    assert dunned.case(invoice).charged_by_hand_at is None
    assert charge(dunned, invoice, "another").result is ChargeResult.DECLINED
    assert len({asked.headers["idempotency-key"] for asked in paid(dunned, invoice)}) == 2


@pytest.mark.parametrize("fault", ["drop", "reset", "unavailable", "conflict", "rate_limit"])
def test_when_nobody_knows_whether_it_went_through_the_next_try_asks_the_same(dunned, fault):
    invoice = fails(dunned)
    mend(dunned, invoice)
    dunned.stripe.breaks(fault, "/v1/invoices/*/pay")
    with pytest.raises(StripeDidNot):
        charge(dunned, invoice)

    assert charge(dunned, invoice, "another").result is ChargeResult.PAID

    assert len({asked.headers["idempotency-key"] for asked in paid(dunned, invoice)}) == 1
    assert len(rows(dunned)) == 1
    assert len(dunned.stripe.events(dunned.account, "invoice.paid")) == 2  # one was a month ago


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("stolen_card", "HARD_DECLINE"),
        ("expired_card", "HARD_DECLINE"),
        ("authentication_required", "NEEDS_CUSTOMER"),
    ],
)
def test_some_cards_are_never_charged_by_hand(dunned, code, why):
    invoice = fails(dunned, code)
    with pytest.raises(ChargeRefused) as refused:
        charge(dunned, invoice)
    assert refused.value.reason == why
    assert paid(dunned, invoice) == []


def test_never_while_stripe_will_try_by_itself_nor_for_what_is_not_open_or_not_ones_own(dunned):
    waits, done = dunned.fails(), fails(dunned)
    dunned.is_paid(done)
    for invoice, why in ((waits, "STRIPE_WILL_RETRY"), (done, "INVOICE_NOT_OPEN")):
        with pytest.raises(ChargeRefused) as refused:
            charge(dunned, invoice)
        assert refused.value.reason == why
    with pytest.raises(NoSuchCase):
        charging.charge(make_merchant(), waits, MANAGER, keyed(NoInput(), "k"))
    assert not [one for one in dunned.stripe.asked if one.path.endswith("/pay")]


def tried(dunned: Dunned, card: str, network: str, ages: list[float]) -> None:
    with transaction(dunned.merchant_id) as session:
        for number, days in enumerate(ages):
            session.add(
                ChargeAttempt(
                    merchant_id=dunned.merchant_id,
                    id=f"ch_old_{number}",
                    card=card,
                    network=network,
                    invoice_id="in_old",
                    attempted_at=utc_now() - timedelta(days=days),
                )
            )


@pytest.mark.parametrize(
    ("network", "ages", "room"),
    [
        ("visa", [2.0] * 19, 1),
        ("visa", [2.0] * 20, 0),
        ("visa", [31.0] * 50, 20),
        ("mastercard", [0.5] * 9, 1),
        ("mastercard", [2.0] * 30, 5),
        ("mastercard", [2.0] * 35, 0),
        ("elo", [0.5] * 10, 0),
    ],
)
def test_the_networks_limits_count_what_was_tried_in_their_windows(dunned, network, ages, room):
    tried(dunned, "card_1", network, ages)
    got = 0
    with transaction(dunned.merchant_id) as session:
        for number in range(room + 3):
            if networks.has_room(session, dunned.merchant_id, "card_1", network):
                got += 1
                now = {"invoice_id": "in_1", "attempted_at": utc_now(), "network": network}
                known = {"merchant_id": dunned.merchant_id, "id": f"ch_{number}"}
                session.add(ChargeAttempt(**known, card="card_1", **now))
                session.flush()
    assert got == min(room, 10 if network == "mastercard" else room)


def test_many_at_once_cannot_pass_the_limit_of_a_card(dunned, app):
    """Seven invoices of one card, five places left: Stripe is asked five times."""
    bills = []
    for _ in range(7):
        bills.append(fails(dunned))
        dunned.tells("charge.failed")
    (fingerprint,) = {one.card for one in rows(dunned, by_hand=False)}
    tried(dunned, fingerprint, "visa", [1.5] * 8)

    def ask(invoice: str) -> str:
        with app.app_context():
            try:
                return charge(dunned, invoice, invoice).result.value
            except AppError as refused:
                return refused.reason

    with ThreadPoolExecutor(7) as pool:
        results = list(pool.map(ask, bills))

    asked = [one for one in dunned.stripe.asked if one.path.endswith("/pay")]
    assert len(asked) == results.count("declined") == len(rows(dunned)) == 5
    assert results.count("NETWORK_LIMIT") == 2
    assert len(rows(dunned, by_hand=False)) == 15
