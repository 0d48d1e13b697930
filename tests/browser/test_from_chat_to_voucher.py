"""From a sentence in the chat to a voucher in a customer's wallet, with nothing skipped."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.product.running import until

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

WISH = "Create a campaign with revenue_recharge_bonus, branch ASSET_BUNDLE, please"


def test_a_wish_becomes_a_voucher(open_page, product, shop):
    """The owner asks, reads, approves and tops a customer up; the campaign gives its voucher."""
    with product.database() as database:  # nobody is left out by lot
        database.execute(
            "UPDATE merchant_settings SET campaign_holdout_percent = 0 WHERE merchant_id = %s",
            (shop.merchant_id,),
        )
    anna = shop.add_customer("Anna")
    page = open_page(phone=shop.phone)
    page.goto("/console/strategy")
    page.get_by_role("textbox", name="Your message").fill(WISH)
    page.get_by_role("button", name="Send", exact=True).click()

    card = page.locator("#proposal")
    approve = card.get_by_role("button", name="Approve", exact=True)
    expect(approve).to_be_visible(timeout=30_000)
    expect(card).to_contain_text("20.00")  # what the voucher is worth
    expect(card.get_by_role("heading").first).to_contain_text("Sandbox model")
    for part in ("Replayed over the last 90 days", "Drafts to choose from"):
        expect(card.get_by_role("heading", name=part)).to_be_visible(timeout=30_000)
    approve.click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(page.get_by_text(re.compile("The campaign runs"))).to_be_visible()
    expect(page.locator("#proposal")).to_have_count(0)

    top_up(page, anna)
    vouchers = page.get_by_role("table", name="Vouchers")

    def came() -> bool:
        page.reload()
        return vouchers.is_visible()

    until(came, "the voucher is in the wallet")
    expect(vouchers.get_by_role("row")).to_have_count(2)  # with the one of names
    expect(vouchers).to_contain_text("CNY 20.00")


def top_up(page: Page, customer: str) -> None:
    page.goto(f"/console/customers/{customer}")
    expect(page.get_by_role("table", name="Vouchers")).to_have_count(0)
    page.locator("#top-up").get_by_label("Amount").fill("100")
    page.locator("#top-up").get_by_role("button", name="Top up").click()
    expect(page.get_by_text("The wallet now holds CNY 100.00.")).to_be_visible()
