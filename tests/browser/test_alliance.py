"""Two owners: one invites, the other reads what it means, agrees, and leaves again."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NARROW

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_two_owners_agree_and_part_and_the_first_one_sees_it_live(open_page, new_shop):
    first, second = new_shop(), new_shop()
    inviter = open_page(phone=first.phone)
    inviter.goto("/console/alliance")
    inviter.get_by_label("Store", exact=True).fill(second.merchant_id)
    inviter.get_by_role("button", name="Invite").click()
    stores = inviter.locator("#alliance")
    expect(stores.get_by_role("row").filter(has_text=second.merchant_id)).to_contain_text(
        "waits for the owner"
    )

    invited = open_page(phone=second.phone, script=False, viewport=NARROW)
    invited.goto("/console/")
    invited.get_by_role("link", name="Read what it means").click()
    meaning = invited.locator(f"#invitation-{first.merchant_id}")
    expect(meaning).to_contain_text("keeps it: the money, the bonus and the vouchers")
    expect(meaning).to_contain_text("what one owes the other stays owed")
    meaning.get_by_role("button", name="Agree").click()
    expect(invited.locator("#alliance")).to_contain_text("keeps the wallets")
    expect(stores).to_contain_text("Shares its wallet with you since")  # by itself

    invited.get_by_role("button", name="Leave", exact=True).click()
    expect(invited.locator("#alliance")).to_contain_text("Not any more")
    expect(stores).to_contain_text("Your list still names it")
    config = first.api.get("/api/merchant/alliance-config").json()
    assert config["stores"] == [first.merchant_id, second.merchant_id]  # its owner's own affair
