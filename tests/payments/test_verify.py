"""Taking a payment: the contract's example, its traces, its refusals."""

from decimal import Decimal
from threading import Event

import pytest
from sqlalchemy import func, select, text

from mealquest.audit.models import AuditRow
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import Conflict, NotFound
from mealquest.core.idempotency import IdempotencyKey, KeyReused
from mealquest.core.outbox import OutboxEvent
from mealquest.payments import service as payments
from mealquest.payments.forms import VerifyForm
from mealquest.payments.models import Payment
from mealquest.wallet import service as wallets
from mealquest.wallet.domain import VoucherStatus
from mealquest.wallet.models import LedgerEntry
from tests.factories.customers import make_customer
from tests.factories.merchants import make_merchant
from tests.factories.requests import CLERK, OWNER, customer, keyed
from tests.factories.statements import watching
from tests.factories.threads import run_together
from tests.factories.wallet import (
    lots_of,
    make_fixture_customer,
    make_lot,
    make_voucher,
    make_wallet,
    vouchers_of,
    wallet_of,
)


def verify(row, amount, key="k", by=CLERK, voucher_id=None, merchant_id=None):
    form = VerifyForm.model_validate(
        {"userId": row.customer_id, "orderAmount": amount, "voucherId": voucher_id}
    )
    return payments.verify(merchant_id or row.merchant_id, form, by, keyed(form, key, by))


def balances(row) -> tuple[int, int, int]:
    after = wallet_of(row.merchant_id, row.customer_id)
    return after.principal_minor, after.bonus_minor, after.silver_minor


def rows_of(merchant_id: str) -> dict[str, int]:
    """How many rows of each kind a payment writes there are."""
    with transaction(merchant_id) as session:
        return {
            table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0
            for table in (Payment, LedgerEntry, AuditRow, OutboxEvent, IdempotencyKey)
        }


def test_the_contracts_order_of_52(app):
    row, noise = make_fixture_customer(), make_fixture_customer()

    view = verify(row, 52)

    assert view.status == "PAID"
    assert view.payment_txn_id.startswith("txn_")
    assert view.wallet.model_dump() == {
        "principal": 120,
        "bonus": 2,
        "silver": 88,
        "held": {"principal": 0, "bonus": 0, "silver": 0},
    }
    assert view.external_payment is None
    assert view.quote.deduction.model_dump() == {
        "voucher": 18,
        "bonus": 34,
        "principal": 0,
        "silver": 0,
        "external": 0,
    }
    assert view.wallet_scope.model_dump(by_alias=True) == {
        "walletShared": False,
        "walletMerchantId": row.merchant_id,
    }
    assert balances(row) == (12_000, 200, 8_800)
    assert vouchers_of(row.merchant_id, row.customer_id) == {
        "voucher_soon": VoucherStatus.USED,
        "voucher_big": VoucherStatus.ACTIVE,
    }
    assert balances(noise) == (12_000, 3_600, 8_800)
    assert rows_of(noise.merchant_id)["payments"] == 0


def test_a_payment_leaves_a_row_an_entry_an_audit_row_and_an_event(app):
    row = make_fixture_customer()
    view = verify(row, 52)
    answer = view.model_dump(mode="json", by_alias=True)
    with transaction(row.merchant_id) as session:
        paid = session.scalars(select(Payment)).one()
        entry = session.get_one(LedgerEntry, (row.merchant_id, view.payment_txn_id))
        audited = session.scalars(select(AuditRow)).one()
        event = session.scalars(select(OutboxEvent)).one()
        spent = session.execute(text("SELECT used_by FROM vouchers WHERE id = 'voucher_soon'"))
        assert spent.scalar_one() == paid.id == view.payment_txn_id
        sums = [
            wallets.balance_of(session, row.merchant_id, account)
            for account in (wallets.SALES, wallets.VOUCHERS)
        ]
    assert sums == [5_200, -1_800]
    assert (paid.order_minor, paid.voucher_minor, paid.bonus_minor) == (5_200, 1_800, 3_400)
    assert (paid.voucher_id, paid.taken_by, paid.refunded_minor) == (
        "voucher_soon",
        "staff_clerk",
        0,
    )
    assert paid.quote == entry.details["quote"] == answer["quote"]
    assert (entry.kind, entry.amount_minor, entry.reference) == ("PAYMENT", 5_200, paid.id)
    assert (audited.action, audited.status) == ("PAYMENT_VERIFY", "SUCCESS")
    assert (audited.role, audited.operator_id) == ("CLERK", "staff_clerk")
    assert audited.details == {
        "paymentTxnId": paid.id,
        "userId": row.customer_id,
        "orderAmount": 52,
    }
    assert event.type == "PAYMENT_VERIFIED"
    del event.payload["occurredAt"]
    assert event.payload == answer | {"userId": row.customer_id}


def test_all_tiers_are_emptied_in_their_order(app):
    row = make_wallet(principal=100, silver=70)
    later = make_lot(row.merchant_id, row.customer_id, 30)
    expired = make_lot(row.merchant_id, row.customer_id, 40, expires_at=utc_now())
    make_voucher(row.merchant_id, row.customer_id, "v", value=10)
    view = verify(row, "2.05")
    assert list(view.quote.deduction.model_dump().values()) == [
        Decimal(minor).scaleb(-2) for minor in (10, 30, 100, 65, 0)
    ]
    assert balances(row) == (0, 40, 5)  # the expired lot waits for its job
    assert view.wallet.bonus == 0
    assert lots_of(row.merchant_id, row.customer_id) == {later: 0, expired: 40}


