"""A sign-in that ends while somebody types: nothing that was typed is lost."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW
from tests.browser.pages import at_the_counter, receipt
from tests.browser.shops import Shop, token_of

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
both = pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
BACK = "What you had typed is here again."


def end_all_sign_ins(shop: Shop) -> None:
    shop.api.post("/api/auth/sign-out").raise_for_status()
    shop.api.headers["Authorization"] = f"Bearer {token_of(shop.api, shop.phone)}"


def sign_in_here(page: Page, phone: str) -> None:
    page.wait_for_url(re.compile(r"/console/sign-in"))
    page.get_by_label("Phone").fill(phone)
    page.get_by_role("button", name="Send the code").click()
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile(r"/console/(?!sign-in)"))


def check_back(page: Page) -> None:
    summary = page.locator("[data-error-summary]")
    expect(summary).to_contain_text(BACK)
    expect(summary).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


@both
def test_an_invitation_is_there_again_after_the_sign_in(open_page, shop, script):
    page = open_page(phone=shop.phone, script=script, viewport=NARROW)
    page.goto("/console/staff")
    form = page.locator("#invite")
    form.get_by_label("Phone").fill("+8613955556666")
    form.get_by_label("Name").fill("Chen Yu")
    form.get_by_role("radio", name="Manager").check()
    end_all_sign_ins(shop)
    form.get_by_role("button", name="Invite").click()
    sign_in_here(page, shop.phone)

    check_back(page)
    expect(form.get_by_label("Phone")).to_have_value("+8613955556666")
    expect(form.get_by_role("radio", name="Manager")).to_be_checked()
    form.get_by_role("button", name="Invite").click()
    expect(page.get_by_text("Chen Yu can sign in with the phone now.")).to_be_visible()


def test_settings_and_a_payment_go_on_where_they_were(open_page, shop):
    anna = shop.add_customer("Anna", amount=100)
    page = open_page(phone=shop.phone, viewport=NARROW)
    page.goto("/console/settings")
    page.get_by_label("Name of the shop").fill("Noodle Palace")
    end_all_sign_ins(shop)
    page.get_by_role("button", name="Save").click()
    sign_in_here(page, shop.phone)
    check_back(page)
    expect(page.get_by_label("Name of the shop")).to_have_value("Noodle Palace")

    take = at_the_counter(page, anna, "52")
    expect(take).to_be_visible()
    end_all_sign_ins(shop)
    take.click()
    sign_in_here(page, shop.phone)
    check_back(page)
    assert shop.payments() == []
    page.get_by_role("button", name="Take CNY 52.00").click()
    expect(receipt(page)).to_contain_text("Paid")
    assert shop.amounts_taken() == [52]


def test_a_page_that_renews_itself_keeps_what_was_typed_and_says_so(open_page, shop):
    anna = shop.add_customer("Anna", amount=100)
    page = open_page(phone=shop.phone, viewport=NARROW)
    at_the_counter(page, anna, "5")
    expect(page.locator(".mq-take:not([aria-disabled])")).to_be_visible()
    end_all_sign_ins(shop)
    page.fill("[name=amount]", "52")
    problems = page.locator("#problems")
    expect(problems).to_contain_text("You are signed out.")
    expect(page.get_by_label("Amount of the order")).to_have_value("52")
    expect(page.get_by_label("Amount of the order")).to_be_focused()

    with page.context.expect_page() as opened:
        problems.get_by_role("link", name="Sign in again").click()
    sign_in_here(opened.value, shop.phone)
    opened.value.close()
    page.fill("[name=amount]", "53")
    expect(problems).to_be_empty()
    page.get_by_role("button", name="Take CNY 53.00").click()
    expect(receipt(page)).to_contain_text("Paid")
