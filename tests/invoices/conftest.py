"""A payment of 52 by the customer of the contract's demo data, and what is done about it."""

from typing import Any

import pytest

from jobs import outbox as relay
from mealquest.core.ids import new_id
from mealquest.invoices import service as invoices
from mealquest.invoices.forms import InvoicesForm, IssueForm
from mealquest.invoices.replies import InvoiceDetail, InvoiceView
from mealquest.payments import service as payments
from mealquest.payments.refund_forms import RefundForm
from tests.factories.outside import ask
from tests.factories.requests import CLERK, OWNER, keyed
from tests.factories.wallet import make_fixture_customer


@pytest.fixture
def row(app):
    """The wallet, and with it merchant and customer."""
    return make_fixture_customer()


@pytest.fixture
def payment(row) -> str:
    """18 by voucher and 34 by bonus."""
    return ask(row, 52).payment_txn_id


def issue(row: Any, payment_id: str, **said: str) -> InvoiceView:
    form = IssueForm(payment_txn_id=payment_id, **said)
    return invoices.issue(row.merchant_id, form, CLERK)


def refund(row: Any, payment_id: str, amount: int, *, told: bool = True) -> str:
    """Give some of a payment back, and if `told` let everybody hear of it; the refund's id."""
    form = RefundForm(payment_txn_id=payment_id, refund_amount=amount)
    done = payments.refund(row.merchant_id, form, OWNER, keyed(form, new_id("key"), OWNER))
    if told:
        relay.relay()
    return done.refund_txn_id


def look(row: Any, number: str) -> InvoiceDetail:
    return invoices.invoice(row.merchant_id, number, OWNER)


def everything(row: Any) -> list[InvoiceView]:
    """What the merchant has issued, newest first."""
    return invoices.listed(row.merchant_id, InvoicesForm(limit=100), OWNER).items