def test_a_new_customer_pays_with_a_voucher_alone(app):
    row = make_wallet()
    fresh = make_customer(row.merchant_id)
    make_voucher(row.merchant_id, fresh, "gift", value=1_000)
    form = VerifyForm(user_id=fresh, order_amount=Decimal(8))
    with watching() as seen:
        view = payments.verify(row.merchant_id, form, CLERK, keyed(form, "k"))
    assert view.quote.voucher_forfeited == 2
    assert len(seen.statements) <= 12


def test_a_repeat_answers_the_same_bytes_and_takes_nothing(app):
    row = make_fixture_customer()
    first = verify(row, 52)
    written = rows_of(row.merchant_id)
    again = verify(row, 52)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.as_json() == first.as_json()
    assert rows_of(row.merchant_id) == written
    assert balances(row) == (12_000, 200, 8_800)


@pytest.mark.parametrize("other", [{"amount": 41}, {"amount": 52, "voucher_id": "NONE"}])
def test_a_key_is_good_for_one_request(app, other):
    row = make_fixture_customer()
    verify(row, 52)
    with pytest.raises(KeyReused) as refused:
        verify(row, **other)
    assert refused.value.reason == "IDEMPOTENCY_KEY_REUSED"
    assert balances(row) == (12_000, 200, 8_800)


def test_two_callers_may_use_the_same_key(app):
    row = make_fixture_customer()
    ids = {
        verify(row, 10, by=by).payment_txn_id for by in (CLERK, OWNER, customer(row.customer_id))
    }
    assert len(ids) == 3


def test_wrong_vouchers_are_refused_and_nothing_changes(app):
    row = make_fixture_customer()
    before = rows_of(row.merchant_id)
    with pytest.raises(NotFound, match=r"^voucher not found$"):
        verify(row, 52, voucher_id="nobodys")
    with pytest.raises(Conflict, match=r"^voucher cannot be used: the order is below"):
        verify(row, 10, voucher_id="voucher_big")
    assert rows_of(row.merchant_id) == before
    assert verify(row, 52, voucher_id="voucher_big").quote.deduction.voucher == 30
    with pytest.raises(Conflict, match=r"^voucher cannot be used: it was used before$"):
        verify(row, 52, "other", voucher_id="voucher_big")


def test_another_merchant_can_neither_see_nor_spend(app):
    row, stranger = make_fixture_customer(), make_wallet(principal=10_000)
    paid = verify(row, 52)
    with pytest.raises(NotFound, match=r"^user not found$"):
        verify(row, 1, merchant_id=stranger.merchant_id)
    with pytest.raises(NotFound, match=r"^payment not found$"):
        payments.payment(stranger.merchant_id, paid.payment_txn_id, OWNER)
    assert payments.recent(stranger.merchant_id, OWNER).items == []
    assert payments.today(stranger.merchant_id).count == 0
    assert balances(row) == (12_000, 200, 8_800)
    assert balances(stranger) == (10_000, 0, 0)


def test_one_person_at_two_merchants_has_two_wallets(app):
    row = make_wallet(principal=1_000)
    elsewhere = make_merchant()
    twin = make_wallet(elsewhere, make_customer(elsewhere, row.customer_id), principal=500)
    verify(row, 7)
    assert (balances(row)[0], balances(twin)[0]) == (300, 500)


# --- the road is short, and nobody stands in somebody else's way ----------------------------


def a_customer_who_uses_everything(row=None):
    row = row or make_wallet(principal=10_000)
    for minor in (20, 30, 40):
        make_lot(row.merchant_id, row.customer_id, minor)
    make_voucher(row.merchant_id, row.customer_id, value=50)
    return row


def test_a_payment_takes_at_most_twelve_statements_that_were_compiled_before(app):
    row = a_customer_who_uses_everything()
    verify(row, "2.50", "first")
    a_customer_who_uses_everything(row)
    with watching() as seen:
        view = verify(row, "2.50", "second")
    assert [part > 0 for part in view.quote.deduction.model_dump().values()][:3] == [True] * 3
    assert len(seen.statements) == 12, seen.statements
    assert seen.compiled_anew == []


def test_payments_of_one_merchants_customers_do_not_wait_for_each_other(app):
    """One payment is stopped just before its commit; another one finishes meanwhile."""
    first = a_customer_who_uses_everything()
    second = a_customer_who_uses_everything(make_wallet(first.merchant_id, principal=10_000))
    at_the_end, may_end = Event(), Event()

    def slow():
        with watching(hold) as seen:
            verify(first, "2.50", "slow")
        return len(seen.statements)

    def hold(statement: str) -> None:
        if statement.startswith("UPDATE idempotency_keys") and not at_the_end.is_set():
            at_the_end.set()
            assert may_end.wait(timeout=10)

    def quick():
        assert at_the_end.wait(timeout=10)
        try:
            return verify(second, "2.50", "quick", by=OWNER).status
        finally:
            may_end.set()

    outcome = run_together(app, [slow, quick])
    assert outcome[1] == "PAID", outcome


class Broken(Exception):
    pass


@pytest.mark.parametrize("step", range(2, 13))
def test_whatever_step_fails_nothing_has_happened_and_the_key_is_free(app, step):
    row = a_customer_who_uses_everything()
    before = rows_of(row.merchant_id), balances(row), lots_of(row.merchant_id, row.customer_id)
    sent = []

    def break_it(statement: str) -> None:
        sent.append(statement)
        if len(sent) == step:
            raise Broken

    with watching(break_it), pytest.raises(Broken):
        verify(row, "2.50")

    after = rows_of(row.merchant_id), balances(row), lots_of(row.merchant_id, row.customer_id)
    assert after == before
    assert set(vouchers_of(row.merchant_id, row.customer_id).values()) == {VoucherStatus.ACTIVE}
    view = verify(row, "2.50")
    assert (view.status, view.replayed) == ("PAID", False)
