"""When a customer's data are erased, number, amount and dates stay, and the proof still holds."""

import pytest

from mealquest.core import messages
from mealquest.core.db import transaction
from mealquest.core.errors import Conflict
from mealquest.core.wire import Input
from mealquest.identity.personal import destroy_key
from mealquest.invoices import service as invoices
from mealquest.invoices.forms import MailForm
from tests.factories.requests import OWNER, keyed
from tests.invoices.conftest import issue, look, refund
from tests.invoices.pdfs import text_of
from tests.invoices.test_issue import unsound


@pytest.fixture
def erased(row, payment):
    issued = issue(row, payment, title="Acme Ltd", tax_no="DE 1", email="a@example.org")
    with transaction(row.merchant_id) as session:
        invoices.forget(session, row.merchant_id, row.customer_id)
        destroy_key(session, row.merchant_id, row.customer_id)
    return issued


def test_nothing_personal_is_left_and_the_rest_is_as_it_was(row, erased):
    left = look(row, erased.invoice_no)

    assert left.personal_data_erased
    assert (left.title, left.tax_no, left.email) == (None, None, None)
    assert [mail.recipient for mail in left.mails] == [None]
    same = {"invoice_no", "amount", "payment_txn_id", "issued_at", "paid_at", "content_hash"}
    assert left.model_dump(include=same) == erased.model_dump(include=same)
    assert left.verified
    assert unsound(row) == []
    assert messages.newest() == []


def test_it_can_still_be_printed_and_says_what_is_missing(row, erased):
    said = text_of(invoices.paper(row.merchant_id, erased.invoice_no).content)
    assert "Acme" not in said
    assert "[erased]" in said
    assert "CNY 52.00" in said


def test_there_is_nobody_to_send_it_to(row, erased):
    form = MailForm(invoice_no=erased.invoice_no, email="new@example.org")
    with pytest.raises(Conflict, match=r"^personal data of the customer is erased$"):
        invoices.mail_again(row.merchant_id, form, OWNER, keyed(Input(), "k", OWNER))


def test_a_refund_still_brings_a_credit_note(row, payment, erased):
    refund(row, payment, 20)
    note = look(row, "CRN000001")
    assert (note.amount, note.title, note.verified) == (-20, None, True)


def test_a_payment_of_somebody_erased_can_still_be_invoiced(row, payment):
    with transaction(row.merchant_id) as session:
        destroy_key(session, row.merchant_id, row.customer_id)
    issued = issue(row, payment, title="Acme Ltd", email="a@example.org")
    assert (issued.title, issued.amount) == (None, 52)
    assert look(row, issued.invoice_no).mails == []
