"""Every refund after the invoice has a credit note, once; the papers sum to what was kept."""

from functools import partial

import pytest
from sqlalchemy import text

from jobs import outbox as relay
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.outbox import Event
from mealquest.invoices import service as invoices
from tests.factories.forging import as_owner_of
from tests.factories.outside import ask
from tests.factories.threads import run_together
from tests.factories.wallet import make_wallet
from tests.invoices.conftest import everything, issue, look, refund
from tests.invoices.test_issue import audited, unsound


def kept(row, payment_id: str) -> int:
    """The order less its refunds, minor units."""
    with transaction(row.merchant_id) as session:
        left = text("SELECT order_minor - refunded_minor FROM payments WHERE id = :id")
        return session.execute(left, {"id": payment_id}).scalar_one()


def on_paper(row) -> int:
    return sum(int(found.amount * 100) for found in everything(row))


def heard_again(row, payment_id: str, refund_id: str) -> None:
    payload = {"refundTxnId": refund_id, "paymentTxnId": payment_id}
    invoices.credit(Event(row.merchant_id, "evt_1", "PAYMENT_REFUNDED", payload, utc_now()))


def test_a_refund_brings_a_credit_note_that_names_the_invoice(row, payment):
    issued = issue(row, payment, title="Acme Ltd", email="a@example.org")
    refund_id = refund(row, payment, 20)

    note = look(row, "CRN000001")
    assert (note.kind, note.corrects_invoice_no) == ("CREDIT_NOTE", issued.invoice_no)
    assert (note.amount, note.order_amount, note.refund_txn_id) == (-20, 20, refund_id)
    assert float(note.deduction.voucher) == 6.92
    assert float(note.deduction.bonus) == 13.08
    assert (note.title, note.verified) == ("Acme Ltd", True)
    assert [known.invoice_no for known in look(row, issued.invoice_no).credit_notes] == [
        "CRN000001"
    ]
    assert audited(row, "CREDIT_NOTE_ISSUE") == [
        {
            "paymentTxnId": payment,
            "invoiceNo": issued.invoice_no,
            "creditNoteNo": "CRN000001",
            "refundTxnId": refund_id,
            "amount": -20,
        }
    ]
    assert look(row, issued.invoice_no).amount == 52


def test_the_news_of_a_refund_may_come_again_at_once_and_later(app, row, payment):
    issue(row, payment)
    refund_id = refund(row, payment, 20, told=False)

    run_together(app, [lambda: heard_again(row, payment, refund_id)] * 6)
    relay.relay()

    assert [found.invoice_no for found in everything(row)] == ["CRN000001", "INV000001"]
    assert unsound(row) == []


def test_a_refund_that_the_invoice_took_off_has_none(row, payment):
    before = refund(row, payment, 20, told=False)
    issue(row, payment)
    relay.relay()
    heard_again(row, payment, before)
    assert [found.kind for found in everything(row)] == ["INVOICE"]


def test_a_payment_without_an_invoice_has_none(row, payment):
    refund(row, payment, 20)
    assert everything(row) == []


@pytest.mark.parametrize("_", range(3))
def test_whatever_comes_first_the_papers_sum_to_what_the_shop_kept(app, _):
    row = make_wallet(principal=5_000)
    paid = ask(row, 50, voucher_id="NONE").payment_txn_id
    slices = [partial(refund, row, paid, amount, told=False) for amount in (1, 2, 3, 4)]

    run_together(app, [*slices[:2], lambda: issue(row, paid), *slices[2:], relay.relay])
    relay.relay()

    assert kept(row, paid) == 4_000
    assert on_paper(row) == 4_000
    assert unsound(row) == []


def test_a_refund_whose_news_was_lost_is_found_and_mended(app, row, payment):
    issue(row, payment)
    refund_id = refund(row, payment, 20, told=False)
    assert unsound(row) == []  # not yet: the relay may still bring it
    with as_owner_of(app, "outbox_events", "refunds") as owner:
        owner.execute("DELETE FROM outbox_events")
        owner.execute("UPDATE refunds SET created_at = now() - interval '2 hours'")

    (check,) = (check for check in invoices.CHECKS if check.name == "invoices_refunds")
    (finding,) = check.find(row.merchant_id)

    assert (finding.about, check.fix(finding)) == (refund_id, "the credit note is written")
    assert [found.amount for found in everything(row)] == [-20, 52]
    assert unsound(row) == []
