"""Two owners: one store's customer pays at the other, and what is owed is capped and settled."""

import csv
import io

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW
from tests.browser.pages import at_the_counter
from tests.browser.shops import Shop

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
URL = "/console/alliance/settlement"


def share(keeper: Shop, member: Shop) -> None:
    for shop in (keeper, member):
        sent = {"stores": [keeper.merchant_id, member.merchant_id], "walletShared": True}
        shop.api.post("/api/merchant/alliance-config", json=sent).raise_for_status()


def pay(shop: Shop, customer: str, amount: int, key: str) -> None:
    sent = {"userId": customer, "orderAmount": amount, "voucherId": "NONE"}
    answer = shop.api.post("/api/payment/verify", json=sent, headers={"Idempotency-Key": key})
    answer.raise_for_status()


def downloaded(page: Page) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    text = download.value.path().read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_what_a_partner_owes_is_shown_capped_and_settled(open_page, new_shop):
    keeper, member = new_shop(), new_shop()
    owner = open_page(phone=member.phone, viewport=NARROW)
    owner.goto(URL)
    expect(owner.get_by_text("No partner yet")).to_be_visible()
    expect(owner.get_by_text("Nothing has moved yet")).to_be_visible()

    share(keeper, member)
    customer = keeper.add_customer("Chen Yulan", amount=100)
    owner.goto(f"{URL}/{keeper.merchant_id}")
    expect(owner.get_by_text("Neither of you owes the other anything.")).to_be_visible()
    expect(owner.get_by_text("Nothing settled yet")).to_be_visible()
    owner.get_by_label("May owe you at most").fill("40")
    owner.get_by_role("button", name="Save the limit").click()
    expect(owner.get_by_text("The limit holds from now on.")).to_be_visible()

    pay(member, customer, 30, "at-the-member")
    at_the_counter(owner, customer, "20").click()
    expect(owner.get_by_text("Nothing was taken.")).to_contain_text("Take cash or a card")
    assert keeper.wallet(customer)["principal"] == 70

    owner.goto(URL)
    partner = owner.get_by_role("row").filter(has=owner.get_by_role("link", name="Settle"))
    expect(partner).to_contain_text("30.00")
    partner.get_by_role("link", name="Settle").click()
    owner.get_by_label("Amount").fill("25")
    owner.get_by_role("button", name="Note it").click()
    owner.get_by_role("dialog").get_by_role("button").last.click()
    expect(owner.get_by_text("5.00 is still owed")).to_be_visible()
    at_the_counter(owner, customer, "20").click()
    owner.wait_for_url("**/console/payments/txn_*")
    assert keeper.wallet(customer)["principal"] == 50

    owner.goto(URL)
    day = owner.locator("#list").get_by_role("row").filter(has_text="Payments: 2")
    expect(day).to_contain_text("Paid between the stores: 1")
    moved = {line["What moved"]: line for line in downloaded(owner)}
    assert moved["Payments"]["Owed to you"] == "50.00"
    assert moved["Paid between the stores"]["Owed by you"] == "25.00"
