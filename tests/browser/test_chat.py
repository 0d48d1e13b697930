"""The chat with the strategist, from the first word to the campaign, with script and without."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW

pytestmark = pytest.mark.browser
PAGE = "/console/strategy"


def answers(page: Page):
    return page.locator(".mq-chat .mq-said.is-assistant")


def test_words_grow_on_the_open_page_and_a_draft_is_approved_with_the_keyboard(open_page, shop):
    page = open_page(phone=shop.phone, viewport=NARROW)
    page.goto(PAGE)
    expect(page.locator("html[data-live-state=on]")).to_be_attached()
    field = page.get_by_label("Your message")
    page.get_by_role("link", name="What sold best today?").click()
    expect(field).to_have_value("What sold best today?")
    expect(field).to_be_focused()
    field.press("Shift+Enter")
    field.press_sequentially("In a sentence.")
    field.press("Enter")
    expect(page.locator("#draft-text")).to_contain_text("[Sandbox model]")
    expect(page.locator("#draft")).to_contain_text("draft, being checked")
    expect(page.locator("#send[aria-disabled=true]")).to_be_attached()
    expect(answers(page)).to_have_count(1)
    expect(page.locator("#draft")).to_have_count(0)
    expect(page.locator(".mq-said.is-user p")).to_have_text("What sold best today?\nIn a sentence.")
    expect(page.locator("#announcer")).to_contain_text("Strategist: [Sandbox model]")
    expect(field).to_be_focused()
    expect(field).to_have_value("")

    field.fill("Draft a campaign for rainy evenings.")
    field.press("Enter")
    expect(page.locator("#proposal")).to_be_visible()
    expect(field).to_be_focused()
    field.press("Escape")
    expect(page.locator("#proposal")).to_be_focused()
    page.keyboard.press("a")
    asked = page.locator("#confirm[open]")
    expect(asked).to_contain_text("Fits the weather")
    expect(asked).to_contain_text(re.compile(r"It costs CNY [1-9]\d*\.\d\d at worst"))
    asked.get_by_role("button", name="Approve").click()
    expect(page.locator(".mq-said.is-system").last).to_contain_text("The campaign runs.")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_without_script_the_same_is_said_and_looked_at_again(open_page, shop):
    page = open_page(phone=shop.phone, script=False)
    page.goto(PAGE)
    page.get_by_role("link", name="Draft a campaign").click()
    page.get_by_role("button", name="Send").click()
    for _look in range(80):
        if page.locator("#proposal").count():
            break
        page.wait_for_timeout(250)
        look = page.get_by_role("link", name="Look again")
        if look.count():  # else the answer was there at once
            look.click()
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    page.fill("#reject-reason", "too dear")
    page.locator("#reject").click()
    expect(page.locator(".mq-said.is-system").last).to_contain_text("Rejected: [Sandbox model]")
    expect(page.get_by_role("button", name="Send")).to_be_enabled()


def test_without_a_socket_the_page_asks_for_the_words(open_page, shop):
    page = open_page(phone=shop.phone)
    page.route_web_socket("**/ws*", lambda ws: ws.close(code=1008, reason="NO"))
    page.goto(PAGE)
    field = page.get_by_label("Your message")
    field.fill("What sold best today?")
    field.press("Enter")
    expect(page.locator("#draft")).to_be_visible()
    expect(answers(page)).to_contain_text("[Sandbox model]")
    expect(page.locator("#draft")).to_have_count(0)
    assert page.locator("html").get_attribute("data-live-state") == "off"
