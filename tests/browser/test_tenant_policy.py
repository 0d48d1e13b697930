"""Freeze and limits, as an owner meets them: set, hit, seen on every page, and taken away."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
URL = "/console/tenant-policy"
BANNER = "The shop is read-only."


def press(page: Page, name: str, confirm: str, script: bool) -> None:
    """With script the page asks first."""
    page.get_by_role("button", name=name, exact=True).click()
    if script:
        page.get_by_role("dialog").get_by_role("button", name=confirm).click()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_an_owner_freezes_the_shop_limits_it_and_lets_it_go_on(open_page, shop, script):
    page = open_page(phone=shop.phone, script=script, viewport=NARROW)
    page.goto(URL)
    expect(page.get_by_text("No limits")).to_be_visible()
    page.get_by_label("What").select_option("CUSTOMER_CREATE")
    page.get_by_label("At most").fill("1")
    page.get_by_label("Unit").select_option("hour")
    page.get_by_role("button", name="Set the limit").click()
    row = page.locator("#limits").get_by_role("row").filter(has_text="Adding a customer")
    expect(row).to_contain_text("1 in 1 hour")
    answers = [
        shop.api.post("/api/customers", json={"phone": f"+86138{n:08}"}).status_code
        for n in range(2)
    ]
    assert answers == [201, 429]
    page.reload()
    expect(row).to_contain_text("Limit reached")
    assert page.locator("html").evaluate("html => html.scrollWidth") <= NARROW["width"]

    row.get_by_role("link", name="Edit").click()
    expect(page.get_by_label("At most")).to_have_value("1")
    page.get_by_label("At most").fill("9")
    page.get_by_role("button", name="Set the limit").click()
    expect(row).to_contain_text("9 in 1 hour")

    press(page, "Freeze the shop", "Freeze", script)
    expect(page.get_by_text(BANNER)).to_be_visible()
    refused = shop.api.post("/api/customers", json={"phone": "+8613800000009"})
    assert refused.json()["code"] == "TENANT_WRITE_DISABLED"
    page.goto("/console/customers")
    expect(page.get_by_text(BANNER)).to_be_visible()
    page.get_by_role("link", name="To the freeze").click()
    page.wait_for_url(f"**{URL}")
    held_back = page.locator("#held-back")
    expect(held_back).to_contain_text("The shop was frozen")
    held_back.get_by_role("link", name="New customer").first.click()
    expect(page.locator("#list")).to_contain_text("New customer")

    page.goto(URL)
    press(page, "End the freeze", "End the freeze", script)
    expect(page.get_by_text(BANNER)).to_have_count(0)
    press(page, "Remove: Adding a customer", "Remove", script)
    expect(page.get_by_text("No limits")).to_be_visible()
