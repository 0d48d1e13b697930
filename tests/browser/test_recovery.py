"""A failed payment from its first news to money that is back, through every page on the way."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
PAYER = "payer@example.com"


def connect(owner: Page) -> None:
    owner.goto("/console/recovery")
    owner.get_by_role("link", name="Connect Stripe").click()
    owner.get_by_role("button", name="Connect Stripe").click()
    owner.get_by_role("button", name="Connect", exact=True).click()
    expect(owner.get_by_text("Stripe is connected.")).to_be_visible()


def fail(owner: Page) -> None:
    owner.goto("/console/recovery")
    owner.get_by_role("link", name="Simulate a failed payment").first.click()
    owner.get_by_label("E-mail of the customer").fill(PAYER)
    owner.get_by_role("button", name="Simulate a failed payment").click()


def remind_now(owner: Page) -> None:
    owner.goto("/console/recovery/invoices")
    owner.locator("tbody a").first.click()
    expect(owner.get_by_role("heading", level=1)).to_have_text("US$42.00")
    owner.get_by_role("button", name="Send the reminder now").click()
    expect(owner.get_by_text("A reminder was sent")).to_be_visible()


def link_in_the_mail(shop) -> str:
    said = shop.api.get("/dev/outbox", headers={"Accept": "application/json"}).json()["items"]
    (mail,) = [item for item in said if item["to"] == PAYER]
    assert mail["headers"]["X-Entity-Ref-ID"] == shop.merchant_id
    found = re.search(r"https?://\S+/pay/\S+", mail["text"])
    assert found, mail["text"]
    return found[0]


def test_a_failed_payment_comes_back(open_page, shop):
    owner = open_page(phone=shop.phone)
    connect(owner)
    fail(owner)
    dashboard = owner.context.new_page()
    dashboard.goto("/console/recovery")
    risk = dashboard.locator(".mq-stat", has_text="Money at risk now")
    expect(risk).to_contain_text("US$42.00")
    remind_now(owner)

    payer = open_page(viewport=NARROW)
    payer.goto(link_in_the_mail(shop))
    payer.get_by_role("button", name=re.compile("^Pay")).click()
    payer.get_by_role("button", name="Pay", exact=True).click()

    expect(risk).to_contain_text("0 unpaid invoices")  # by itself, through the socket
    expect(dashboard.locator(".mq-stat", has_text="1 of 1 invoices")).to_contain_text("100 %")
    expect(dashboard.get_by_text("The link in a reminder")).to_be_visible()
    owner.reload()
    expect(owner.get_by_text("The money is back.")).to_be_visible()
