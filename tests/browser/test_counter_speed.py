"""The counter, fast: the camera, a scanner that types, large keys, and a receipt to hand on."""

import re

import jwt
import pytest
from playwright.sync_api import Page, expect

from mealquest.core.clock import utc_now
from tests.browser.conftest import NARROW
from tests.browser.pages import receipt
from tests.product.running import JWT_SECRET

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
TABLET = {"width": 1024, "height": 768}
CAMERA = """
window.BarcodeDetector = class {
  static async getSupportedFormats() { return ["qr_code"]; }
  async detect() { return window.inSight ? [{ rawValue: window.inSight }] : []; }
};
const canvas = document.createElement("canvas");
setInterval(() => canvas.getContext("2d").fillRect(0, 0, Math.random() * 99, 9), 50);
navigator.mediaDevices.getUserMedia = async () => (window.film = canvas.captureStream(9));
"""
REFUSED = CAMERA + (
    "navigator.mediaDevices.getUserMedia ="
    " async () => { throw new DOMException('no', 'NotAllowedError'); };"
)


def code_of(shop, user_id: str) -> str:
    """What the customer's app shows at this moment."""
    now = int(utc_now().timestamp())
    claims = {"role": "CUSTOMER", "merchantId": shop.merchant_id, "userId": user_id}
    token = jwt.encode(claims | {"iat": now, "exp": now + 600}, JWT_SECRET, algorithm="HS256")
    headers = {"Authorization": f"Bearer {token}"}
    return shop.api.get("/api/customer/code", headers=headers).raise_for_status().json()["code"]


def camera_runs(page: Page) -> bool:
    return page.evaluate("window.film.getTracks().some((track) => track.readyState === 'live')")


def test_the_camera_leads_to_the_customer_and_is_off_afterwards(open_page, shop):
    anna = shop.add_customer("Anna", amount=100)
    page = open_page(phone=shop.phone)
    page.add_init_script(CAMERA)
    page.goto("/console/counter")

    page.get_by_role("button", name="Scan a code").click()
    dialog = page.get_by_role("dialog", name="Scan a code")
    expect(dialog).to_contain_text("Hold the customer's code")
    assert camera_runs(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.wait_for_function("window.film.getTracks().every((track) => track.readyState === 'ended')")

    page.get_by_role("button", name="Scan a code").click()
    page.evaluate("window.inSight = 'https://elsewhere.example'")
    expect(dialog).to_contain_text("not a customer's code")
    page.evaluate("code => { window.inSight = code; }", code_of(shop, anna))
    expect(page.get_by_label("Amount of the order")).to_be_focused()
    assert f"userId={anna}" in page.url


def test_a_camera_that_may_not_be_used_says_so(open_page, shop):
    page = open_page(phone=shop.phone, viewport=NARROW)
    page.add_init_script(REFUSED)
    page.goto("/console/counter")
    page.get_by_role("button", name="Scan a code").click()
    expect(page.get_by_role("dialog")).to_contain_text("may not use the camera")


def test_without_a_camera_that_reads_there_is_no_button(open_page, shop):
    for script in (True, False):
        page = open_page(phone=shop.phone, script=script)
        page.goto("/console/counter")
        expect(page.locator("[data-scan]")).to_be_hidden()


def test_a_scanner_that_types_goes_straight_to_the_customer(open_page, shop):
    anna = shop.add_customer("Anna", amount=100)
    shop.add_customer("Bea")
    page = open_page(phone=shop.phone)
    page.goto("/console/counter")
    page.keyboard.type(code_of(shop, anna))
    page.keyboard.press("Enter")
    expect(page.get_by_label("Amount of the order")).to_be_focused()
    assert f"userId={anna}" in page.url


def test_on_a_tablet_two_taps_lead_from_the_customer_served_last_to_paid(open_page, shop):
    anna = shop.add_customer("Anna", amount=100)
    page = open_page(phone=shop.phone, viewport=TABLET)
    page.goto("/console/counter?mode=tablet")
    page.get_by_role("link", name="Anna").click()
    keys = page.get_by_role("group", name="Keys for the amount")

    for key in ("1", "2", ".", "5", "9", "9", "Delete the last digit", "0"):
        keys.get_by_role("button", name=key, exact=True).click()
    expect(page.get_by_label("Amount of the order")).to_have_value("12.50")
    take = page.get_by_role("button", name="Take CNY 12.50")
    expect(take).to_be_in_viewport(ratio=1)
    take.click()
    expect(receipt(page)).to_contain_text("12.50")

    page.get_by_role("link", name="Next payment").click()
    expect(page.get_by_text("Served last")).to_be_visible()
    expect(page.locator(".mq-at-hand").get_by_role("link", name="Anna")).to_be_in_viewport()
    assert shop.wallet(anna)["principal"] == 87.5


@pytest.mark.parametrize("script", [True, False])
def test_a_receipt_goes_from_the_counter_to_the_customers_phone(open_page, shop, script):
    anna = shop.add_customer("Anna", amount=100)
    paid = shop._post("/api/payment/verify", {"userId": anna, "orderAmount": 52})
    page = open_page(phone=shop.phone, script=script, viewport=NARROW)
    page.goto("/console/payments")
    page.get_by_role("link", name="Anna").click()
    expect(receipt(page)).to_contain_text("Paid")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    url = page.locator(".mq-receipt-url a").get_attribute("href")
    assert paid["paymentTxnId"] in page.url

    phone = open_page(viewport=NARROW, script=script, theme="dark")
    phone.goto(url)
    expect(phone.get_by_role("heading", level=1)).to_have_text("Receipt of Noodle House")
    expect(phone.locator("article")).to_contain_text("CNY 52.00")
    assert phone.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
    print_button = phone.get_by_role("button", name="Print or save")
    expect(print_button).to_be_visible() if script else expect(print_button).to_be_hidden()


@pytest.mark.parametrize(("paper", "width"), [("80mm", 80), ("a4", 210)])
def test_a_receipt_is_one_page_of_its_paper(open_page, shop, paper, width):
    anna = shop.add_customer("Anna", amount=100)
    paid = shop._post("/api/payment/verify", {"userId": anna, "orderAmount": 52})
    page = open_page(phone=shop.phone)
    page.goto(f"/console/payments/{paid['paymentTxnId']}/receipt?format={paper}")
    printed = page.pdf(prefer_css_page_size=True)

    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+)", printed)
    assert len(boxes) == 1
    assert abs(float(boxes[0]) * 25.4 / 72 - width) < 1
    page.emulate_media(media="print")
    expect(page.locator("article")).to_be_visible()
    for left_out in (".mq-side", ".mq-page-header", ".mq-tabs", ".mq-foot"):
        expect(page.locator(left_out)).to_be_hidden()
