"""Make the README's picture again: `.venv/bin/python -m docs.images.make` (needs Chromium)."""

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser import chromium
from tests.browser.pages import at_the_counter, sign_in
from tests.product.running import Product

HERE = Path(__file__).parent
OWNER = "+8613900000000"


def main() -> None:
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        product = Product(Path(home) / "data")
        try:
            product.ready()
            browser = playwright.chromium.launch(
                executable_path=chromium.path(), args=["--no-sandbox"]
            )
            page = browser.new_page(
                base_url=product.url,
                viewport={"width": 1280, "height": 800},
                reduced_motion="reduce",
                locale="en-US",
            )
            sign_in(page, OWNER)
            at_the_counter(page, "u_fixture_001", "52").wait_for()
            page.locator("#quote:not(.is-stale)").wait_for()
            page.screenshot(path=HERE / "counter.png")
            browser.close()
        finally:
            product.end()


if __name__ == "__main__":
    main()
