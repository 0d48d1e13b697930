"""A new owner, from the front page to the first payment."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW, WIDE
from tests.browser.pages import receipt
from tests.browser.shops import new_phone

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.parametrize(
    ("script", "viewport"),
    [(True, WIDE), (False, NARROW), (True, NARROW)],
    ids=["script", "no-script", "phone"],
)
def test_a_new_owner_opens_a_shop_and_takes_the_first_payment(open_page, script, viewport):
    page, phone = open_page(script=script, viewport=viewport), new_phone()

    page.goto("/")
    page.get_by_role("link", name="Open a shop").click()
    open_the_shop(page, phone, "Noodle House")
    expect(page.get_by_role("heading", level=1)).to_have_text("Noodle House")

    page.get_by_role("link", name="Add a customer").click()
    dialog = page.get_by_role("dialog", name="New customer")
    dialog.get_by_label("Phone").fill("+8613712345678")
    dialog.get_by_label("Name").fill("Wang Fang")
    dialog.get_by_role("button", name="Add the customer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Wang Fang")

    page.locator("#top-up").get_by_label("Amount").fill("100")
    page.locator("#top-up").get_by_label("Bonus", exact=False).first.fill("20")
    page.locator("#top-up").get_by_role("button", name="Top up").click()
    expect(page.get_by_text("The wallet now holds CNY 120.00.")).to_be_visible()

    page.locator("main").get_by_role("link", name="Take a payment", exact=True).click()
    page.get_by_label("Amount of the order").fill("52")
    if not script:
        page.get_by_role("button", name="Show what will be used").click()
    page.get_by_role("button", name="Take CNY 52.00").click()
    expect(receipt(page)).to_contain_text("Paid")
    expect(receipt(page)).to_contain_text("52.00")
    expect(page.get_by_role("link", name="Next payment")).to_be_focused()

    leave(page)
    sign_in_again(page, phone)
    expect(page.locator(".mq-stats")).to_contain_text("CNY 52.00")


def open_the_shop(page: Page, phone: str, name: str) -> None:
    page.get_by_label("Phone").fill(phone)
    page.get_by_role("button", name="Send the code").click()
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Name of the shop").fill(name)
    page.get_by_role("button", name="Open the shop").click()
    page.wait_for_url("**/console/")


def leave(page: Page) -> None:
    if page.viewport_size == NARROW:
        page.locator(".mq-menu > summary").click()
    page.locator("button:has-text('Sign out'):visible").click()
    page.wait_for_url(re.compile(r"/$"))


def sign_in_again(page: Page, phone: str) -> None:
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("Phone").fill(phone)
    page.get_by_role("button", name="Send the code").click()
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/console/")


def test_an_owner_who_comes_to_open_a_shop_again_lands_in_the_one_there_is(open_page, shop):
    page = open_page()

    page.goto("/console/sign-in?next=/console/onboard")
    page.get_by_label("Phone").fill(shop.phone)
    page.get_by_role("button", name="Send the code").click()
    page.get_by_role("button", name="Go on").click()

    page.wait_for_url("**/console/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Noodle House")


def test_a_phone_of_several_shops_chooses_one(open_page, product, shop):
    second = {"merchantId": f"{shop.merchant_id}_b", "name": "Dumpling Bar"}
    shop.api.post(
        "/api/merchant/onboard",
        json=second | {"ownerPhone": shop.phone, "seedDemoUsers": False},
    ).raise_for_status()
    page = open_page()

    page.goto("/console/sign-in")
    page.get_by_label("Phone").fill(shop.phone)
    page.get_by_role("button", name="Send the code").click()
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Dumpling Bar").click()

    page.wait_for_url("**/console/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Dumpling Bar")
