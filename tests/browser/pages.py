"""Ways through the pages, as a person goes them, and a listener for what must not be heard."""

import re
from dataclasses import dataclass, field

from playwright.sync_api import ConsoleMessage, Locator, Page, Response, expect

# Chromium and htmx note every refused request, which is the answer that was asked for, and
# Chromium a socket that was still connecting when its page was left.
EXPECTED = re.compile(
    r"Failed to load resource: the server responded with a status of 4\d\d"
    r"|Response Status Error Code 4\d\d from"
    r"|WebSocket is closed before the connection is established"
)
LOST = re.compile(r"net::ERR_FAILED|htmx:(sendError|afterRequest)")
NEVER = re.compile(r"(?!)")


@dataclass
class Quiet:
    """Collects what a page's console says, its errors, and files that could not be loaded."""

    page: Page
    allowed: re.Pattern[str] = NEVER
    noises: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.noises.append(f"error: {error}"))
        self.page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        expected = EXPECTED.search(message.text) or self.allowed.search(message.text)
        if message.type in {"error", "warning"} and not expected:
            self.noises.append(f"{message.type}: {message.text}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.request.resource_type not in {"document", "xhr"}:
            self.noises.append(f"{response.status}: {response.url}")


def sign_in(page: Page, phone: str) -> None:
    page.goto("/console/sign-in")
    page.fill("[name=phone]", phone)
    page.locator(".mq-bare-card form .btn-lg").click()
    expect(page.locator("[name=code]")).to_have_value(re.compile(r"\d{6}"))
    page.locator("[name=code]").press("Enter")
    page.wait_for_url("**/console/")


def at_the_counter(page: Page, user_id: str, amount: str = "") -> Locator:
    """The button that takes the amount; without script after one more step."""
    page.goto(f"/console/counter?userId={user_id}")
    if amount:
        page.fill("[name=amount]", amount)
        if page.locator("html.has-script").count() == 0:
            page.locator(".mq-ask button").click()
    return page.locator(".mq-take:not([aria-disabled])")


def receipt(page: Page) -> Locator:
    """The banner of the payment's own page."""
    page.wait_for_url(re.compile(r"/console/payments/txn_"))
    return page.locator(".mq-banner")
