"""Small things: keys, the focus after a part was renewed, paper, the icon of the tab."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_the_keys_and_the_sheet_that_lists_them(open_page, shop):
    page = open_page(phone=shop.phone)
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(sheet).to_contain_text("Search on this page")
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(sheet).to_be_visible()  # a sheet is read, not acted upon

    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url("**/console/customers")
    page.keyboard.press("/")
    expect(page.locator("main").get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("gc?")
    expect(page.locator("main").get_by_role("searchbox")).to_have_value("gc?")


def test_the_focus_is_not_lost_with_the_button_it_was_on(open_page, shop):
    anna = shop.add_customer("Anna", amount=10)
    waits = shop._post("/api/payment/verify", {"userId": anna, "orderAmount": 52})
    page = open_page(phone=shop.phone, viewport=NARROW)
    page.goto(f"/console/payments/{waits['paymentTxnId']}")
    expect(page.locator("html[data-live-state=on]")).to_be_attached()
    page.get_by_role("button", name="Give the payment up").focus()

    shop._post(f"/api/payments/{waits['paymentTxnId']}/cancel", {})
    expect(page.locator(".mq-banner")).to_contain_text("given up")
    page.wait_for_function("document.activeElement !== document.body")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_a_refused_form_names_each_field_that_is_wrong(open_page, shop):
    page = open_page(phone=shop.phone)
    page.goto("/console/contract")
    page.evaluate("document.querySelector('main form').noValidate = true")
    page.get_by_role("button", name="Send the application").click()
    summary = page.locator("[data-error-summary]")
    expect(summary).to_be_focused()
    expect(summary.get_by_role("link").first).to_have_text("Company: This is needed.")
    summary.get_by_role("link").first.click()
    expect(page.get_by_label("Company")).to_be_focused()


def test_a_small_laptop_shows_the_way_out_and_a_phone_its_rows_first(open_page, shop):
    page = open_page(phone=shop.phone)
    side = page.locator(".mq-side")
    assert side.evaluate("side => side.scrollHeight <= side.clientHeight")
    expect(side.get_by_role("button", name="Sign out")).to_be_in_viewport()

    page.set_viewport_size(NARROW)
    page.goto("/console/wallets")
    expect(page.get_by_role("button", name="Show")).to_be_hidden()
    expect(page.get_by_label("Rows per page")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_on_paper_stands_what_there_is_to_read(open_page, shop):
    anna = shop.add_customer("Anna", amount=10)
    shop._post("/api/payment/verify", {"userId": anna, "orderAmount": 5})
    page = open_page(phone=shop.phone, theme="dark")
    page.goto("/console/payments")
    page.emulate_media(media="print")

    expect(page.get_by_role("row").filter(has_text="Anna")).to_contain_text("5.00")
    for left_out in (".mq-side", ".mq-bottom", ".mq-filters", ".mq-list-tools .btn"):
        expect(page.locator(left_out).first).to_be_hidden()
    ink, paper = page.evaluate(
        "() => { const { color, backgroundColor } = getComputedStyle(document.body);"
        " return [color, backgroundColor]; }"
    )
    assert (ink, paper) == ("rgb(0, 0, 0)", "rgb(255, 255, 255)")


def test_the_tab_has_its_icon(open_page):
    page = open_page()
    page.goto("/console/sign-in")
    icon = page.request.get(page.locator("link[rel=icon]").get_attribute("href"))
    assert icon.ok
    assert icon.headers["content-type"].startswith("image/svg+xml")
