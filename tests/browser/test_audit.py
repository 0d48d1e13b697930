"""The audit: narrowed down, page by page, one entry, and the same rows as a file."""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import NARROW
from tests.browser.shops import new_phone

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
both = pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
PAYMENTS = 23


@pytest.fixture
def clerk(shop) -> str:
    """The phone of a clerk who may not see the team; the shop has payments in its audit."""
    phone = new_phone()
    shop._post("/api/staff", {"phone": phone, "role": "CLERK", "name": "Chen Yu"})
    anna = shop.add_customer("Anna", amount=100)
    for _ in range(PAYMENTS):
        shop._post("/api/payment/verify", {"userId": anna, "orderAmount": 1})
    return phone


def rows(page: Page) -> Locator:
    return page.locator("#list tbody tr")


def choose(page: Page, script: bool, **filters: str) -> None:
    """With script a filter acts by itself, and the focus stays where it was."""
    folded = page.locator(".mq-fold:not([open]) > summary")  # on a phone
    if folded.is_visible():
        folded.click()
    for label, option in filters.items():
        control = page.get_by_label(label.replace("_", " "))
        if option[:1].isdigit():
            control.fill(option)
        else:
            control.focus()
            control.select_option(label=option)
        if script:
            page.wait_for_url(re.compile(f"{control.get_attribute('name')}=[^&]"))
            expect(control).to_be_focused()
    if not script:
        page.get_by_role("button", name="Show").click()


@both
def test_an_owner_finds_an_act_and_takes_the_list_along(open_page, shop, clerk, script, tmp_path):
    refused = open_page(phone=clerk, script=False)
    refused.goto("/console/staff")
    page = open_page(phone=shop.phone, script=script, viewport=NARROW)
    page.goto("/console/audit")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]

    choose(page, script, Outcome="Denied")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("Chen Yu")
    expect(rows(page).locator(".mq-badge")).to_have_text("Denied")
    rows(page).get_by_role("link").click()
    expect(page.get_by_text("Your role does not allow this.")).to_be_visible()
    expect(page.locator("main .mq-badge")).to_have_text("Denied")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.get_by_role("link", name="Audit", exact=True).first.click()

    today = shop.api.get("/api/desk").json()["desk"]["today"]["day"]
    choose(page, script, What="Payment", Outcome="Done", First_day=today, Last_day=today)
    expect(page.locator(".mq-list-count")).to_contain_text("20 entries shown.")
    path = download(page, tmp_path)
    page.get_by_role("link", name="Next page").click()
    expect(page.locator(".mq-list-count")).to_contain_text("3 entries shown.")
    assert "cursor=" in page.url
    lines = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
    assert len(lines) == PAYMENTS
    assert {(line["What"], line["Outcome"]) for line in lines} == {("PAYMENT_VERIFY", "SUCCESS")}
    on_page = page.locator("#list th a").evaluate_all("all => all.map((a) => a.pathname)")
    assert [link.rpartition("/")[2] for link in on_page] == [line["Id"] for line in lines[20:]]


def download(page: Page, folder: Path) -> Path:
    with page.expect_download() as started:
        page.get_by_role("link", name="Download CSV").click()
    path = folder / "audit.csv"
    started.value.save_as(path)
    return path


def test_filters_that_find_nothing_say_so_aloud(open_page, shop):
    page = open_page(phone=shop.phone, viewport=NARROW)
    page.goto("/console/audit")
    choose(page, True, Outcome="Blocked")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    expect(page.locator("#announcer")).to_have_text("0 entries shown.")
    page.get_by_role("link", name="Clear filters").first.click()
    expect(rows(page).first).to_be_visible()
