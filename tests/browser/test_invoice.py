"""An invoice from the payment's page to paper and mail, on a phone, with script and without."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW
from tests.browser.pages import at_the_counter, receipt

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.parametrize("script", [False, True], ids=["without script", "with script"])
def test_a_payment_becomes_an_invoice_that_is_printed_and_sent(open_page, shop, script):
    anna = shop.add_customer("Anna", amount=100)
    clerk = open_page(phone=shop.phone, script=script, viewport=NARROW)
    at_the_counter(clerk, anna, "52").click()
    if not script:
        expect(receipt(clerk)).to_contain_text("Paid")

    clerk.get_by_role("link", name="Invoice", exact=True).click()
    expect(clerk.get_by_role("heading", level=1)).to_have_text("Issue an invoice")
    clerk.get_by_label("Name or company").fill("Acme Ltd")
    clerk.get_by_label("Tax number").fill("DE 1")
    clerk.get_by_role("button", name="Issue the invoice").click()

    expect(clerk.get_by_role("heading", level=1)).to_have_text("Invoice INV000001")
    expect(clerk.get_by_text("Acme Ltd")).to_be_visible()
    clerk.get_by_label("E-mail").fill("anna@example.org")
    clerk.get_by_role("button", name="Send by mail").click()
    expect(clerk.get_by_role("rowheader", name="anna@example.org")).to_be_visible()

    link = clerk.get_by_role("link", name="Open the PDF").get_attribute("href")
    paper = clerk.request.get(link)
    assert paper.headers["content-type"] == "application/pdf"
    assert paper.body().startswith(b"%PDF-")
    clerk.goto("/console/invoices")
    expect(clerk.get_by_role("link", name="INV000001")).to_be_visible()
    overflow = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    if script:
        assert not clerk.evaluate(overflow)

    api = shop.api.get("/dev/outbox", headers={"Accept": "application/json"}).json()["items"]
    mail = next(item for item in api if item["to"] == "anna@example.org")
    assert mail["attachments"] == ["INV000001.pdf"]
    assert re.search(r"CNY\s52\.00", mail["text"])
