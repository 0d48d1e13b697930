"""Every page in both languages and themes: accessible, narrow enough for a phone, translated."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser import links
from tests.browser.conftest import NARROW, WIDE
from tests.browser.shops import new_phone
from tests.browser.walk import CUSTOMER, inside, of_applicants, outside
from tests.product.running import GUEST, MERCHANT, Product

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
languages = pytest.mark.parametrize("locale", ["en", "zh_Hans"])
OWNER_OF_DEMO = "+8613900000000"
AXE = Axe()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

# What stays in Latin letters on a Chinese page: names, codes (in capitals), ids and addresses.
NAMES = """
    cluster_fixture_brand
    MealQuest Stripe OpenAPI En English Chrome Linux Fixture Merchant User Friend Bistro Harbor
    Chen Yulan Zhou Ming Lin Xiaomei Henri Laurent Braised Beef Thirty Off Noodle House Corner
    Coffee Welcome Shift
"""
# What the demo data's proposal says, in the language that its shop speaks.
DRAFT = "Rainy Day Promotion|Rainy Day Hot Soup|Rain outside, hot soup inside|" + (
    r"Fits the weather - Warmth when it rains|It rains outside\. Inside, the soup is hot"
)
ALLOWED = re.compile(
    rf"https?://\S*|{DRAFT}|[\w.]+@[\w.]+|\b(?:{'|'.join(NAMES.split())}|[A-Z][A-Z0-9_]+|nobody)\b"
    r"|\b(?:txn|req|u|m|topup|voucher|staff|audit|refund|export|plan|in)_\w+"  # ids
    r"|\b(?:partner|ext_order|campaign|sku|tpl)_\w+"
    r"|\bFire sale: "  # named in the shop's language, which is English here
    r"|\b[a-z]+\.[a-z_]+\b|(?:/[\w.{}-]+)+"  # routes and paths
    r"|\bmealquest__\w+|\b[A-Z][a-z]+(?:[A-Z][a-z]+)+|[A-Z]\w+/[A-Z]\w+"  # schemas, time zones
)
LATIN, CHINESE = re.compile(r"[A-Za-z]{2,}"), re.compile(r"[\u4e00-\u9fff]")
FOREIGN = {
    "en": lambda text: bool(CHINESE.search(text)) and text not in {"中文", "简体中文"},
    "zh_Hans": lambda text: bool(LATIN.search(ALLOWED.sub("", text))),
}
TEXTS = """() => {
    // Not every city of a time zone has a Chinese name in the tables the product goes by.
    const cities = "select[name=timeZone] option";
    const skipped = `code, pre, kbd, script, style, template, svg, body [lang], ${cities}`;
    const found = [];
    const walker = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_ELEMENT);
    for (let node = walker.currentNode; node; node = walker.nextNode()) {
        if (node.closest(skipped)) continue;
        for (const child of node.childNodes) if (child.nodeType === 3) found.push(child.data);
        for (const name of ["title", "alt", "placeholder", "aria-label", "data-announce"])
            if (node.hasAttribute(name)) found.push(node.getAttribute(name));
    }
    return found.map((text) => text.trim()).filter(Boolean);
}"""


@pytest.fixture(scope="session")
def examples(product) -> dict[str, str]:
    """Things to fill the parameters of addresses with, at the demo merchant."""
    with product.client("OWNER", "staff_owner") as api:
        paid, other, waiting = (payment_of(api, amount) for amount in (12, 13, 400))
        audit_id = api.get("/api/audit/logs").raise_for_status().json()["items"][0]["auditId"]
        link = api.get(f"/api/payments/{paid}/receipt").raise_for_status().json()["url"]
        asked = api.post("/api/privacy/exports", json={"userId": CUSTOMER}).raise_for_status()
        named = {"paymentTxnId": paid, "title": "Noodle House"}
        invoice = api.post("/api/invoice/issue", json=named).raise_for_status()
        partner = {"partner_id": "partner_coffee", "order_id": "ext_order_1001"}
        order = "/api/supplier/orders/{partner_id}/{order_id}".format(**partner)
        api.post(f"{order}/delivery", json={"amount": 36}).raise_for_status()
        rows = {"file": "orderId,amount\next_order_1002,12.5", "partnerId": "partner_coffee"}
        staged = api.post("/api/supplier/imports", json=rows).raise_for_status()
        owed = receivable_of(product, api)
        sale = api.post("/api/merchant/fire-sale", json={}).raise_for_status().json()
        vague = {"intent": "something nice"}
        plan = api.post("/api/merchant/strategy-proposals", json=vague).raise_for_status().json()
        share_with_the_bistro(product, api)
    return partner | {
        "store_id": "m_bistro",
        "receivable_id": owed,
        "campaign_id": sale["campaignId"],
        "proposal_id": "proposal_rainy",
        "plan_id": plan["planId"],
        "import_id": staged.json()["importId"],
        "user_id": CUSTOMER,
        "payment_id": paid,
        "txn_id": paid,
        "payment_txn_id": other,  # has no invoice
        "waiting_id": waiting,
        "audit_id": audit_id,
        "export_id": asked.json()["exportId"],
        "invoice_id": failed_invoice(product),
        "task_id": parked_task(product),
        "invoice_no": invoice.json()["invoiceNo"],
        "staff_id": "staff_clerk",
        "merchant_id": MERCHANT,
        "token": link.rpartition("/")[2],
        "pay_token": links.pay_token("in_example"),
        "leave_token": links.leave_token(),
    }


def share_with_the_bistro(product: Product, api: httpx.Client) -> None:
    """The demo merchant keeps the wallets; the bistro takes a payment from one of them."""
    token = product.token("OWNER", "staff_owner", "m_bistro")
    theirs = httpx.Client(base_url=product.url, headers={"Authorization": f"Bearer {token}"})
    with theirs:
        for owner in (api, theirs):
            owner.post("/api/merchant/alliance-config", json={"walletShared": True})
        order = {"userId": CUSTOMER, "orderAmount": 1, "voucherId": "NONE"}
        sent = {"Idempotency-Key": "at-the-bistro"}
        theirs.post("/api/payment/verify", json=order, headers=sent).raise_for_status()


def failed_invoice(product: Product) -> str:
    """An invoice in recovery."""
    with product.database() as connection:
        connection.execute(
            "INSERT INTO recovery_cases (merchant_id, invoice_id, status, currency, amount_due,"
            " attempt_count, first_failed_at, last_failed_at, last_event_at)"
            " VALUES (%s, 'in_example', 'open', 'usd', 4200, 1, now(), now(), now())"
            " ON CONFLICT DO NOTHING",
            [MERCHANT],
        )
    return "in_example"


def parked_task(product: Product) -> str:
    """A reminder that was given up."""
    with product.database() as connection:
        connection.execute(
            "INSERT INTO scheduled_tasks (merchant_id, id, task_type, payload, status, invoice_id,"
            " attempts, last_error, completed_at) VALUES (%s, 71, 'dunning_retry',"
            """ '{"invoiceId": "in_example"}', 'failed', 'in_example', 6, 'Stripe: 500', now())"""
            " ON CONFLICT DO NOTHING",
            [MERCHANT],
        )
    return "71"


def receivable_of(product: Product, api: httpx.Client) -> str:
    """What a new customer owes: what a payment had earned is spent, and the payment goes back."""

    def send(path: str, **body: object) -> dict[str, Any]:
        answer = api.post(path, json=body, headers={"Idempotency-Key": uuid4().hex})
        return answer.raise_for_status().json()

    uid = send("/api/customers", phone=new_phone(), displayName="Fixture User")["uid"]
    gift = {"type": "ITEM_WARRANT", "name": "Thirty Off", "value": 5}
    first, earned = (send(f"/api/customers/{uid}/vouchers", **gift)["id"] for _ in range(2))
    paid, _spent = (
        send("/api/payment/verify", userId=uid, orderAmount=5, voucherId=voucher)["paymentTxnId"]
        for voucher in (first, earned)
    )
    with product.database() as connection:
        connection.execute(
            "INSERT INTO payment_gifts (merchant_id, id, payment_id, kind, amount_minor,"
            " voucher_id, granted_by) VALUES (%s, 'gift_1', %s, 'VOUCHER', 500, %s, 'campaign')",
            [MERCHANT, paid, earned],
        )
    send("/api/payment/refund", paymentTxnId=paid, refundAmount=5)
    (owed,) = api.get("/api/receivables").raise_for_status().json()["items"]
    return owed["receivableId"]


def payment_of(api: httpx.Client, amount: int) -> str:
    """A new payment by a guest of the demo merchant; a large one waits for outside money."""
    order = {"userId": GUEST, "orderAmount": amount}
    answer = api.post(
        "/api/payment/verify", json=order, headers={"Idempotency-Key": f"example-{amount}"}
    )
    return answer.raise_for_status().json()["paymentTxnId"]


@pytest.fixture
def walk(open_page, examples):
    """Visit every page in one language; yields each with the words for where it is."""

    def through(locale: str, **options) -> Iterator[tuple[Page, str]]:
        for phone, stops in (
            (None, outside(examples)),
            (OWNER_OF_DEMO, inside(examples)),
        ):
            page = open_page(locale=locale, phone=phone, **options)
            for stop in stops:
                stop.visit(page)
                yield page, str(stop)
        page = open_page(locale=locale, **options)
        _become_an_applicant(page)
        for stop in of_applicants():
            stop.visit(page)
            yield page, str(stop)

    return through


def _become_an_applicant(page: Page) -> None:
    page.goto("/console/sign-in")
    page.fill("[name=phone]", new_phone())
    page.locator(".mq-bare-card form .btn-lg").click()
    page.locator("[name=code]").press("Enter")
    page.wait_for_url("**/console/onboard")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("locale", "theme", "viewport"), [("en", "light", WIDE), ("zh_Hans", "dark", NARROW)]
)
def test_every_page_is_accessible_whole_and_in_one_language(walk, locale, theme, viewport):
    """Colours know no language: each theme and each width is looked at in one of them."""
    found: list[str] = []
    foreign: set[str] = set()
    for page, where in walk(locale, theme=theme, viewport=NARROW):
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > NARROW["width"]:
            found.append(f"{where}: {width} px")
        assert page.locator("html").get_attribute("lang") == locale.replace("_", "-"), where
        texts = page.evaluate(TEXTS)
        assert texts, where
        foreign.update(f"{where}: {text[:90]}" for text in texts if FOREIGN[locale](text))
        page.set_viewport_size(viewport)
        found += [f"{where}: {problem}" for problem in violations(page)]
        page.set_viewport_size(NARROW)
    assert not found, "\n".join(found)
    assert not foreign, "\n".join(sorted(foreign))


@languages
def test_an_empty_shop_is_accessible_too(open_page, shop, locale):
    page = open_page(locale=locale, phone=shop.phone)
    found: list[str] = []
    for path in ("/console/", "/console/customers", "/console/counter", "/console/payments"):
        page.goto(path)
        found += [f"{path}: {problem}" for problem in violations(page)]
    assert not found, "\n".join(found)


def violations(page: Page) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.axe_script)
    page.wait_for_function("() => !document.querySelector('.htmx-request')")
    options = {"runOnly": RULES, "resultTypes": ["violations"]}
    result = page.evaluate("options => axe.run(options)", options)
    return [
        f"{violation['id']} {[node['html'][:160] for node in violation['nodes'][:3]]}"
        for violation in result["violations"]
    ]
