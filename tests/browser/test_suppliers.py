"""A clerk at the counter of a small phone, without script: an order counts, and counts once."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW
from tests.browser.shops import new_phone

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_a_clerk_verifies_an_order_on_a_phone_without_script(open_page, shop):
    shop._post("/api/suppliers/partners", {"partnerId": "corner_coffee", "name": "Corner Coffee"})
    order = {"orderId": "ext-7", "amount": 38}
    shop._post("/api/supplier/orders", {"partnerId": "corner_coffee", "orders": [order]})
    clerk = new_phone()
    shop._post("/api/staff", {"phone": clerk, "role": "CLERK", "name": "Chen Yu"})
    page = open_page(script=False, viewport=NARROW, theme="dark", phone=clerk)

    page.locator(".mq-menu > summary").click()
    page.locator(".mq-menu-sheet").get_by_role("link", name="Partner orders").click()
    for answer in ("Yes, it counts", "No, it was used already"):
        page.get_by_label("Order number").fill("ext-7")
        page.get_by_role("button", name="Does it count?").click()
        expect(page.locator("#answer")).to_contain_text(answer)
        expect(page.locator("#answer")).to_contain_text("38.00")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        page.get_by_role("link", name="Next order").click()

    page.get_by_role("link", name="All orders").click()
    page.locator("main").get_by_role("link", name="ext-7").click()
    expect(page.locator("main")).to_contain_text("Used up")
    expect(page.locator("main")).to_contain_text("Not granted")


def test_an_order_that_was_typed_first_is_still_there_after_the_search_for_a_customer(
    open_page, shop
):
    shop._post("/api/suppliers/partners", {"partnerId": "corner_coffee", "name": "Corner Coffee"})
    shop.add_customer("Anna")
    page = open_page(phone=shop.phone)
    page.goto("/console/suppliers")
    page.get_by_label("Order number").fill("ext-7")
    page.get_by_label("It has to be at least").fill("20")
    page.get_by_role("searchbox").fill("Anna")
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator("#shown-by")).to_contain_text("Somebody else, or nobody")
    expect(page.get_by_label("Order number")).to_have_value("ext-7")
    expect(page.get_by_label("It has to be at least")).to_have_value("20")
