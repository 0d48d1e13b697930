"""A payer pays by the link of a mail on a small phone, and the owner writes the mail's words."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import links
from tests.browser.conftest import NARROW

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAGE = "/console/recovery/sequence"


def failed_invoice(page) -> str:
    """Connect the sandbox Stripe, let a payment fail there; the invoice's id."""
    page.goto("/console/recovery/connect")
    page.locator("main").get_by_role("button", name="Connect").first.click()
    page.get_by_role("button", name="Connect").click()
    page.wait_for_url("**connected=true")
    page.goto("/console/recovery/sandbox")
    page.locator("main form .mq-btn-primary").first.click()
    acts = page.locator("form[action*='/recovery/sandbox/in_']").first
    return acts.get_attribute("action").rpartition("/")[2]


@pytest.mark.parametrize("locale", ["en", "zh_Hans"])
def test_a_payer_reaches_stripe_in_two_taps_without_script(open_page, shop, locale) -> None:
    invoice = failed_invoice(open_page(phone=shop.phone))
    link = f"/pay/{links.pay_token(invoice, shop.merchant_id)}"
    page = open_page(script=False, locale=locale, viewport=NARROW, theme="dark")

    page.goto(link)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    expect(page.locator("h1")).to_contain_text(
        re.compile("付款" if locale != "en" else "Payment to")
    )
    button = page.locator("main form button")
    assert button.bounding_box()["height"] >= 44
    button.click()

    page.wait_for_url(re.compile(r"/i/acct_"))
    expect(page.locator("body")).to_contain_text("42.00")


def test_the_owner_writes_words_and_sees_them_as_they_are_typed(open_page, shop) -> None:
    page = open_page(phone=shop.phone, viewport=NARROW)
    page.goto(PAGE)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.fill("#subject-2", "Your {{amount}}")
    page.fill("#body-2", "Dear {{customer_name}},\n\n<b>please</b> pay.<script>alert(1)</script>")
    letter = page.locator("#preview-2 .mq-letter")
    expect(letter).to_contain_text("Your US$49.00")
    expect(letter.locator("b")).to_have_text("please")

    page.locator("#words-2").get_by_role("button", name="Save these words").click()
    expect(page.locator("#words-2")).to_contain_text("Your words")
    expect(page.locator("#preview-2")).to_contain_text("Dear valued customer,")
    expect(page.locator("#preview-1")).not_to_contain_text("Dear")
