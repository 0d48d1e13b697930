"""The counter: fast with the keyboard alone, clear about what is used, and never wrong."""

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import NARROW
from tests.browser.pages import at_the_counter, receipt

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
OWNER_OF_DEMO = "+8613900000000"
TALL = 44  # px, the least height of what a thumb hits


def test_two_payments_by_the_keyboard_alone(open_page, shop):
    anna = shop.add_customer("Anna", amount=100)
    page = open_page(phone=shop.phone)
    page.goto("/console/counter")

    for amount in ("52", "7.5"):
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.type(shop.people[anna][-4:])
        page.keyboard.press("Enter")
        expect(page.get_by_label("Amount of the order")).to_be_focused()
        page.keyboard.type(amount)
        expect(page.locator(".mq-take:not([aria-disabled])")).to_be_visible()
        page.keyboard.press("Enter")
        expect(receipt(page)).to_contain_text("Paid")
        expect(page.get_by_role("link", name="Next payment")).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_url("**/console/counter")

    assert shop.amounts_taken() == [7.5, 52]
    assert shop.wallet(anna)["principal"] == 40.5


def test_enter_before_the_quote_asks_and_the_next_enter_takes(open_page, shop):
    anna = shop.add_customer("Anna", amount=100)
    page = open_page(phone=shop.phone)
    at_the_counter(page, anna)

    page.keyboard.type("52")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Take CNY 52.00")).to_be_enabled()
    assert shop.payments() == []

    page.keyboard.press("Enter")
    expect(receipt(page)).to_contain_text("Paid")
    assert shop.amounts_taken() == [52]


def test_what_is_shown_for_another_amount_is_never_taken(open_page, shop):
    anna = shop.add_customer("Anna", amount=100)
    page = open_page(phone=shop.phone)
    expect(at_the_counter(page, anna, "5")).to_be_visible()
    sent = posts(page)
    page.route("**/console/counter?*", never_answered)

    page.get_by_label("Amount of the order").fill("52")
    expect(page.locator(".mq-take[aria-disabled]")).to_be_visible()
    page.get_by_label("Amount of the order").press("Enter")
    page.locator(".mq-take").click(force=True)
    page.locator(".mq-take").focus()
    page.keyboard.press("Enter")
    assert sent == []

    assert shop.payments() == []


def test_an_order_that_is_not_covered_says_what_is_missing(open_page, shop):
    anna = shop.add_customer("Anna", amount=30)
    page = open_page(phone=shop.phone)
    at_the_counter(page, anna, "52")

    expect(page.get_by_text("CNY 22.00 is to be paid outside", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Take CNY 52.00")).to_have_count(0)
    assert shop.payments() == []

    page.get_by_role("link", name="Top up").click()
    expect(page.locator("#top-up").get_by_label("Amount")).to_have_value("22.00")


def test_what_is_missing_by_now_is_shown_before_anything_is_asked_for(open_page, shop):
    anna = shop.add_customer("Anna", amount=60)
    page = open_page(phone=shop.phone)
    take = at_the_counter(page, anna, "52")
    expect(take).to_have_text("Take CNY 52.00")
    shop._post("/api/payment/verify", {"userId": anna, "orderAmount": 40})

    take.click()
    expect(page.locator("[data-error-summary]")).to_contain_text("The wallet has changed")
    expect(page.locator("[data-error-summary]")).to_be_focused()
    assert page.title().startswith("Error: ")
    expect(page.get_by_label("Amount of the order")).to_have_value("52.00")
    assert shop.amounts_taken() == [40]

    page.get_by_role("button", name="Take CNY 20.00 and ask for CNY 32.00").click()
    expect(receipt(page)).to_contain_text("32.00")
    assert shop.amounts_taken() == [52, 40]


@pytest.mark.parametrize("typed", ["1x", "0", "-3", "1.234"])
def test_an_amount_that_is_none_says_so_beside_the_entry(open_page, shop, typed):
    anna = shop.add_customer("Anna", amount=30)
    page = open_page(phone=shop.phone)
    at_the_counter(page, anna, typed)

    expect(page.locator("#quote .mq-alert")).to_be_visible()
    expect(page.locator(".mq-take")).to_have_count(0)


def test_it_says_in_words_why_a_voucher_does_not_apply(open_page):
    page = open_page(phone=OWNER_OF_DEMO)
    at_the_counter(page, "u_fixture_001", "10")

    expect(page.get_by_text("“Thirty Off” needs an order of at least CNY 20.00.")).to_be_visible()
    expect(page.get_by_text("CNY 8.00 of the voucher is lost")).to_be_visible()
    page.get_by_role("link", name="Keep the voucher").click()

    expect(page.get_by_text("“Braised Beef” would take CNY 10.00 off.")).to_be_visible()
    expect(page.locator(".mq-sums").get_by_text("Bonus")).to_be_visible()
    expect(page.get_by_text("of the voucher is lost")).to_have_count(0)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_the_voucher_that_is_shown_is_the_one_that_is_taken(open_page, new_shop, script):
    shop = new_shop(with_guests=True)
    page = open_page(script=script, phone=shop.phone)

    take = at_the_counter(page, "u_demo", "20")
    expect(page.get_by_text("Voucher “Welcome Noodles”")).to_be_visible()
    take.click()

    expect(page.get_by_text("Voucher “Welcome Noodles”")).to_be_visible()
    expect(receipt(page)).to_contain_text("20.00")
    assert shop.wallet("u_demo") == {"principal": 120, "bonus": 22, "silver": 88}


def test_somebody_new_is_added_at_the_counter_and_can_pay_at_once(open_page, shop):
    page = open_page(phone=shop.phone)
    page.goto("/console/counter?query=%2B8613655556666")

    expect(page.get_by_text("Nobody found")).to_be_visible()
    expect(page.get_by_label("Phone", exact=True)).to_have_value("+8613655556666")
    page.get_by_role("button", name="Add the customer").click()

    expect(page.get_by_label("Amount of the order")).to_be_focused()


def test_customers_are_found_while_somebody_types(open_page, shop):
    shop.add_customer("Anna")
    shop.add_customer("Bertram")
    page = open_page(phone=shop.phone)
    page.goto("/console/counter")

    page.get_by_role("searchbox").press_sequentially("bert")

    expect(page.locator(".mq-choice")).to_have_count(1)
    expect(page.locator(".mq-choice")).to_contain_text("Bertram")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_everything_a_thumb_hits_is_tall_enough(open_page):
    page = open_page(viewport=NARROW, phone=OWNER_OF_DEMO)
    small: list[str] = []
    for path, amount in [
        ("/console/counter", ""),
        ("/console/counter?query=nobody", ""),
        ("/console/counter?userId=u_fixture_001", "10"),
        ("/console/counter?userId=u_fixture_001", "41"),
    ]:
        page.goto(path)
        if amount:
            page.fill("[name=amount]", amount)
            expect(page.locator(".mq-take:not([aria-disabled])")).to_be_visible()
        for control in page.locator(".mq-counter :is(a, button, input, select):visible").all():
            box = control.bounding_box()
            if box and box["height"] < TALL:
                small.append(f"{path} {control.evaluate('e => e.outerHTML')[:80]} {box}")
    assert small == []


def posts(page: Page) -> list[str]:
    sent: list[str] = []
    page.on("request", lambda request: request.method == "POST" and sent.append(request.url))
    return sent


def never_answered(_route: Route) -> None:
    """Leave a request waiting."""
