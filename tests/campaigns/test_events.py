"""What happens in the product reaches the campaigns by itself, each event once."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from jobs.campaigns import look
from jobs.outbox import relay
from mealquest.campaigns import service as campaigns
from mealquest.campaigns.domain import is_held_out
from mealquest.campaigns.forms import DecisionsForm, KillSwitchForm
from mealquest.core import outbox
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.outbox import Event
from mealquest.identity import service as identity
from mealquest.suppliers import service as suppliers
from mealquest.suppliers.forms import OrdersForm, PartnerForm, VerifyOrderForm
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import TenantPolicy
from mealquest.wallet import service as wallets
from mealquest.wallet.forms import TopUpForm
from mealquest.wallet.service import VoucherStatus
from tests.campaigns.shops import hits_of, make_campaign, row_of, trigger, triggers_of
from tests.campaigns.test_trigger import prove
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.outside import ask, pay, triple
from tests.factories.refunds import give_back
from tests.factories.requests import CLERK, OWNER, keyed
from tests.factories.statements import watching
from tests.factories.wallet import make_wallet, vouchers_of


def tell(row, kind: str, **payload) -> None:
    with transaction(row.merchant_id) as session:
        outbox.publish(session, row.merchant_id, kind, {"userId": row.customer_id} | payload)


def context_of(row) -> dict:
    (found,) = triggers_of(row.merchant_id)
    return {name: value for name, value in found.context.items() if name != "tags"}


def test_a_payment_earns_cash_back_and_its_refund_takes_it_away(app) -> None:
    row = make_wallet(principal=10_000)
    parts = [
        {"type": "GRANT_BONUS", "amount": 12},
        {"type": "GRANT_SILVER", "amount": 3},
        {"type": "GRANT_VOUCHER", "voucher": {"type": "ITEM_WARRANT", "value": 8}},
    ]
    campaign = make_campaign(
        row.merchant_id,
        {"type": "COMPOSITE", "actions": parts},
        ("orderCount", "eq", 0),
        ("orderAmount", "gte", 20),
    )
    payment = ask(row, 52).payment_txn_id

    relay(), relay()

    assert context_of(row) == {"orderAmount": 52, "orderCount": 0}
    assert triple(row) == (4_800, 1_200, 300)
    given = campaigns.given_for(row.merchant_id, payment)
    assert [(hit.campaign_id, len(hit.given)) for hit in given.hits] == [(campaign, 3)]
    ask(row, 1, voucher_id="NONE")  # no first order any more
    relay()
    assert row_of(row.merchant_id, campaign).hits == 1

    give_back(row, payment, 52)

    (voucher,) = vouchers_of(row.merchant_id, row.customer_id).values()
    assert voucher is VoucherStatus.WITHDRAWN
    # 52 came back, and of the 15 that were earned 1 had been spent: it is taken from what came
    assert sum(triple(row)) == 10_000 - 100
    prove(row.merchant_id)


def test_granted_principal_and_fragments_go_back_with_the_payment_too(app) -> None:
    row = make_wallet(principal=10_000)
    parts = [
        {"type": "GRANT_PRINCIPAL", "amount": 6},
        {"type": "GRANT_FRAGMENT", "fragmentType": "noodle", "amount": 4},
    ]
    make_campaign(row.merchant_id, {"type": "COMPOSITE", "actions": parts})
    payment = ask(row, 50).payment_txn_id
    relay()
    assert triple(row) == (5_600, 0, 0)

    view = give_back(row, payment, 25)
    assert (view.gifts.from_granted, view.gifts.fragments) == (3, {"noodle": 2})
    give_back(row, payment, 25)

    assert triple(row) == (10_000, 0, 0)
    with transaction(row.merchant_id) as session:
        left = identity.fragments_of(session, row.merchant_id, row.customer_id)
    assert left["noodle"] == 0
    prove(row.merchant_id)


def test_a_payment_that_was_given_back_before_earns_nothing(app) -> None:
    row = make_wallet(principal=10_000)
    campaign = make_campaign(row.merchant_id)
    payment = ask(row, 52).payment_txn_id
    give_back(row, payment, 52)

    relay()

    found = [t for t in triggers_of(row.merchant_id) if t.event == "PAYMENT_SUCCESS"]
    assert found[0].decisions[campaign][0] == "REFUNDED"
    assert triple(row) == (10_000, 0, 0)


def test_outside_money_makes_the_payment_a_success_and_waiting_does_not(app) -> None:
    row = make_wallet(principal=1_000)
    make_campaign(row.merchant_id, None, ("orderAmount", "gte", 50))
    waiting = ask(row, 52)
    relay()
    assert triggers_of(row.merchant_id) == []

    pay(row, waiting.payment_txn_id, 42)
    relay()

    assert context_of(row) == {"orderAmount": 52, "orderCount": 0}
    assert triple(row) == (0, 1_200, 0)


def test_a_top_up_a_visit_a_partner_s_order_and_a_refund_are_events_too(app) -> None:
    row = make_wallet()
    for event in ("RECHARGE", "USER_ENTER_SHOP", "PARTNER_ORDER_VERIFIED", "REFUND"):
        make_campaign(row.merchant_id, {"type": "GRANT_SILVER", "amount": 1}, event=event)
    form = TopUpForm(user_id=row.customer_id, amount=Decimal(100), method="CASH")
    wallets.top_up(row.merchant_id, form, CLERK, keyed(form, "k"))
    tell(row, "USER_ENTER_SHOP", isNewUser=True, provider="ALIPAY")
    suppliers.add_partner(row.merchant_id, PartnerForm(partner_id="p", name="P"), OWNER)
    order = {"partnerId": "p", "orders": [{"orderId": "o", "amount": 38}]}
    suppliers.take(row.merchant_id, OrdersForm.model_validate(order), OWNER)
    shown = VerifyOrderForm(partner_id="p", order_id="o", user_id=row.customer_id)
    suppliers.verify(row.merchant_id, shown, CLERK)
    give_back(row, ask(row, 30).payment_txn_id, 10)

    relay()

    found = {t.event: t.context for t in triggers_of(row.merchant_id)}
    assert {name: dict(c, tags=0) for name, c in found.items()} == {
        "RECHARGE": {"rechargeAmount": 100, "bonusGranted": 0, "tags": 0},
        "USER_ENTER_SHOP": {"isNewUser": True, "hasReferral": False, "tags": 0},
        "PARTNER_ORDER_VERIFIED": {
            "partnerOrderVerified": True,
            "partnerOrderAmount": 38,
            "tags": 0,
        },
        "REFUND": {"refundAmount": 10, "totalRefunded": 10, "tags": 0},
    }
    assert len(hits_of(row.merchant_id)) == 4


def test_an_event_that_comes_again_has_one_effect(app) -> None:
    row = make_wallet()
    make_campaign(row.merchant_id, event="RECHARGE")
    payload = {"userId": row.customer_id, "amount": 5}
    event = Event(row.merchant_id, "evt_1", "WALLET_TOPPED_UP", payload, utc_now())

    (hear,) = campaigns.SUBSCRIPTIONS["WALLET_TOPPED_UP"]
    hear(event), hear(event)

    assert (len(hits_of(row.merchant_id)), triple(row)) == (1, (0, 1_200, 0))


def test_without_a_campaign_that_listens_an_event_is_one_statement(app) -> None:
    row = make_wallet()
    make_campaign(row.merchant_id, event="RECHARGE")
    payload = {"userId": row.customer_id, "isNewUser": True}
    event = Event(row.merchant_id, "evt_1", "USER_ENTER_SHOP", payload, utc_now())
    (hear,) = campaigns.SUBSCRIPTIONS["USER_ENTER_SHOP"]

    with watching() as seen:
        hear(event)

    assert len([one for one in seen.statements if "campaigns" in one]) == 1
    assert len(seen.statements) == 2  # and the one that opens the transaction


def test_a_faulty_campaign_or_a_customer_who_left_holds_up_nobody(app) -> None:
    row = make_wallet()
    bad = make_campaign(row.merchant_id, {"type": "FREE_LUNCH"}, event="RECHARGE", priority=90)
    good = make_campaign(row.merchant_id, event="RECHARGE", priority=10)
    gone = make_customer(row.merchant_id, deleted_at=utc_now())
    tell(row, "WALLET_TOPPED_UP", userId=gone, amount=5)
    tell(row, "WALLET_TOPPED_UP", amount=5)

    relay()

    (told,) = triggers_of(row.merchant_id)
    assert {id_: said[0] for id_, said in told.decisions.items()} == {bad: "FAULTY", good: "HIT"}
    assert not outbox.has_due()


def test_while_the_merchant_is_frozen_its_events_wait(app) -> None:
    row = make_wallet()
    make_campaign(row.merchant_id, event="RECHARGE")
    with transaction(row.merchant_id) as session:
        tenancy.set_policy(session, row.merchant_id, TenantPolicy(write_enabled=False))
    tell(row, "WALLET_TOPPED_UP", amount=5)
    relay()
    assert triggers_of(row.merchant_id) == []

    with transaction(row.merchant_id) as session:
        session.execute(text("UPDATE outbox_events SET run_at = now() + interval '1 hour'"))
        tenancy.set_policy(session, row.merchant_id, TenantPolicy())
    relay()
    assert triple(row) == (0, 1_200, 0)


def test_the_holdout_counts_for_what_comes_by_itself_only(app) -> None:
    row = make_wallet()
    percent = 50
    campaign = next(
        id_
        for id_ in (f"campaign_{n}" for n in range(100))
        if is_held_out(id_, row.customer_id, percent)
    )
    make_campaign(row.merchant_id, campaign_id=campaign, event="RECHARGE", holdout_percent=percent)
    tell(row, "WALLET_TOPPED_UP", amount=5)
    relay()
    assert triggers_of(row.merchant_id)[0].decisions[campaign][0] == "HELD_OUT"
    assert row_of(row.merchant_id, campaign).used_units == 0

    assert trigger(row, "RECHARGE").executed == [campaign]


def test_while_the_kill_switch_is_on_events_are_noted_and_give_nothing(app) -> None:
    row = make_wallet()
    campaign = make_campaign(row.merchant_id, event="RECHARGE")
    campaigns.set_kill_switch(row.merchant_id, KillSwitchForm(enabled=True), OWNER)
    tell(row, "WALLET_TOPPED_UP", amount=5)

    relay()

    (decided,) = campaigns.decisions(row.merchant_id, DecisionsForm(campaign_id=campaign)).items
    assert (decided.blocked_by_kill_switch, decided.verdict) == (True, None)
    assert triple(row) == (0, 0, 0)


def test_a_discount_card_is_counted_when_it_pays(app) -> None:
    row = make_wallet(make_merchant(budget_cap_minor=3_000), principal=10_000)
    card = {"type": "DISCOUNT_CARD", "value": 0, "discountRate": 0.5}
    action = {"type": "GRANT_VOUCHER", "voucher": card}
    campaign = make_campaign(row.merchant_id, action, event="X", cap_minor=2_000)
    trigger(row, "X")
    assert row_of(row.merchant_id, campaign).spent_minor == 0

    ask(row, 52)
    relay(), relay()

    stored = row_of(row.merchant_id, campaign)
    assert (stored.spent_minor, stored.stopped_why) == (2_600, "MONEY_CAP")
    make_campaign(row.merchant_id, {"type": "GRANT_BONUS", "amount": 5}, event="Y")
    assert trigger(row, "Y").executed == []  # 26 of the month's 30 are gone
    prove(row.merchant_id)


# --- who stays away -------------------------------------------------------------------------


def ordered(row, amount: int, days_ago: float) -> None:
    payment = ask(row, amount).payment_txn_id
    with transaction(row.merchant_id) as session:
        session.execute(
            text("UPDATE payments SET created_at = :at WHERE merchant_id = :m AND id = :id"),
            {
                "at": utc_now() - timedelta(days=days_ago),
                "m": row.merchant_id,
                "id": payment,
            },
        )


def test_who_stays_away_is_told_once_for_each_number_of_days(app) -> None:
    row = make_wallet(principal=50_000)
    big, recent, long_ago = (make_wallet(row.merchant_id, principal=50_000) for _ in range(3))
    ordered(row, 10, 31)
    ordered(big, 200, 31)
    ordered(recent, 10, 40), ordered(recent, 10, 2)
    ordered(long_ago, 10, 200)
    thirty = make_campaign(
        row.merchant_id, None, ("inactiveDays", "gte", 30), event="USER_INACTIVE"
    )
    rich = make_campaign(
        row.merchant_id,
        None,
        ("inactiveDays", "gte", 30),
        ("isHighValueUser", "eq", True),
        event="USER_INACTIVE",
    )

    assert campaigns.has_due()
    assert (look(), look()) == ("2 triggers", "0 triggers")

    found = {t.customer_id: t for t in triggers_of(row.merchant_id)}
    assert found.keys() == {row.customer_id, big.customer_id}
    assert found[row.customer_id].context["inactiveDays"] == 31
    assert found[row.customer_id].decisions[rich][0] == "CONDITION"
    assert found[big.customer_id].decisions[rich][0] == "HIT"
    assert row_of(row.merchant_id, thirty).hits == 2


@pytest.mark.parametrize("event", ["USER_INACTIVE", "RECHARGE"])
def test_nothing_is_looked_for_where_nobody_waits(app, event) -> None:
    row = make_wallet(principal=1_000)
    ordered(row, 10, 31)
    assert not campaigns.has_due()
    make_campaign(row.merchant_id, event=event)
    assert campaigns.has_due() is (event == "USER_INACTIVE")
