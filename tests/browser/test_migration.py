"""An owner moves the shop to a database of its own while it sells, and brings it back."""

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
A_WHILE = 20_000  # milliseconds; a database is made and copied


def press(page: Page, name: str, confirm: str | None = None) -> None:
    page.locator("#move").get_by_role("button", name=name, exact=True).click()
    if confirm:
        page.get_by_role("dialog").get_by_role("button", name=confirm).click()


def test_an_owner_moves_the_shop_and_brings_it_back(open_page, shop):
    customer = shop.add_customer("Chen Yulan")

    def top_up(key: str) -> float:
        sent = {"userId": customer, "amount": 10, "method": "CASH"}
        answer = shop.api.post("/api/wallet/top-ups", json=sent, headers={"Idempotency-Key": key})
        return answer.raise_for_status().json()["wallet"]["principal"]

    page = open_page(phone=shop.phone)
    page.goto("/console/migration")
    expect(page.get_by_role("row").filter(has_text="The log tells enough")).to_contain_text("met")
    press(page, "Begin to copy")
    expect(page.locator("#move")).to_contain_text("The copy is in step", timeout=A_WHILE)
    assert top_up("while-copied") == 10
    press(page, "Compare every row")
    expect(page.locator("#move")).to_contain_text("Compared, all the same")
    press(page, "Switch over", "Switch over")
    expect(page.locator("#move")).to_contain_text("Its own database")
    expect(page.locator("#move")).to_contain_text(shop.merchant_id)
    assert top_up("in-its-own") == 20
    assert top_up("while-copied") == 10  # the answer of then, from the database of now
    press(page, "Go back", "Go back")
    expect(page.locator("#move")).to_contain_text("The common database", timeout=A_WHILE)
    assert top_up("back-again") == 30
    expect(page.get_by_role("row").filter(has_text="Went back")).to_contain_text("ms")
