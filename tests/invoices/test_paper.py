"""The PDF: the same bytes every time, in the language asked for, with its font inside."""

import pytest
from sqlalchemy import text

from mealquest.core.db import transaction
from mealquest.core.money import Currency
from mealquest.invoices import service as invoices
from mealquest.invoices.service import Language
from tests.factories.merchants import make_merchant
from tests.factories.outside import ask
from tests.factories.requests import OWNER
from tests.factories.wallet import make_wallet
from tests.invoices.conftest import issue, refund
from tests.invoices.pdfs import text_of


def said(row, number: str, language: Language | None = None) -> str:
    return text_of(invoices.paper(row.merchant_id, number, language, OWNER).content)


@pytest.fixture
def issued(row, payment):
    return issue(row, payment, title="上海美食 Ltd", tax_no="91310000MA1FL0XX0X")


def test_it_says_what_was_sold_to_whom_for_how_much(row, payment, issued):
    for line in (
        "Fixture Merchant",
        "Invoice",
        "INV000001",
        payment,
        "上海美食 Ltd",
        "91310000MA1FL0XX0X",
        "CNY 52.00",
        "CNY 18.00",
        "CNY 34.00",
        f"Proof (SHA-256): {issued.content_hash}",
    ):
        assert line in said(row, "INV000001"), line


def test_its_bytes_are_the_same_every_time_and_differ_by_language(row, issued):
    first = invoices.paper(row.merchant_id, "INV000001").content
    assert invoices.paper(row.merchant_id, "INV000001").content == first
    assert invoices.paper(row.merchant_id, "INV000001", Language.CHINESE).content != first
    assert issued.issued_at.strftime("/CreationDate (D:%Y%m%d%H%M%SZ)").encode() in first
    assert len(first) < 40_000


def test_a_shop_s_own_language_is_the_default(row, issued):
    with transaction(row.merchant_id) as session:
        session.execute(text("UPDATE merchant_settings SET locale = 'zh-Hans'"))
    assert "¥52.00" in said(row, "INV000001")
    assert "CNY 52.00" in said(row, "INV000001", Language.ENGLISH)


def test_dates_are_the_shop_s(row, issued):
    with transaction(row.merchant_id) as session:
        session.execute(text("UPDATE merchant_settings SET time_zone = 'Pacific/Kiritimati'"))
    assert "+14:00" in said(row, "INV000001")


def test_a_credit_note_names_the_invoice_and_takes_off(row, payment, issued):
    refund(row, payment, 20)
    note = said(row, "CRN000001")
    for line in ("Credit note", "INV000001", "CNY -20.00", "CNY -6.92", "CNY -13.08"):
        assert line in note, line


def test_what_the_font_does_not_have_leaves_a_mark_and_long_names_are_broken(row, payment):
    issue(row, payment, title=("Very long 名 " * 16 + "😀").strip(), tax_no="X" * 64)
    drawn = said(row, "INV000001")
    assert "〓" in drawn
    assert drawn.count("名") == 16


def test_a_currency_without_cents_has_none(app):
    row = make_wallet(make_merchant(currency=Currency.JPY), principal=5_000)
    issue(row, ask(row, 1200, voucher_id="NONE").payment_txn_id)
    assert "JPY 1,200\n" in said(row, "INV000001") + "\n"
