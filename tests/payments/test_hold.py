"""An order that wallet and voucher do not cover: what they give is held until the rest comes."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from mealquest.audit.models import AuditRow
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import Conflict
from mealquest.core.outbox import OutboxEvent
from mealquest.payments import service as payments
from mealquest.payments.forms import QuoteForm, VerifyForm
from mealquest.payments.models import Payment
from mealquest.wallet import service as wallets
from mealquest.wallet.forms import TopUpForm
from mealquest.wallet.models import LedgerEntry
from tests.factories.customers import make_customer
from tests.factories.outside import ask, balances, held, triple
from tests.factories.requests import CLERK, OWNER, customer, keyed
from tests.factories.statements import watching
from tests.factories.wallet import (
    lots_of,
    make_fixture_customer,
    make_lot,
    make_voucher,
    make_wallet,
    vouchers_of,
)


def test_the_contracts_order_of_500_waits_for_238(app):
    row, noise = make_fixture_customer(), make_fixture_customer()
    before = balances(row.merchant_id)

    view = ask(row, 500)

    assert view.status == "PENDING_EXTERNAL"
    assert list(view.quote.deduction.model_dump().values()) == [18, 36, 120, 88, 238]
    assert view.quote.remaining_wallet.model_dump() == {"principal": 0, "bonus": 0, "silver": 0}
    assert view.model_dump(mode="json", by_alias=True)["externalPayment"] == {
        "provider": "MOCK_GATEWAY",
        "paymentIntentId": view.external_payment.payment_intent_id,
        "payableAmount": 238,
        "status": "PENDING",
        "externalTxnId": None,
        "confirmedAt": None,
    }
    assert view.external_payment.payment_intent_id.startswith("pi_")
    assert view.model_dump(mode="json", by_alias=True)["wallet"] == {
        "principal": 120,
        "bonus": 36,
        "silver": 88,
        "held": {"principal": 120, "bonus": 36, "silver": 88},
    }
    assert triple(row) == (12_000, 3_600, 8_800) == held(row)
    assert vouchers_of(row.merchant_id, row.customer_id) == {
        "voucher_soon": "HELD",
        "voucher_big": "ACTIVE",
    }
    assert balances(row.merchant_id) == before
    assert (triple(noise), held(noise)) == ((12_000, 3_600, 8_800), (0, 0, 0))


def test_it_leaves_a_row_an_entry_without_postings_an_audit_row_and_an_event(app):
    row = make_fixture_customer()
    view = ask(row, 500)
    answer = view.model_dump(mode="json", by_alias=True)
    with transaction(row.merchant_id) as session:
        stored = session.scalars(select(Payment)).one()
        entry = session.scalars(
            select(LedgerEntry).where(LedgerEntry.kind == "PAYMENT_PENDING")
        ).one()
        audited = session.scalars(select(AuditRow)).one()
        event = session.scalars(select(OutboxEvent)).one()
    assert (stored.id, stored.external_minor, stored.external_status) == (
        view.payment_txn_id,
        23_800,
        "PENDING",
    )
    assert stored.lots == lots_of(row.merchant_id, row.customer_id)
    half_an_hour = stored.hold_expires_at - stored.created_at
    assert abs(half_an_hour - timedelta(seconds=1800)) < timedelta(seconds=5)
    assert (entry.reference, entry.amount_minor) == (stored.id, 50_000)
    assert entry.id != stored.id
    assert entry.details["quote"] == answer["quote"] == stored.quote
    assert entry.details["externalPayment"] == answer["externalPayment"]
    assert (audited.action, audited.status, audited.details["orderAmount"]) == (
        "PAYMENT_VERIFY",
        "SUCCESS",
        500,
    )
    del event.payload["occurredAt"]
    assert (event.type, event.payload) == (
        "PAYMENT_VERIFIED",
        answer | {"userId": row.customer_id},
    )


def test_what_is_held_pays_for_nothing_else(app):
    row = make_fixture_customer()
    ask(row, 500)
    form = QuoteForm(user_id=row.customer_id, order_amount=Decimal(10))
    quoted = payments.quote(row.merchant_id, form)
    assert list(quoted.deduction.model_dump().values()) == [0, 0, 0, 0, 10]
    assert [(o.voucher.id, o.verdict) for o in quoted.voucher_options] == [
        ("voucher_big", "BELOW_MIN_SPEND")
    ]
    with pytest.raises(Conflict, match=r"^voucher cannot be used: another payment holds it$"):
        ask(row, 30, voucher_id="voucher_soon")


def test_what_is_free_beside_a_hold_can_be_spent_and_held(app):
    row = make_wallet(principal=1_000, silver=500)
    make_voucher(row.merchant_id, row.customer_id, "v", value=200)
    ask(row, 20)  # 2 voucher, 10 principal, 5 silver, 3 outside
    sent = TopUpForm(
        user_id=row.customer_id, amount=Decimal(7), bonus=Decimal("1.50"), method="CASH"
    )
    topped = wallets.top_up(row.merchant_id, sent, OWNER, keyed(sent, "t", OWNER))
    assert topped.wallet.model_dump(mode="json", by_alias=True) == {
        "principal": 17,
        "bonus": 1.5,
        "silver": 5,
        "held": {"principal": 10, "bonus": 0, "silver": 5},
    }
    paid = ask(row, 4)
    assert (paid.status, list(paid.quote.deduction.model_dump().values())) == (
        "PAID",
        [0, Decimal("1.5"), Decimal("2.5"), 0, 0],
    )
    waiting = ask(row, 10)
    assert list(waiting.quote.deduction.model_dump().values()) == [
        0,
        0,
        Decimal("4.5"),
        0,
        Decimal("5.5"),
    ]
    assert triple(row) == (1_450, 0, 500)
    assert held(row) == (1_450, 0, 500)


def test_bonus_is_held_in_the_lots_that_expire_first(app):
    row = make_wallet()
    soon = make_lot(
        row.merchant_id, row.customer_id, 300, expires_at=utc_now() + timedelta(hours=1)
    )
    never = make_lot(row.merchant_id, row.customer_id, 200)
    make_voucher(row.merchant_id, row.customer_id, "v", value=10)
    first, second = ask(row, 1, voucher_id="NONE"), ask(row, "9.90", voucher_id="NONE")
    assert (first.status, second.status) == ("PAID", "PENDING_EXTERNAL")
    with transaction(row.merchant_id) as session:
        stored = session.get_one(Payment, (row.merchant_id, second.payment_txn_id))
        spent = session.get_one(Payment, (row.merchant_id, first.payment_txn_id))
    assert stored.lots == {soon: 200, never: 200}
    assert spent.lots == {soon: 100}
    assert lots_of(row.merchant_id, row.customer_id) == {soon: 200, never: 200}


def test_a_repeat_answers_the_same_bytes_and_holds_once(app):
    row = make_fixture_customer()
    first, again = ask(row, 500, "k"), ask(row, 500, "k")
    assert (again.replayed, again.as_json()) == (True, first.as_json())
    assert held(row) == (12_000, 3_600, 8_800)


def test_waiting_takes_at_most_twelve_statements_that_were_compiled_before(app):
    def a_customer_with_everything():
        row = make_wallet(principal=1_000, silver=100)
        for minor in (20, 30, 40):
            make_lot(row.merchant_id, row.customer_id, minor)
        make_voucher(row.merchant_id, row.customer_id, value=50)
        return row

    ask(a_customer_with_everything(), 50)
    row = a_customer_with_everything()
    with watching() as seen:
        view = ask(row, 50)
    assert all(part > 0 for part in view.quote.deduction.model_dump().values())
    assert len(seen.statements) <= 12, seen.statements
    assert seen.compiled_anew == []


def test_a_customer_who_never_had_a_wallet_may_pay_all_of_it_outside(app):
    merchant_id = make_wallet().merchant_id
    fresh = make_customer(merchant_id)
    form = VerifyForm(user_id=fresh, order_amount=Decimal(8))
    with watching() as seen:
        view = payments.verify(merchant_id, form, CLERK, keyed(form, "k"))
    assert (view.status, view.quote.payable) == ("PENDING_EXTERNAL", 8)
    assert len(seen.statements) <= 12, seen.statements


def test_the_payment_says_what_is_held_until_when_and_what_can_be_done(app):
    row = make_fixture_customer()
    asked = ask(row, 500)
    seen = payments.payment(row.merchant_id, asked.payment_txn_id, CLERK)
    assert seen.status == "PENDING_EXTERNAL"
    assert seen.external_payment == asked.external_payment
    assert utc_now() < seen.hold_expires_at < utc_now() + timedelta(seconds=1801)
    assert seen.pay_url.endswith(f"/dev/gateway/pay/{row.merchant_id}/{asked.payment_txn_id}")
    assert list(seen.next_actions) == ["PAY_OUTSIDE", "CANCEL"]
    assert seen.postings == []
    own = payments.payment(row.merchant_id, asked.payment_txn_id, customer(row.customer_id))
    assert list(own.next_actions) == ["PAY_OUTSIDE"]


def test_a_payment_from_the_wallet_has_nothing_to_do_with_outside(app):
    row = make_fixture_customer()
    seen = payments.payment(row.merchant_id, ask(row, 52).payment_txn_id, CLERK)
    assert (seen.external_payment, seen.hold_expires_at, seen.pay_url) == (None, None, None)
    assert (seen.gateway_refunds, seen.next_actions) == ((), ())


def test_takings_count_what_is_paid_only(app):
    row = make_fixture_customer()
    ask(row, 52)
    ask(row, 500)
    assert (payments.today(row.merchant_id).count, payments.today(row.merchant_id).taken) == (1, 52)


def test_the_customers_page_shows_what_is_held(app):
    row = make_fixture_customer()
    ask(row, 200)  # 18 voucher, 36 bonus, 120 principal, 26 silver: covered
    ask(row, 100)  # 30 voucher, 62 silver, 8 outside
    seen = wallets.customer_detail(row.merchant_id, row.customer_id)
    assert seen.wallet.model_dump(mode="json", by_alias=True) == {
        "principal": 0,
        "bonus": 0,
        "silver": 62,
        "held": {"principal": 0, "bonus": 0, "silver": 62},
    }
    assert {v.id: v.status for v in seen.vouchers} == {
        "voucher_soon": "USED",
        "voucher_big": "HELD",
    }
    assert seen.ledger[0].type == "PAYMENT_PENDING"
    assert seen.ledger[0].postings == []
