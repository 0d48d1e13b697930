"""What the gateway reports, in every order it may arrive, and what becomes of the money."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text

from mealquest.audit.models import AuditRow
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import Conflict, Invalid, NotFound
from mealquest.core.idempotency import KeyReused
from mealquest.core.outbox import OutboxEvent
from mealquest.identity.models import Customer
from mealquest.payments import service as payments
from mealquest.payments.forms import PaymentsForm
from mealquest.payments.models import GatewayRefund, PaidAgain, Payment
from mealquest.wallet import service as wallets
from mealquest.wallet.models import LedgerEntry
from tests.factories.merchants import make_merchant
from tests.factories.outside import (
    ask,
    balances,
    expire,
    fail,
    held,
    let_time_pass,
    pay,
    told,
    triple,
)
from tests.factories.requests import CLERK, OWNER, customer
from tests.factories.wallet import (
    lots_of,
    make_fixture_customer,
    make_lot,
    make_wallet,
    vouchers_of,
)

NOTHING = (0, 0, 0)


def state(row, payment_id: str) -> str:
    return payments.payment(row.merchant_id, payment_id, CLERK).status


def rows(row) -> dict[str, int]:
    """Of everything that a callback may write."""
    with transaction(row.merchant_id) as session:
        return {
            table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0
            for table in (LedgerEntry, AuditRow, OutboxEvent, GatewayRefund, PaidAgain)
        }


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


@pytest.fixture
def row(app):
    make_fixture_customer()  # noise: a shop whose rows have the same voucher ids
    return make_fixture_customer()


@pytest.fixture
def order(row) -> str:
    """18 voucher, 36 bonus, 120 principal and 88 change held, 238 asked for outside."""
    return ask(row, 500).payment_txn_id


# --- the money comes ----------------------------------------------------------------------


def test_the_money_comes_and_every_part_is_taken(row, order):
    before = rows(row)
    view = pay(row, order, 238)
    assert view.status == "PAID"
    outside = view.external_payment
    assert (outside.status, outside.external_txn_id) == ("CONFIRMED", "ext_1")
    assert abs(outside.confirmed_at - utc_now()) < timedelta(seconds=30)
    assert view.wallet.model_dump(mode="json") == {
        "principal": 0,
        "bonus": 0,
        "silver": 0,
        "held": {"principal": 0, "bonus": 0, "silver": 0},
    }
    assert view.wallet_scope.wallet_merchant_id == row.merchant_id
    assert (triple(row), held(row)) == (NOTHING, NOTHING)
    assert vouchers_of(row.merchant_id, row.customer_id)["voucher_soon"] == "USED"
    assert set(lots_of(row.merchant_id, row.customer_id).values()) == {0}
    assert balances(row.merchant_id) == {
        "opening": -24_400,
        "merchant:vouchers": -1_800,
        "outside:gateway": -23_800,
        "merchant:sales": 50_000,
    }
    assert grown(before, rows(row)) == {"ledger_entries": 1, "audit_log": 1, "outbox_events": 1}


def test_it_leaves_an_entry_an_audit_row_and_an_event(row, order):
    view = pay(row, order, 238)
    with transaction(row.merchant_id) as session:
        entry = session.scalars(
            select(LedgerEntry).where(LedgerEntry.kind == "PAYMENT_EXTERNAL_CONFIRM")
        ).one()
        audited = session.scalars(
            select(AuditRow).where(AuditRow.action == "PAYMENT_CALLBACK")
        ).one()
        event = session.scalars(select(OutboxEvent).order_by(OutboxEvent.id.desc())).first()
    assert (entry.reference, entry.amount_minor) == (order, 23_800)
    assert entry.details == {"paymentTxnId": order, "externalTxnId": "ext_1"}
    assert (audited.status, audited.role, audited.operator_id) == (
        "SUCCESS",
        "SYSTEM",
        "payment_gateway",
    )
    assert audited.details == {
        "paymentTxnId": order,
        "externalTxnId": "ext_1",
        "callbackStatus": "SUCCESS",
    }
    del event.payload["occurredAt"]
    answer = view.model_dump(mode="json", by_alias=True)
    assert (event.type, event.payload) == ("PAYMENT_VERIFIED", answer | {"userId": row.customer_id})


def test_the_payment_then_shows_every_posting(row, order):
    pay(row, order, 238)
    seen = payments.payment(row.merchant_id, order, CLERK)
    assert [(p.source.rpartition(":")[2], p.amount) for p in seen.postings] == [
        ("vouchers", 18),
        ("bonus", 36),
        ("principal", 120),
        ("silver", 88),
        ("gateway", 238),
    ]
    assert (seen.hold_expires_at, seen.pay_url, seen.next_actions) == (None, None, ())


@pytest.mark.parametrize("word", ["success", "Success", "SUCCESS"])
def test_success_may_be_written_as_one_likes(row, order, word):
    assert pay(row, order, 238, status=word).status == "PAID"


@pytest.mark.parametrize("amount", [238, "238.00", 238.0, Decimal("238.00")])
def test_the_sum_may_be_written_as_one_likes(row, order, amount):
    assert pay(row, order, amount).status == "PAID"


def test_takings_count_it_from_then_on(row, order):
    pay(row, order, 238)
    assert (payments.today(row.merchant_id).count, payments.today(row.merchant_id).taken) == (
        1,
        500,
    )


# --- it does not come ---------------------------------------------------------------------


@pytest.mark.parametrize("status", ["FAILED", "failed", "CLOSED", "REVERSED"])
def test_anything_but_success_releases_the_hold(row, order, status):
    before = rows(row)
    view = payments.callback(told(row, order, status=status))
    assert view.status == "EXTERNAL_FAILED"
    assert (view.external_payment.status, view.external_payment.external_txn_id) == (
        "FAILED",
        "ext_1",
    )
    assert view.external_payment.confirmed_at is not None
    assert (triple(row), held(row)) == ((12_000, 3_600, 8_800), NOTHING)
    assert vouchers_of(row.merchant_id, row.customer_id)["voucher_soon"] == "ACTIVE"
    assert grown(before, rows(row)) == {"audit_log": 1, "outbox_events": 1}
    with transaction(row.merchant_id) as session:
        audited = session.scalars(
            select(AuditRow).where(AuditRow.action == "PAYMENT_CALLBACK")
        ).one()
        event = session.scalars(select(OutboxEvent).order_by(OutboxEvent.id.desc())).first()
    assert (audited.status, audited.details["callbackStatus"]) == ("FAILED", status)
    assert (event.type, event.payload["status"]) == ("PAYMENT_VERIFIED", "EXTERNAL_FAILED")
    assert ask(row, 52).status == "PAID"


@pytest.mark.parametrize("amount", [None, 0, 238, 7])
def test_a_failure_may_come_with_any_sum(row, order, amount):
    assert fail(row, order, paidAmount=amount).status == "EXTERNAL_FAILED"


@pytest.mark.parametrize("amount", ["237.99", "238.01", 0, 500, None])
def test_another_sum_settles_nothing_and_is_remembered(row, order, amount):
    before = rows(row)
    with pytest.raises(Invalid, match=r"^paidAmount mismatch$") as refused:
        pay(row, order, amount, callbackId="cb")
    assert refused.value.reason == "PAID_AMOUNT_MISMATCH"
    assert state(row, order) == "PENDING_EXTERNAL"
    assert held(row) == (12_000, 3_600, 8_800)
    assert grown(before, rows(row)) == {"audit_log": 1}
    with transaction(row.merchant_id) as session:
        audited = session.scalars(
            select(AuditRow).where(AuditRow.action == "PAYMENT_CALLBACK")
        ).one()
    assert (audited.status, audited.details["error"]) == ("FAILED", "paidAmount mismatch")
    assert pay(row, order, 238, callbackId="cb").status == "PAID"  # its id was not used up


# --- who is asked about -------------------------------------------------------------------


def test_a_payment_of_another_shop_is_not_found(row, order):
    stranger = make_fixture_customer()
    for merchant_id, payment_id in ((stranger.merchant_id, order), (row.merchant_id, "txn_none")):
        with pytest.raises(NotFound, match=r"^payment not found$"):
            pay(row, payment_id, 238, merchantId=merchant_id)
    with pytest.raises(NotFound, match=r"^merchant not found$"):
        pay(row, order, 238, merchantId="m_nobody")
    assert state(row, order) == "PENDING_EXTERNAL"


def test_a_payment_from_the_wallet_waits_for_no_callback(row):
    paid = ask(row, 52).payment_txn_id
    for status in ("SUCCESS", "FAILED"):
        with pytest.raises(
            Invalid, match=r"^payment is not waiting for external callback$"
        ) as refused:
            pay(row, paid, 0, status=status)
        assert refused.value.reason == "PAYMENT_NOT_EXTERNAL"
    assert state(row, paid) == "PAID"


# --- repeated, late and in another order --------------------------------------------------


def test_a_repeat_answers_the_same_bytes_and_settles_once(row, order):
    form = told(row, order, 238)
    first = payments.callback(form)
    before = rows(row)
    again = payments.callback(form)
    assert (again.replayed, again.as_json()) == (True, first.as_json())
    assert grown(before, rows(row)) == {}
    with pytest.raises(KeyReused):
        payments.callback(told(row, order, status="FAILED", callbackId=form.callback_id))


@pytest.mark.parametrize("ids", [{"callbackId": None}, {"callbackId": "", "externalTxnId": ""}])
def test_without_an_id_of_its_own_a_report_is_known_by_what_it_says(row, order, ids):
    failed = fail(row, order, **ids)
    assert fail(row, order, **ids).as_json() == failed.as_json()
    paid = pay(row, order, 238, **ids)
    assert paid.status == "PAID"
    assert pay(row, order, 238, **ids).as_json() == paid.as_json()


def test_two_payments_may_be_reported_under_one_external_id(row):
    other = make_wallet(row.merchant_id)
    for who in (row, other):
        asked = ask(who, 300, voucher_id="NONE")
        view = pay(who, asked.payment_txn_id, asked.quote.payable, callbackId=None)
        assert view.status == "PAID"


@pytest.mark.parametrize("second", ["SUCCESS", "FAILED"])
def test_after_it_is_paid_nothing_changes_any_more(row, order, second):
    first = pay(row, order, 238)
    before, books = rows(row), balances(row.merchant_id)
    view = pay(row, order, 238, status=second, externalTxnId="ext_2")
    assert (view.status, view.external_payment) == ("PAID", first.external_payment)
    assert balances(row.merchant_id) == books
    again = {"payments_paid_again": 1} if second == "SUCCESS" else {}
    assert grown(before, rows(row)) == {"audit_log": 1} | again  # what was said, and no event


def test_whoever_runs_the_shop_is_told_of_a_payment_that_was_paid_twice(row, order):
    other = ask(row, 500).payment_txn_id
    for number in ("ext_1", "ext_1", "ext_2", "ext_2", "ext_3"):  # the last two are other money
        pay(row, order, 238, externalTxnId=number, callbackId=None)

    def told(by):
        return payments.payment(row.merchant_id, order, by).paid_again

    assert told(OWNER) == ("ext_2", "ext_3")
    assert told(customer(row.customer_id)) == ()
    assert payments.desk(row.merchant_id).attention.paid_again == 1
    wanted = PaymentsForm.model_validate({"paidAgain": "yes"})
    listed = payments.listed(row.merchant_id, wanted, OWNER).items
    assert [one.payment_txn_id for one in listed] == [order]
    assert payments.payment(row.merchant_id, other, OWNER).paid_again == ()


def test_another_failure_changes_nothing(row, order):
    first = fail(row, order)
    before = rows(row)
    assert fail(row, order).external_payment == first.external_payment
    assert grown(before, rows(row)) == {"audit_log": 1}


def test_success_after_failure_takes_the_parts_after_all(row, order):
    fail(row, order)
    view = pay(row, order, 238)
    assert (view.status, view.external_payment.status) == ("PAID", "CONFIRMED")
    assert (triple(row), held(row)) == (NOTHING, NOTHING)
    assert vouchers_of(row.merchant_id, row.customer_id)["voucher_soon"] == "USED"
    assert balances(row.merchant_id)["merchant:sales"] == 50_000


def test_success_after_expiry_takes_the_parts_after_all_from_whatever_lots_have_them(row, order):
    lot = next(iter(lots_of(row.merchant_id, row.customer_id)))
    expire(row, order)
    sooner = make_lot(
        row.merchant_id, row.customer_id, 1_000, expires_at=utc_now() + timedelta(hours=1)
    )
    assert pay(row, order, 238).status == "PAID"
    assert lots_of(row.merchant_id, row.customer_id) == {sooner: 0, lot: 1_000}
    with transaction(row.merchant_id) as session:
        assert session.get_one(Payment, (row.merchant_id, order)).lots == {
            sooner: 1_000,
            lot: 2_600,
        }


def test_success_after_the_hold_ran_out_but_before_the_job_captures_it(row, order):
    let_time_pass(row, order)
    assert pay(row, order, 238).status == "PAID"
    assert payments.expire_due() == 0
    assert state(row, order) == "PAID"


def spend_some(row) -> None:
    assert ask(row, 5, voucher_id="NONE").status == "PAID"


def use_the_voucher(row) -> None:
    assert ask(row, 18, voucher_id="voucher_soon").status == "PAID"


def hold_the_voucher(row) -> None:
    bare = ask(row, 400, voucher_id="voucher_soon")
    assert bare.status == "PENDING_EXTERNAL"


def hold_the_money(row) -> None:
    assert ask(row, 400, voucher_id="NONE").status == "PENDING_EXTERNAL"


def let_the_voucher_expire(row) -> None:
    with transaction(row.merchant_id) as session:
        session.execute(text("UPDATE vouchers SET expires_at = now() WHERE id = 'voucher_soon'"))


def let_the_bonus_expire(row) -> None:
    with transaction(row.merchant_id) as session:
        session.execute(text("UPDATE bonus_lots SET expires_at = now()"))


@pytest.mark.parametrize("end", [fail, expire])
@pytest.mark.parametrize(
    "meanwhile",
    [
        spend_some,
        use_the_voucher,
        hold_the_voucher,
        hold_the_money,
        let_the_voucher_expire,
        let_the_bonus_expire,
    ],
)
def test_late_money_goes_back_when_a_part_is_gone(row, order, end, meanwhile):
    end(row, order)
    meanwhile(row)
    had, kept = triple(row), held(row)

    view = pay(row, order, 238)

    assert (view.status, view.external_payment.status) == ("EXTERNAL_REFUND_DUE", "CONFIRMED")
    assert (triple(row), held(row)) == (had, kept)
    books = balances(row.merchant_id)
    assert (books["outside:gateway"], books["merchant:due_back"]) == (-23_800, 23_800)
    with transaction(row.merchant_id) as session:
        refund = session.scalars(select(GatewayRefund)).one()
        event = session.scalars(select(OutboxEvent).order_by(OutboxEvent.id.desc())).first()
    assert (refund.payment_id, refund.amount_minor, refund.state, refund.external_txn_id) == (
        order,
        23_800,
        "PENDING",
        "ext_1",
    )
    assert (event.type, event.payload["status"]) == ("PAYMENT_VERIFIED", "EXTERNAL_REFUND_DUE")


def test_more_late_money_is_owed_back_once(row, order):
    payments.cancel(row.merchant_id, order, OWNER)
    pay(row, order, 238)
    before = rows(row)
    assert pay(row, order, 238).status == "EXTERNAL_REFUND_DUE"
    assert fail(row, order).status == "EXTERNAL_REFUND_DUE"
    assert grown(before, rows(row)) == {"audit_log": 2}


def test_money_after_staff_gave_it_up_always_goes_back(row, order):
    payments.cancel(row.merchant_id, order, CLERK)
    view = pay(row, order, 238)
    assert view.status == "EXTERNAL_REFUND_DUE"
    assert triple(row) == (12_000, 3_600, 8_800)
    seen = payments.payment(row.merchant_id, order, CLERK)
    assert [(r.state, r.amount, r.attempts) for r in seen.gateway_refunds] == [("PENDING", 238, 0)]
    assert [(p.source, p.destination) for p in seen.postings] == [
        ("outside:gateway", "merchant:due_back")
    ]


def test_a_failure_after_staff_gave_it_up_changes_nothing(row, order):
    payments.cancel(row.merchant_id, order, CLERK)
    assert fail(row, order).status == "CANCELLED"


# --- what happens to the parts while they are held ----------------------------------------


def test_a_voucher_that_expires_while_it_is_held_still_pays(row, order):
    let_the_voucher_expire(row)
    wallets.expire_due()
    assert vouchers_of(row.merchant_id, row.customer_id)["voucher_soon"] == "HELD"
    assert pay(row, order, 238).status == "PAID"
    assert vouchers_of(row.merchant_id, row.customer_id)["voucher_soon"] == "USED"


def test_a_voucher_that_expired_while_it_was_held_is_gone_after_the_release(row, order):
    let_the_voucher_expire(row)
    fail(row, order)
    wallets.expire_due()
    assert vouchers_of(row.merchant_id, row.customer_id)["voucher_soon"] == "EXPIRED"


def test_bonus_that_expires_while_it_is_held_still_pays(row, order):
    let_the_bonus_expire(row)
    assert wallets.expire_due() == 0
    assert pay(row, order, 238).status == "PAID"
    assert "merchant:breakage" not in balances(row.merchant_id)


def test_bonus_that_expired_while_it_was_held_is_swept_after_the_release(row, order):
    let_the_bonus_expire(row)
    view = fail(row, order)
    assert (view.wallet.bonus, triple(row)) == (0, (12_000, 3_600, 8_800))
    assert [wallets.expire_due(), wallets.expire_due()] == [1, 0]
    assert triple(row) == (12_000, 0, 8_800)
    assert balances(row.merchant_id)["merchant:breakage"] == 3_600


def test_a_customer_who_left_meanwhile_is_settled_like_everybody(row, order):
    other = ask(row, 400, voucher_id="voucher_big").payment_txn_id
    with transaction(row.merchant_id) as session:
        session.execute(
            text("UPDATE customers SET deleted_at = now() WHERE id = :id"), {"id": row.customer_id}
        )
        assert session.get_one(Customer, (row.merchant_id, row.customer_id)).deleted_at
    assert pay(row, order, 238).status == "PAID"
    assert payments.cancel(row.merchant_id, other, OWNER).status == "CANCELLED"
    assert held(row) == NOTHING


def test_late_money_of_a_customer_who_left_goes_back(row, order):
    let_time_pass(row, order)
    assert payments.expire_due() == 1
    with transaction(row.merchant_id) as session:
        session.execute(
            text("UPDATE customers SET deleted_at = now() WHERE id = :id"), {"id": row.customer_id}
        )
    before = triple(row)
    assert pay(row, order, 238).status == "EXTERNAL_REFUND_DUE"
    assert triple(row) == before


# --- giving up ----------------------------------------------------------------------------


def test_giving_up_frees_everything_and_is_written_down(row, order):
    view = payments.cancel(row.merchant_id, order, CLERK)
    assert (view.status, view.external_payment.status, view.external_payment.confirmed_at) == (
        "CANCELLED",
        "FAILED",
        None,
    )
    assert view.wallet.held.principal == 0
    assert (triple(row), held(row)) == ((12_000, 3_600, 8_800), NOTHING)
    assert vouchers_of(row.merchant_id, row.customer_id)["voucher_soon"] == "ACTIVE"
    with transaction(row.merchant_id) as session:
        audited = session.scalars(select(AuditRow).where(AuditRow.action == "PAYMENT_CANCEL")).one()
        event = session.scalars(select(OutboxEvent).order_by(OutboxEvent.id.desc())).first()
    assert (audited.operator_id, audited.details) == (
        "staff_clerk",
        {"paymentTxnId": order, "userId": row.customer_id},
    )
    assert (event.type, event.payload["userId"]) == ("PAYMENT_CANCELLED", row.customer_id)


def test_giving_up_twice_gives_up_once(row, order):
    payments.cancel(row.merchant_id, order, CLERK)
    before = rows(row)
    assert payments.cancel(row.merchant_id, order, CLERK).status == "CANCELLED"
    assert rows(row) == before


@pytest.mark.parametrize("end", [lambda row, id_: pay(row, id_, 238), fail, expire])
def test_what_has_ended_cannot_be_given_up(row, order, end):
    end(row, order)
    ended = state(row, order)
    with pytest.raises(Conflict, match=r"^payment is not waiting any more$") as refused:
        payments.cancel(row.merchant_id, order, CLERK)
    assert refused.value.reason == "PAYMENT_NOT_WAITING"
    assert state(row, order) == ended


def test_another_shop_can_neither_give_up_nor_see(row, order):
    stranger = make_merchant()
    for act in (payments.cancel, payments.payment):
        with pytest.raises(NotFound, match=r"^payment not found$"):
            act(stranger, order, OWNER)
    assert held(row) == (12_000, 3_600, 8_800)


# --- time runs out ------------------------------------------------------------------------


def test_a_hold_lives_until_its_time_and_no_longer(row, order):
    other = ask(make_wallet(), 5)
    assert payments.expire_due() == 0
    expire(row, order)
    seen = payments.payment(row.merchant_id, order, CLERK)
    assert (seen.status, seen.external_payment.status, seen.external_payment.confirmed_at) == (
        "EXTERNAL_EXPIRED",
        "FAILED",
        None,
    )
    assert (triple(row), held(row)) == ((12_000, 3_600, 8_800), NOTHING)
    assert vouchers_of(row.merchant_id, row.customer_id)["voucher_soon"] == "ACTIVE"
    with transaction(row.merchant_id) as session:
        audited = session.scalars(select(AuditRow).where(AuditRow.action == "PAYMENT_EXPIRE")).one()
        event = session.scalars(select(OutboxEvent).order_by(OutboxEvent.id.desc())).first()
    assert (audited.role, audited.details["paymentTxnId"]) == ("SYSTEM", order)
    assert event.type == "PAYMENT_EXPIRED"
    assert other.status == "PENDING_EXTERNAL"
    assert payments.expire_due() == 0


def test_one_hold_that_cannot_be_released_does_not_stop_the_others(row, order):
    fine = make_fixture_customer()
    other = ask(fine, 500).payment_txn_id
    with transaction(row.merchant_id) as session:
        session.execute(text("UPDATE wallets SET held_silver_minor = 0"))  # as a defect would
    for who, payment_id in ((row, order), (fine, other)):
        let_time_pass(who, payment_id)
    assert payments.expire_due() == 1
    assert (state(row, order), state(fine, other)) == ("PENDING_EXTERNAL", "EXTERNAL_EXPIRED")
    assert payments.has_due()
