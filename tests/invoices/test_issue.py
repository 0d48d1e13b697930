"""One invoice for a settled payment, net of refunds, under a number of its own."""

from decimal import Decimal

import pytest
from sqlalchemy import select

from mealquest.audit.models import AuditRow
from mealquest.core.db import transaction
from mealquest.core.errors import Invalid, NotFound
from mealquest.invoices import service as invoices
from tests.factories.forging import as_owner_of
from tests.factories.outside import ask, expire, pay
from tests.factories.threads import run_together
from tests.factories.wallet import make_fixture_customer, make_wallet
from tests.invoices.conftest import everything, issue, look, refund


def audited(row, action: str) -> list[dict]:
    with transaction(row.merchant_id) as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.action == action))
        return [found.details for found in rows]


def unsound(row) -> list[str]:
    """What the doctor would find, in words."""
    found = [finding for check in invoices.CHECKS for finding in check.find(row.merchant_id)]
    return [f"{finding.about} {finding.what}" for finding in found]


def test_it_says_what_was_paid_and_by_what(row, payment):
    issued = issue(row, payment, title="Acme Ltd", tax_no="DE 1", email="a@example.org")

    assert issued.invoice_no == "INV000001"
    assert (issued.amount, issued.order_amount, issued.refunded_amount) == (52, 52, 0)
    assert (issued.title, issued.tax_no, issued.email) == ("Acme Ltd", "DE 1", "a@example.org")
    assert (issued.status, issued.kind) == ("ISSUED", "INVOICE")
    assert (issued.user_id, issued.payment_txn_id) == (row.customer_id, payment)
    assert (issued.deduction.voucher, issued.deduction.bonus) == (18, 34)
    assert audited(row, "INVOICE_ISSUE") == [{"paymentTxnId": payment, "invoiceNo": "INV000001"}]
    assert look(row, "INV000001").verified


def test_a_second_call_answers_the_first_invoice_unchanged(row, payment):
    first = issue(row, payment, title="Acme Ltd")
    refund(row, payment, 10)

    again = issue(row, payment, title="Somebody else", email="b@example.org")

    assert again == first
    assert len(audited(row, "INVOICE_ISSUE")) == 1
    assert look(row, first.invoice_no).mails == []


def test_without_a_title_it_is_called_as_the_contract_calls_it(row, payment):
    assert issue(row, payment, title="  ").title == "MealQuest Order"


def test_it_is_net_of_what_went_back_before(row, payment):
    refund(row, payment, 20)
    issued = issue(row, payment)

    assert (issued.order_amount, issued.refunded_amount, issued.amount) == (52, 20, 32)
    assert [found.kind for found in everything(row)] == ["INVOICE"]


def test_a_payment_that_was_given_back_whole_has_an_invoice_over_nothing(row, payment):
    refund(row, payment, 52)
    assert issue(row, payment).amount == 0


def test_what_waits_or_was_never_paid_has_none(row):
    waiting = ask(row, 500).payment_txn_id
    with pytest.raises(Invalid, match=r"^payment is not settled$"):
        issue(row, waiting)
    expire(row, waiting)
    with pytest.raises(Invalid, match=r"^payment is not settled$"):
        issue(row, waiting)
    assert everything(row) == []


def test_what_was_paid_from_outside_in_the_end_has_one(row):
    waiting = ask(row, 500).payment_txn_id
    pay(row, waiting, 238)
    assert issue(row, waiting).deduction.external == Decimal(238)


def test_another_shop_s_payment_is_not_found(row, payment):
    stranger = make_fixture_customer()
    with pytest.raises(NotFound, match=r"^payment not found$"):
        issue(stranger, payment)
    issued = issue(row, payment)
    with pytest.raises(NotFound, match=r"^invoice not found$"):
        look(stranger, issued.invoice_no)


def test_numbers_of_a_shop_have_no_gaps_and_no_repeats_under_threads(app):
    row = make_wallet(principal=10_000)
    paid = [ask(row, 1, voucher_id="NONE").payment_txn_id for _ in range(8)]

    both = run_together(app, [lambda p=p: issue(row, p) for p in [*paid, *paid]])

    assert {found.invoice_no for found in both} == {f"INV{n:06d}" for n in range(1, 9)}
    assert len(everything(row)) == 8
    assert unsound(row) == []


def test_who_fails_to_issue_takes_no_number(row, payment):
    waiting = ask(row, 500).payment_txn_id
    with pytest.raises(Invalid):
        issue(row, waiting)
    assert issue(row, payment).invoice_no == "INV000001"


def test_a_change_behind_our_back_is_seen(app, row, payment):
    issued = issue(row, payment)
    with as_owner_of(app, "invoices", "invoice_numbers") as owner:
        owner.execute("UPDATE invoices SET shop_name = 'Another'")
        owner.execute("UPDATE invoice_numbers SET last = 2")

    assert not look(row, issued.invoice_no).verified
    assert unsound(row) == [
        "INV000001 is not as it was issued",
        "INVOICE 2 numbers were given out, 1 papers are there",
    ]
