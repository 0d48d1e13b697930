"""What a first visit transfers, and what a second one need not."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
MOST = 120 * 1024  # bytes over the wire, compressed, headers included


@dataclass
class Traffic:
    """Bytes a page received over the network, by URL."""

    page: Page
    urls: dict[str, str] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        devtools = self.page.context.new_cdp_session(self.page)
        devtools.send("Network.enable")
        devtools.on("Network.responseReceived", self._answered)
        devtools.on("Network.loadingFinished", self._finished)

    def _answered(self, event: dict[str, Any]) -> None:
        self.urls[event["requestId"]] = event["response"]["url"]

    def _finished(self, event: dict[str, Any]) -> None:
        url = self.urls.get(event["requestId"])
        if url and event["encodedDataLength"]:
            self.received[url] = self.received.get(url, 0) + int(event["encodedDataLength"])


@pytest.mark.parametrize("path", ["/console/sign-in", "/console/counter?userId=u_fixture_001"])
def test_the_first_load_is_light_and_the_second_brings_no_file_again(open_page, path):
    page = open_page(phone="+8613900000000") if "counter" in path else open_page()
    page.context.new_cdp_session(page).send("Network.clearBrowserCache")
    first = Traffic(page)
    page.goto(path, wait_until="networkidle")
    assert any("/static/" in url for url in first.received)
    assert sum(first.received.values()) <= MOST, first.received

    page.reload(wait_until="networkidle")  # the icon of the tab may come late
    second = Traffic(page)
    page.goto(path, wait_until="networkidle")
    assert [url for url in second.received if "/static/" in url] == []
