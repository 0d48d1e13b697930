"""Money is taken once: on double clicks, reloads, the back button and lost answers."""

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.pages import LOST, at_the_counter, receipt

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
both = pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])


@pytest.fixture
def anna(shop) -> str:
    return shop.add_customer("Anna", amount=200)


def reload(page) -> None:
    """As the browser's button, once the page before has come to rest."""
    page.wait_for_load_state("networkidle")
    page.reload()


@both
def test_a_double_click(open_page, shop, anna, script):
    page = open_page(script=script, phone=shop.phone)

    at_the_counter(page, anna, "52").dblclick()

    expect(receipt(page)).to_contain_text("Paid")
    assert shop.amounts_taken() == [52]
    assert shop.wallet(anna)["principal"] == 148


@both
def test_loading_the_receipt_again(open_page, shop, anna, script):
    page = open_page(script=script, phone=shop.phone)
    at_the_counter(page, anna, "52").click()
    expect(receipt(page)).to_contain_text("Paid")

    reload(page)

    expect(receipt(page)).to_contain_text("Paid")
    assert shop.amounts_taken() == [52]


@both
def test_going_back_to_the_counter(open_page, shop, anna, script):
    page = open_page(script=script, phone=shop.phone)
    at_the_counter(page, anna, "52").click()
    expect(receipt(page)).to_contain_text("Paid")

    page.go_back()
    reload(page)

    expect(page.get_by_text("Taken already")).to_be_visible()
    expect(page.locator(".mq-take")).to_have_count(0)
    page.get_by_role("link", name="See the payment").click()
    expect(receipt(page)).to_contain_text("52.00")
    assert shop.amounts_taken() == [52]


@both
def test_loading_the_counter_again_before_taking(open_page, shop, anna, script):
    page = open_page(script=script, phone=shop.phone)
    at_the_counter(page, anna, "52")
    before = page.url

    reload(page)

    assert page.url == before
    assert shop.payments() == []


@both
def test_the_same_page_in_two_tabs(open_page, shop, anna, script):
    page = open_page(script=script, phone=shop.phone)
    take = at_the_counter(page, anna, "52")
    expect(take).to_be_visible()
    other = page.context.new_page()
    other.goto(page.url)
    if script:
        other.fill("[name=amount]", "52")
    again = other.locator(".mq-take:not([aria-disabled])")
    expect(again).to_be_visible()

    take.click()
    expect(receipt(page)).to_contain_text("Paid")
    again.click()

    expect(receipt(other)).to_contain_text("Paid")
    expect(other.get_by_text("This payment was taken already.")).to_be_visible()
    assert shop.amounts_taken() == [52]


def test_another_amount_in_a_page_that_has_taken_its_payment(open_page, shop, anna):
    page = open_page(phone=shop.phone)
    expect(at_the_counter(page, anna, "52")).to_be_visible()
    other = page.context.new_page()
    other.goto(page.url)
    other.fill("[name=amount]", "99")
    late = other.get_by_role("button", name="Take CNY 99.00")
    expect(late).to_be_enabled()

    page.locator(".mq-take").click()
    expect(receipt(page)).to_contain_text("Paid")
    late.click()

    expect(other.get_by_text("Taken already")).to_be_visible()
    assert shop.amounts_taken() == [52]


def test_the_answer_is_lost_and_the_button_is_pressed_again(open_page, shop, anna):
    page = open_page(phone=shop.phone, allowed=LOST)
    take = at_the_counter(page, anna, "52")
    expect(take).to_be_visible()
    lose_the_next_answer(page)

    take.click()
    expect(page.get_by_text("The server cannot be reached.")).to_be_visible()
    assert shop.amounts_taken() == [52]
    take.click()

    expect(receipt(page)).to_contain_text("Paid")
    expect(page.get_by_text("This payment was taken already.")).to_be_visible()
    assert shop.amounts_taken() == [52]
    assert shop.wallet(anna)["principal"] == 148


def test_the_answer_is_lost_and_the_counter_is_opened_again_without_script(open_page, shop, anna):
    page = open_page(script=False, phone=shop.phone, allowed=LOST)
    take = at_the_counter(page, anna, "52")
    counter = page.url
    lose_the_next_answer(page)

    with page.expect_event("requestfailed"):
        take.click(no_wait_after=True)
    again = page.context.new_page()
    again.goto(counter)

    expect(again.get_by_text("Taken already")).to_be_visible()
    assert shop.amounts_taken() == [52]


def test_a_top_up_on_a_double_click_and_in_two_tabs(open_page, shop, anna):
    page = open_page(phone=shop.phone)
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(f"/console/customers/{anna}?amount=50&idempotencyKey=the-same-page")

    page.locator("#top-up button").dblclick()
    expect(page.get_by_text("The wallet now holds CNY 250.00.")).to_be_visible()
    other.locator("#top-up button").click()

    expect(other.get_by_text("This top-up was made already.")).to_be_visible()
    assert shop.wallet(anna)["principal"] == 250


def lose_the_next_answer(page: Page) -> None:
    """Let the server do its work, then break the line before its answer arrives."""

    def lose(route: Route) -> None:
        route.fetch(max_redirects=0)
        route.abort()

    page.route("**/console/payments", lose, times=1)
