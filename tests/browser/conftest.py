"""One product and one Chromium for all browser tests of a worker; a shop and a context a test."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import chromium
from tests.browser.pages import NEVER, Quiet, sign_in
from tests.browser.shops import Shop, open_shop
from tests.product.running import Product

NARROW, WIDE = {"width": 360, "height": 740}, {"width": 1280, "height": 800}
Open = Callable[..., Page]


@pytest.fixture(scope="session")
def product(tmp_path_factory) -> Iterator[Product]:
    """A fresh installation, started as its README says, with the demo data."""
    product = Product(tmp_path_factory.mktemp("browser") / "data")
    try:
        yield product.ready()
    finally:
        product.end()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = chromium.path()
    if executable is None:
        pytest.fail(chromium.ADVICE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, product: Product) -> Iterator[Open]:
    """Open pages in contexts of their own; at the end their consoles must have been quiet."""
    opened: list[tuple[Any, Quiet]] = []

    def open_one(
        *,
        script: bool = True,
        locale: str = "en",
        theme: str = "light",
        viewport: dict[str, int] | None = None,
        phone: str | None = None,
        allowed: re.Pattern[str] = NEVER,
    ) -> Page:
        context = browser.new_context(
            base_url=product.url,
            java_script_enabled=script,
            reduced_motion="reduce",
            viewport=viewport or WIDE,
            locale="en-US",
        )
        context.set_default_timeout(10_000)
        context.add_cookies(
            [
                {"name": "mq_locale", "value": locale, "url": product.url},
                {"name": "mq_theme", "value": theme, "url": product.url},
            ]
        )
        page = context.new_page()
        opened.append((context, Quiet(page, allowed)))
        if phone:
            sign_in(page, phone)
        return page

    yield open_one
    for context, quiet in opened:
        context.close()
        assert quiet.noises == []


@pytest.fixture
def new_shop(product: Product) -> Iterator[Callable[..., Shop]]:
    """Open shops for this test alone."""
    opened: list[Shop] = []

    def open_one(**options: bool) -> Shop:
        opened.append(open_shop(product, **options))
        return opened[-1]

    yield open_one
    for shop in opened:
        shop.api.close()


@pytest.fixture
def shop(new_shop) -> Shop:
    """A shop of this test alone, without customers."""
    return new_shop()
