"""Refunds against the numbers of the contract, and what a refund leaves behind."""

from decimal import Decimal

import pytest
from sqlalchemy import select, text

from mealquest.audit.models import AuditRow
from mealquest.core.db import transaction
from mealquest.core.outbox import OutboxEvent
from mealquest.payments import service as payments
from mealquest.payments.errors import (
    PaymentNotFound,
    PaymentNotSettled,
    PaymentUserMismatch,
    RefundTooLarge,
)
from mealquest.payments.models import GatewayRefund
from mealquest.payments.refund_forms import RefundForm
from mealquest.tenancy.domain import RefundPolicy
from mealquest.wallet import service as wallets
from tests.factories.merchants import make_merchant
from tests.factories.outside import ask, balances, pay, triple
from tests.factories.refunds import give_back
from tests.factories.requests import CLERK, MANAGER, keyed
from tests.factories.wallet import lots_of, make_fixture_customer, vouchers_of


def amounts(view) -> dict:
    return view.model_dump(mode="json", by_alias=True)


def settled(policy: RefundPolicy, order: int):
    """The customer of the contract's examples, and an order of theirs that is paid."""
    row = make_fixture_customer(make_merchant(refund_policy=policy))
    taken = ask(row, order)
    if taken.external_payment:
        pay(row, taken.payment_txn_id, taken.external_payment.payable_amount)
    return row, taken.payment_txn_id


def test_two_partial_refunds_with_clawback(app):
    row, payment = settled(RefundPolicy.CLAWBACK, 52)
    assert triple(row) == (12_000, 200, 8_800)

    first = amounts(give_back(row, payment, 20))
    assert first["parts"] == {
        "voucher": 6.92,
        "bonus": 13.08,
        "principal": 0,
        "silver": 0,
        "external": 0,
    }
    assert first["clawback"] == {"reclaimTarget": 13.08, "fromBonus": 2, "fromPrincipal": 11.08}
    assert (first["refundedAmount"], first["totalRefunded"]) == (20, 20)
    assert triple(row) == (12_200, 0, 8_800)
    assert vouchers_of(row.merchant_id, row.customer_id)["voucher_soon"] == "USED"

    second = amounts(give_back(row, payment, 32))
    assert second["parts"]["bonus"] == 20.92
    assert second["clawback"] == {"reclaimTarget": 20.92, "fromBonus": 0, "fromPrincipal": 20.92}
    assert second["totalRefunded"] == 52
    assert second["voucher"]["status"] == "ACTIVE"
    assert triple(row) == (12_200, 0, 8_800)
    assert vouchers_of(row.merchant_id, row.customer_id)["voucher_soon"] == "ACTIVE"
    with transaction(row.merchant_id) as session:
        assert wallets.budget_used(session, row.merchant_id) == 0


def test_restore_brings_back_what_was_there_before(app):
    row = make_fixture_customer(make_merchant(refund_policy=RefundPolicy.RESTORE))
    before = triple(row), lots_of(row.merchant_id, row.customer_id), balances(row.merchant_id)
    payment = ask(row, 52).payment_txn_id

    view = amounts(give_back(row, payment, 52))

    assert view["clawback"] == {"reclaimTarget": 0, "fromBonus": 0, "fromPrincipal": 0}
    assert (view["wallet"]["principal"], view["wallet"]["bonus"]) == (120, 36)
    after = triple(row), lots_of(row.merchant_id, row.customer_id), balances(row.merchant_id)
    assert after == before
    assert vouchers_of(row.merchant_id, row.customer_id) == {
        "voucher_soon": "ACTIVE",
        "voucher_big": "ACTIVE",
    }


