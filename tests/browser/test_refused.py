"""A refused form: friendly words, the input kept, and the focus on what is wrong."""

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
both = pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])


def check_refusal(page: Page, words: str) -> None:
    summary = page.locator("[data-error-summary]")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text(words)
    assert page.title().startswith("Error: ")


@both
def test_a_phone_that_is_none(open_page, script):
    page = open_page(script=script)
    page.goto("/console/sign-in")

    page.get_by_label("Phone").fill("12")
    page.get_by_role("button", name="Send the code").click()

    check_refusal(page, "Enter the phone number in digits")
    expect(page.get_by_label("Phone")).to_have_value("12")
    page.locator("[data-error-summary] a").click()
    expect(page.get_by_label("Phone")).to_be_focused()


def test_a_wrong_code(open_page, shop):
    page = open_page()
    page.goto("/console/sign-in")
    page.get_by_label("Phone").fill(shop.phone)
    page.get_by_role("button", name="Send the code").click()
    code = page.locator("[name=code]").input_value()

    page.locator("[name=code]").fill(f"{(int(code) + 1) % 1_000_000:06}")
    page.get_by_role("button", name="Sign in").click()

    check_refusal(page, "That is not the code we sent.")


@both
def test_a_customer_without_a_phone_number(open_page, shop, script):
    page = open_page(script=script, phone=shop.phone)
    page.goto("/console/customers#new-customer")

    page.get_by_role("dialog").get_by_label("Phone").fill("none")
    page.get_by_role("dialog").get_by_label("Name").fill("Wang Fang")
    page.get_by_role("button", name="Add the customer").click()

    check_refusal(page, "Enter the phone number in digits")
    expect(page.locator("#new-customer").get_by_label("Name")).to_have_value("Wang Fang")


@both
def test_a_top_up_of_nothing(open_page, shop, script):
    anna = shop.add_customer("Anna")
    page = open_page(script=script, phone=shop.phone)
    page.goto(f"/console/customers/{anna}")

    page.fill("#top-up [name=amount]", "-5")
    page.fill("#top-up [name=note]", "from the till")
    page.locator("#top-up").get_by_role("button", name="Top up").click()

    check_refusal(page, "Enter a sum of more than zero")
    expect(page.locator("#top-up [name=note]")).to_have_value("from the till")


def test_a_shop_whose_id_is_taken(open_page):
    page = open_page()
    page.goto("/console/sign-in?next=/console/onboard")
    page.get_by_label("Phone").fill("+8613511112222")
    page.get_by_role("button", name="Send the code").click()
    page.get_by_role("button", name="Go on").click()

    page.get_by_label("Name of the shop").fill("Mine")
    page.get_by_text("Choose the short id yourself").click()
    page.get_by_label("Short id").fill("m_store_001")
    page.get_by_role("button", name="Open the shop").click()

    check_refusal(page, "There is a shop with this id already.")
    expect(page.get_by_label("Short id")).to_be_visible()


def test_a_payment_whose_page_was_open_for_too_long(open_page, shop):
    anna = shop.add_customer("Anna", amount=100)
    page = open_page(phone=shop.phone)
    page.goto(f"/console/counter?userId={anna}")
    page.fill("[name=amount]", "52")
    expect(page.locator(".mq-take:not([aria-disabled])")).to_be_visible()
    page.locator("#take [name=csrf_token]").evaluate("field => field.value = 'old'")
    page.evaluate("document.body.removeAttribute('hx-headers')")

    page.locator(".mq-take").click()
    check_refusal(page, "This page was open for too long.")
    assert shop.payments() == []

    page.locator(".mq-take:not([aria-disabled])").click()
    expect(page.get_by_role("link", name="Next payment")).to_be_focused()
    assert shop.amounts_taken() == [52]
