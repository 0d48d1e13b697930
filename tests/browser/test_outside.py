"""An order that the wallet does not cover: asked for at the counter, paid by phone."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW, WIDE
from tests.browser.pages import at_the_counter, receipt

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SIZES = pytest.mark.parametrize(
    ("script", "viewport"),
    [(True, WIDE), (True, NARROW), (False, NARROW)],
    ids=["script", "phone", "no-script"],
)


@pytest.fixture
def anna(shop) -> str:
    return shop.add_customer("Anna", amount=100)


def ask(page: Page, anna: str, amount: str) -> Page:
    at_the_counter(page, anna, amount).click()
    expect(receipt(page)).to_contain_text("Waits for the rest")
    return page


def on_the_phone(clerk: Page, open_page, **options) -> Page:
    """The page that the code on the clerk's screen leads to."""
    customer = open_page(viewport=NARROW, **options)
    customer.goto(clerk.get_by_role("link", name="Open the payment page").get_attribute("href"))
    return customer


def look(page: Page, script: bool) -> None:
    """With script the page renews itself."""
    if not script:
        page.get_by_role("link", name="Check again").click()


@SIZES
def test_the_clerks_page_turns_to_paid_when_the_customer_has_paid(
    open_page, shop, anna, script, viewport
):
    clerk = open_page(phone=shop.phone, script=script, viewport=viewport)
    take = at_the_counter(clerk, anna, "130")
    expect(take).to_have_text("Take CNY 100.00 and ask for CNY 30.00")
    take.click()
    expect(receipt(clerk)).to_contain_text("30.00")
    expect(clerk.get_by_role("img", name="Code to scan")).to_be_visible()
    assert clerk.evaluate("document.documentElement.scrollWidth") <= viewport["width"]

    customer = on_the_phone(clerk, open_page, script=script)
    expect(customer.get_by_role("heading", level=1)).to_have_text("Pay Noodle House")
    customer.get_by_role("button", name="Pay CNY 30.00").click()
    expect(customer.get_by_text("Its payment now reads: Paid.")).to_be_visible()

    look(clerk, script)
    expect(receipt(clerk)).to_contain_text("Paid")
    expect(receipt(clerk)).to_contain_text("130.00")
    expect(clerk).to_have_title("Paid CNY 130.00 · MealQuest")
    expect(clerk.get_by_role("link", name="Next payment")).to_be_focused()
    assert shop.wallet(anna)["principal"] == 0


@SIZES
def test_staff_give_it_up_and_money_that_still_comes_goes_back(
    open_page, shop, anna, script, viewport
):
    clerk = open_page(phone=shop.phone, script=script, viewport=viewport)
    ask(clerk, anna, "130")
    customer = on_the_phone(clerk, open_page, script=script)

    clerk.get_by_role("button", name="Give the payment up").click()
    if script:
        clerk.get_by_role("dialog").get_by_role("button", name="Give it up").click()
    expect(receipt(clerk)).to_contain_text("given up")
    assert shop.wallet(anna)["principal"] == 100

    customer.reload()
    expect(customer.get_by_text("The shop does not wait for this any more.")).to_be_visible()
    customer.get_by_role("button", name="Pay CNY 30.00 late").click()
    expect(customer.get_by_text("money goes back")).to_be_visible()

    clerk.reload()
    expect(receipt(clerk)).to_contain_text("CNY 30.00 came too late")
    for _ in range(20):
        if clerk.get_by_text("Sent back on").count():
            break
        clerk.wait_for_timeout(500)
        if not script:
            clerk.reload()
    expect(clerk.get_by_text("Sent back on")).to_be_visible()
    assert shop.wallet(anna)["principal"] == 100


def test_what_the_customer_declines_is_free_again_at_once(open_page, shop, anna):
    clerk = ask(open_page(phone=shop.phone), anna, "130")
    customer = on_the_phone(clerk, open_page)
    customer.get_by_role("button", name="Decline").click()
    expect(receipt(clerk)).to_contain_text("Nothing was taken, and what was held is free again.")
    at_the_counter(clerk, anna, "60").click()
    expect(receipt(clerk)).to_contain_text("Paid")


def test_coming_back_to_the_counter_asks_for_nothing_twice(open_page, shop, anna):
    clerk = open_page(phone=shop.phone)
    ask(clerk, anna, "130")
    clerk.go_back()
    clerk.reload()
    expect(clerk.get_by_text("Asked for already")).to_be_visible()
    assert shop.amounts_taken() == [130]
