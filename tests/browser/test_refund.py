"""A payment given back by a manager on a phone, with and without script."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW
from tests.browser.pages import at_the_counter, receipt

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_payment_is_given_back_in_two_steps(open_page, shop, script):
    anna = shop.add_customer("Anna", amount=100, bonus=10)
    page = open_page(phone=shop.phone, script=script, viewport=NARROW)
    at_the_counter(page, anna, "30").click()
    expect(receipt(page)).to_contain_text("Paid")

    page.get_by_role("link", name="Give money back").click()
    amount = page.get_by_label("Amount")
    expect(amount).to_have_value("30.00")
    amount.fill("31")
    page.get_by_role("button", name="Show what goes back where").click()
    expect(page.get_by_text("That is more than is left of this payment.")).to_be_visible()
    expect(amount).to_have_value("31")
    amount.fill("15")
    page.get_by_role("button", name="Show what goes back where").click()
    moves = page.locator("#refund-moves")
    expect(moves).to_contain_text("CNY 15.00")
    expect(moves).to_contain_text("What is taken back of gifts")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    step = page.url
    page.get_by_role("button", name="Give CNY 15.00 back").click()

    expect(receipt(page)).to_contain_text("Partly refunded")
    expect(page.locator("#refunds")).to_contain_text("CNY 15.00 given back")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    assert shop.wallet(anna) == {"principal": 90, "bonus": 0, "silver": 0}

    page.goto(step)  # back to the form: its key has been used
    page.wait_for_url(re.compile(r"repeated=refund"))
    expect(page.get_by_text("Nothing was given back twice.")).to_be_visible()
    assert shop.wallet(anna) == {"principal": 90, "bonus": 0, "silver": 0}
