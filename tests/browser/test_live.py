"""Pages that renew themselves: over the socket, when it breaks, and when there is none."""

import re

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.product.running import until

pytestmark = pytest.mark.browser


def pay(shop, customer: str, amount: float) -> None:
    order = {"userId": customer, "orderAmount": amount, "voucherId": "NONE"}
    key = {"Idempotency-Key": f"live-{amount}"}
    shop.api.post("/api/payment/verify", json=order, headers=key).raise_for_status()


@pytest.fixture
def customer(shop) -> str:
    """Somebody who has just topped up, which is the shop's first event."""
    customer = shop.add_customer("Lin", amount=500)
    until(lambda: shop.api.get("/api/ws/status").json()["lastSeq"] == 1, "it is numbered")
    return customer


def newest(page: Page):
    return page.locator(".mq-event-words").first


def test_the_list_renews_itself_while_others_work(open_page, shop, customer):
    page = open_page(phone=shop.phone)
    page.goto("/console/events")
    expect(page.locator("html[data-live-state=on]")).to_be_attached()
    expect(newest(page)).to_have_text("Lin topped up CNY 500.00")
    pay(shop, customer, 12.5)
    expect(newest(page)).to_have_text("Lin paid CNY 12.50")
    newest(page).locator("a").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment")


def test_focus_and_place_survive_what_comes_in(open_page, shop, customer):
    page = open_page(phone=shop.phone)
    page.goto("/console/events")
    expect(page.locator("html[data-live-state=on]")).to_be_attached()
    link = page.get_by_role("link", name="Lin topped up")
    link.focus()
    pay(shop, customer, 3)
    expect(newest(page)).to_have_text("Lin paid CNY 3.00")
    expect(link).to_be_focused()


def test_a_socket_that_breaks_is_opened_again_where_it_was(open_page, shop, customer):
    page, opened = open_page(phone=shop.phone), []

    def pass_on(ws: WebSocketRoute) -> None:
        opened.append(ws)
        ws.connect_to_server()

    page.route_web_socket("**/ws*", pass_on)
    page.goto("/console/events")
    expect(page.locator("html[data-live-state=on]")).to_be_attached()
    opened[0].close(code=1012, reason="RESTARTING")
    expect(page.locator("html[data-live-state=off]")).to_be_attached()
    pay(shop, customer, 4)
    expect(page.locator("html[data-live-state=on]")).to_be_attached()
    expect(newest(page)).to_have_text("Lin paid CNY 4.00")
    assert [ws.url.partition("?")[2] for ws in opened] == ["since=1", "since=1"]


def test_without_a_socket_the_page_asks_now_and_then(open_page, shop, customer):
    page = open_page(phone=shop.phone)
    page.route_web_socket("**/ws*", lambda ws: ws.close(code=1008, reason="NO"))
    page.goto("/console/events")
    page.locator("#last-events").evaluate("part => { part.dataset.livePoll = 1; }")
    pay(shop, customer, 5)
    expect(newest(page)).to_have_text("Lin paid CNY 5.00")
    assert page.locator("html").get_attribute("data-live-state") == "off"


def test_a_page_with_nothing_to_renew_opens_no_socket(open_page, shop):
    page, opened = open_page(phone=shop.phone), []
    page.goto("/console/customers")  # away from the home page, which opens one
    page.on("websocket", lambda ws: opened.append(ws.url))
    page.reload(wait_until="networkidle")
    expect(page.locator("html[data-live-state=off]")).to_be_attached()
    assert opened == []


def test_somebody_who_signs_out_elsewhere_is_led_to_the_sign_in_page(open_page, shop, customer):
    page = open_page(phone=shop.phone)
    other = open_page(phone=shop.phone)
    page.goto("/console/events")
    expect(page.locator("html[data-live-state=on]")).to_be_attached()
    typed = page.context.new_page()
    typed.goto("/console/events")
    typed.evaluate("document.querySelector('main').append(document.createElement('textarea'))")
    typed.locator("textarea").fill("half a sentence")
    expect(typed.locator("html[data-live-state=on]")).to_be_attached()
    other.locator(".mq-side .mq-sign-out button").click()
    page.wait_for_url(re.compile(r"/console/sign-in\?next=/console/events$"))
    expect(typed.locator("#problems")).to_contain_text("You are signed out.")
    expect(typed.locator("textarea")).to_have_value("half a sentence")
    expect(typed.locator("textarea")).to_be_focused()
