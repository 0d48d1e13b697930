"""A customer asks for their data, and then to be forgotten: the owner's way through the pages."""

import io
import json
import zipfile

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
both = pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])


@both
def test_export_then_delete(open_page, shop, script):
    anna = shop.add_customer("Anna Bell", amount=30)
    page = open_page(script=script, phone=shop.phone)
    page.goto(f"/console/customers/{anna}")

    page.get_by_role("button", name="Export data").click()
    expect(page.locator(".mq-banner")).to_contain_text("The file is ready")
    with page.expect_download() as started:
        page.get_by_role("link", name="Download").click()
    with zipfile.ZipFile(io.BytesIO(started.value.path().read_bytes())) as archive:
        [person] = json.loads(archive.read("customer.json"))
    assert (person["displayName"], person["phone"]) == ("Anna Bell", shop.people[anna])

    page.goto(f"/console/customers/{anna}")
    page.get_by_role("link", name="Delete personal data").click()
    expect(page.get_by_text("30.00 is left in the wallet")).to_be_visible()
    page.get_by_label("Yes, erase everything personal").check()
    page.get_by_role("button", name="Delete for good").click()

    expect(page.locator("h1")).to_have_text(f"ANONYMIZED_{anna}")
    expect(page.get_by_role("button", name="Top up")).to_have_count(0)
    assert shop.wallet(anna)["principal"] == 30
    page.goto("/console/customers?query=Anna")
    expect(page.get_by_text("Anna Bell")).to_have_count(0)
