"""Every page, and the states of pages that look different. A new page must find its place here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from playwright.sync_api import Page, expect

from mealquest.application import FEATURES
from mealquest.core.principal import Role
from mealquest.web.frame import Endpoint

Act = Callable[[Page], None]
CUSTOMER = "u_fixture_001"


@dataclass(frozen=True, slots=True)
class Stop:
    """A page to look at: where it is and what is done there first."""

    path: str
    act: Act | None = None

    def __str__(self) -> str:
        return self.path + (f" ({self.act.__name__})" if self.act else "")

    def visit(self, page: Page) -> None:
        page.goto(self.path)
        if self.act:
            self.act(page)


def asking_for_a_code(page: Page) -> None:
    page.fill("[name=phone]", "+8613811112222")
    page.locator(".mq-bare-card form .btn-lg").click()
    expect(page.locator("[name=code]")).to_be_visible()


def with_a_bad_phone(page: Page) -> None:
    page.fill("[name=phone]", "12")
    page.locator(".mq-bare-card form .btn-lg").click()
    expect(page.locator("[data-error-summary]")).to_be_visible()


def with_a_bad_top_up(page: Page) -> None:
    page.fill("#top-up [name=amount]", "-1")
    page.locator("#top-up .mq-form-actions button").click()
    expect(page.locator("[data-error-summary]")).to_be_visible()


def with_the_menu(page: Page) -> None:
    menu = page.locator(".mq-menu > summary")
    if menu.is_visible():
        menu.click()


def with_some_operations_open(page: Page) -> None:
    """The whole description is thousands of elements that are all alike."""
    page.evaluate(
        "document.querySelectorAll('.mq-api-op').forEach((operation, index) => {"
        " if (index % 20) operation.remove(); else operation.open = true; })"
    )


def _typed(amount: str) -> Act:
    def typed(page: Page) -> None:
        page.fill("[name=amount]", amount)
        expect(page.locator("#quote :is(.mq-quote, .mq-alert)").first).to_be_visible()

    typed.__name__ = f"amount {amount}"
    return typed


_AT_THE_COUNTER = f"/console/counter?userId={CUSTOMER}"
STATES_OUTSIDE = (
    Stop("/console/sign-in", asking_for_a_code),
    Stop("/console/sign-in", with_a_bad_phone),
    Stop("/console/sign-in?next=/console/onboard"),
    Stop("/no/such/page"),
)
STATES_INSIDE = (
    Stop("/console/", with_the_menu),
    Stop("/console/customers?query=0001"),
    Stop("/console/customers?query=nobody"),
    Stop("/console/customers#new-customer"),
    Stop(f"/console/customers/{CUSTOMER}", with_a_bad_top_up),
    Stop("/console/counter?query=nobody"),
    Stop(_AT_THE_COUNTER),
    *(Stop(_AT_THE_COUNTER, _typed(amount)) for amount in ("41", "10", "500", "1x")),
    Stop("/console/payments/txn_unknown"),
    Stop("/console/onboard"),
    Stop("/console/no/such/page"),
)


def _pages() -> Iterator[Endpoint]:
    for feature in FEATURES:
        for endpoint in feature.endpoints:
            is_html = getattr(endpoint, "media", None) in {None, "text/html"}
            if endpoint.method == "GET" and endpoint.page and is_html:
                yield endpoint


def outside(examples: dict[str, str]) -> list[Stop]:
    """Pages of people who are not signed in."""
    acts = {"/api/docs": with_some_operations_open}
    pages = (_filled(page, examples) for page in _pages() if page.roles is None)
    waiting = "/dev/gateway/pay/{merchant_id}/{waiting_id}".format(**examples)
    return [*(Stop(path, acts.get(path)) for path in pages), Stop(waiting), *STATES_OUTSIDE]


def of_applicants() -> list[Stop]:
    return [Stop(page.page) for page in _pages() if page.roles == {Role.APPLICANT}]


def inside(examples: dict[str, str]) -> list[Stop]:
    """Pages of the console, and what looks different in them."""
    pages = [page for page in _pages() if page.roles and Role.OWNER in page.roles]
    states = (
        "/console/payments/{waiting_id}",
        "/console/payments/{payment_id}/refund?refundAmount=5",
        "/console/payments/{payment_id}/refund?refundAmount=99",
        "/console/payments/{waiting_id}/refund",
    )
    stops = (Stop(state.format(**examples)) for state in states)
    return [*(Stop(_filled(page, examples)) for page in pages), *stops, *STATES_INSIDE]


def _filled(page: Endpoint, examples: dict[str, str]) -> str:
    """The address with its parameters; a KeyError names the one that has no example yet."""
    return page.page.replace("<", "{").replace(">", "}").format(**examples)