def test_an_order_of_five_sources_goes_back_to_all_of_them(app):
    row, payment = settled(RefundPolicy.CLAWBACK, 500)
    assert triple(row) == (0, 0, 0)

    view = amounts(give_back(row, payment, 10))

    assert view["parts"] == {
        "voucher": 0.36,
        "bonus": 0.72,
        "principal": 2.4,
        "silver": 1.76,
        "external": 4.76,
    }
    assert view["clawback"] == {"reclaimTarget": 0.72, "fromBonus": 0, "fromPrincipal": 0.72}
    assert triple(row) == (240, 0, 176)
    books = balances(row.merchant_id)
    assert books["merchant:sales"] == 49_000
    assert books["merchant:due_back"] == 476
    assert books["merchant:vouchers"] == -1_764
    with transaction(row.merchant_id) as session:
        sent = session.scalars(select(GatewayRefund)).one()
    assert (sent.amount_minor, sent.state) == (476, "PENDING")
    assert (sent.id, sent.refund_id) == (view["gatewayRefundId"], view["refundTxnId"])


def test_what_is_said_about_a_refund(app):
    row, payment = settled(RefundPolicy.CLAWBACK, 52)
    view = give_back(row, payment, 20, by=MANAGER)
    with transaction(row.merchant_id) as session:
        audit = session.scalars(select(AuditRow).where(AuditRow.action == "PAYMENT_REFUND")).one()
        event = session.scalars(
            select(OutboxEvent).where(OutboxEvent.type == "PAYMENT_REFUNDED")
        ).one()
    assert audit.details == {
        "paymentTxnId": payment,
        "refundTxnId": view.refund_txn_id,
        "refundAmount": 20,
    }
    assert amounts(view).items() <= event.payload.items()
    assert event.payload["userId"] == row.customer_id

    shown = payments.payment(row.merchant_id, payment, MANAGER)
    assert [r.refund_txn_id for r in shown.refunds] == [view.refund_txn_id]
    assert shown.refunds[0].refunded_by == "staff_manager"
    assert (shown.refunded_amount, shown.refundable_amount) == (20, 32)
    assert "REFUND" in shown.next_actions
    assert "REFUND" not in payments.payment(row.merchant_id, payment, CLERK).next_actions
    assert sum(p.amount for p in shown.postings if p.source == "merchant:sales") == 20


def test_what_cannot_be_given_back(app):
    row, payment = settled(RefundPolicy.CLAWBACK, 52)
    other = make_fixture_customer()
    waiting = ask(other, 900).payment_txn_id

    def asking(merchant_id, payment_id, amount, **more):
        form = RefundForm(payment_txn_id=payment_id, refund_amount=Decimal(amount), **more)
        payments.refund(merchant_id, form, MANAGER, keyed(form, "k", MANAGER))

    with pytest.raises(RefundTooLarge, match=r"^refundAmount exceeds available amount$"):
        asking(row.merchant_id, payment, "52.01")
    with pytest.raises(PaymentUserMismatch, match=r"^payment user mismatch$"):
        asking(row.merchant_id, payment, "5", user_id="u_else")
    with pytest.raises(PaymentNotFound, match=r"^payment not found$"):
        asking(other.merchant_id, payment, "5")
    with pytest.raises(PaymentNotSettled, match=r"^payment is not settled$"):
        asking(other.merchant_id, waiting, "5")
    assert triple(row) == (12_000, 200, 8_800)
    asking(row.merchant_id, payment, "5", user_id=row.customer_id)  # the key is still good


def test_bonus_whose_time_is_over_comes_back_and_expires_again(app):
    row, payment = settled(RefundPolicy.RESTORE, 52)
    with transaction(row.merchant_id) as session:
        session.execute(text("UPDATE bonus_lots SET expires_at = now() - interval '1 second'"))
        session.execute(text("UPDATE vouchers SET expires_at = now() - interval '1 second'"))
    view = give_back(row, payment, 52)
    assert view.voucher.status == "EXPIRED"
    assert view.wallet.bonus == 0  # what is over is not shown as something to spend
    assert triple(row)[1] == 3_600
    wallets.expire_due()
    assert triple(row) == (12_000, 0, 8_800)
    assert balances(row.merchant_id)["merchant:breakage"] == 3_600
    assert vouchers_of(row.merchant_id, row.customer_id)["voucher_soon"] == "EXPIRED"
