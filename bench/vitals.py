"""What somebody feels who opens the console on a cheap phone: LCP, INP and CLS of three pages.

`python -m bench.vitals [URL]`. Starts a product of its own unless it is told where one runs (in
development, with the demo data). Headless Chromium plays the phone: 360 x 800 at twice the density,
a CPU four times slower, 1.6 Mbps down, 750 kbps up and 150 ms for each request. Each run opens the
page with an empty cache, uses it, and opens it once more with what is cached. Exits with 1 when a
median misses its aim. On a machine that does other work besides, the medians tell more.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from bench import shop
from tests.browser import chromium
from tests.browser.pages import sign_in
from tests.browser.shops import Shop, open_shop

ROWS = 25  # payments in the list
AIMS = {"LCP ms": 1200.0, "INP ms": 100.0, "CLS": 0.02}
PHONE = {
    "viewport": {"width": 360, "height": 800},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
    "locale": "en-US",
}
NETWORK = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1_600_000 / 8,
    "uploadThroughput": 750_000 / 8,
}
SLOWER_CPU = 4
OBSERVE = """
window.vitals = { lcp: 0, cls: 0, interactions: {} };
const watch = (type, see, more = {}) => new PerformanceObserver((list) =>
    list.getEntries().forEach(see)).observe({ type, buffered: true, ...more });
watch("largest-contentful-paint", (entry) => { vitals.lcp = entry.startTime; });
watch("layout-shift", (entry) => { if (!entry.hadRecentInput) vitals.cls += entry.value; });
watch("event", (entry) => {
    if (!entry.interactionId) return;
    const longest = vitals.interactions[entry.interactionId] || 0;
    vitals.interactions[entry.interactionId] = Math.max(longest, entry.duration);
}, { durationThreshold: 16 });
"""
AT_REST = """() => new Promise((rest) =>
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(rest, 300))))"""


@dataclass(frozen=True)
class Figures:
    lcp: float  # ms after the navigation began
    inp: float  # ms of the slowest tap or key
    cls: float
    kilobytes: float
    requests: int


def use_home(page: Page) -> None:
    """Look into the menu and close it again."""
    menu = page.locator(".mq-bottom summary")
    menu.tap()
    page.wait_for_timeout(200)
    menu.tap()


def use_counter(page: Page) -> None:
    """Type an amount key by key and see what it would use."""
    entry = page.locator("#field-amount")
    entry.tap()
    entry.press_sequentially("12.50", delay=120)
    page.locator(".mq-take:not([aria-disabled])").wait_for()
    entry.press("Backspace")
    entry.press_sequentially("5", delay=120)


def use_payments(page: Page) -> None:
    """Narrow the list down, and open the menu."""
    page.locator("#filter-status").focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_timeout(800)
    use_home(page)


PAGES: dict[str, Callable[[Page], None]] = {
    "/console/": use_home,
    "/console/counter": use_counter,
    "/console/payments": use_payments,
}


def main() -> None:
    arguments = _arguments()
    with _product(arguments.url) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.path())
        merchant = _merchant(url)
        state = _signed_in(browser, url, merchant.phone)
        print(
            f"load of the machine {os.getloadavg()[0]:.1f}, {arguments.runs} runs, median (worst)"
        )
        print(
            "page                     LCP ms          INP ms          CLS            KB  requests"
        )
        missed: list[str] = []
        for path, use in PAGES.items():
            address = url + path + _rest(path, merchant)
            runs = [_visits(browser, state, address, use) for _ in range(arguments.runs)]
            for cache, of_one in zip(("cold", "warm"), zip(*runs, strict=True), strict=True):
                missed += _report(f"{path}, {cache}", of_one)
        print(_load())
        browser.close()
    sys.exit("\n".join(missed) or 0)


def _load() -> str:
    return f"load of the machine {os.getloadavg()[0]:.1f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", nargs="?", help="of a product in development that runs already")
    parser.add_argument("--runs", type=int, default=5)
    return parser.parse_args()


@contextmanager
def _product(url: str | None) -> Iterator[str]:
    if url:
        yield url.rstrip("/")
        return
    with shop.open_shop() as started:
        yield started.endpoints["http"]


def _merchant(url: str) -> Shop:
    """A shop with a customer and some payments."""
    merchant = open_shop(SimpleNamespace(url=url))
    anna = merchant.add_customer("Anna", amount=1000, bonus=100)
    for number in range(ROWS):
        order = {"userId": anna, "orderAmount": 1 + number}
        answer = merchant.api.post(
            "/api/payment/verify", json=order, headers={"Idempotency-Key": f"vitals-{number}"}
        )
        answer.raise_for_status()
    return merchant


def _rest(path: str, merchant: Shop) -> str:
    """The counter is looked at with a customer."""
    customer = next(iter(merchant.people))
    return f"?userId={customer}&idempotencyKey=vitals" if "counter" in path else ""


def _signed_in(browser: Browser, url: str, phone: str) -> Any:
    """The cookies of an owner."""
    context = browser.new_context(base_url=url)
    page = context.new_page()
    sign_in(page, phone)
    state = context.storage_state()
    context.close()
    return state


def _visits(
    browser: Browser, state: Any, address: str, use: Callable[[Page], None]
) -> tuple[Figures, Figures]:
    """The page with an empty cache, and once more."""
    context = browser.new_context(storage_state=state, **PHONE)
    context.add_init_script(OBSERVE)
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.emulateNetworkConditions", NETWORK)
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER_CPU})
    received: list[int] = []
    devtools.on("Network.loadingFinished", lambda sent: received.append(sent["encodedDataLength"]))
    cold = _visit(page, address, use, received)
    page.goto("about:blank")
    warm = _visit(page, address, use, received)
    context.close()
    return cold, warm


def _visit(page: Page, address: str, use: Callable[[Page], None], received: list[int]) -> Figures:
    received.clear()
    page.goto(address, wait_until="load")
    page.wait_for_timeout(700)  # what comes late shifts late
    traffic = [size for size in received if size]
    use(page)
    page.evaluate(AT_REST)
    vitals = page.evaluate("vitals")
    slowest = max(vitals["interactions"].values(), default=None)
    if slowest is None or not vitals["lcp"]:
        raise RuntimeError(f"{address}: nothing was painted, or no tap counted")
    return Figures(vitals["lcp"], slowest, vitals["cls"], sum(traffic) / 1024, len(traffic))


def _report(what: str, runs: tuple[Figures, ...]) -> list[str]:
    """One line of the table; what misses its aim."""
    shown, missed = [], []
    for name, aim in AIMS.items():
        values = [getattr(run, name.split()[0].lower()) for run in runs]
        median, digits = statistics.median(values), 3 if aim < 1 else 0
        shown.append(f"{median:7.{digits}f} ({max(values):.{digits}f})")
        if median > aim:
            missed.append(f"{what}: {name} {median:.{digits}f}, the aim is {aim}")
    last = runs[-1]
    cells = "".join(f"{cell:<16}" for cell in shown)
    print(f"{what:<24}{cells}{last.kilobytes:4.0f}  {last.requests:8}", flush=True)
    return missed


if __name__ == "__main__":
    main()
