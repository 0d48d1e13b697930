"""Where Chromium is, and what happens to the browser tests when there is none. A pytest plugin."""

import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ADVICE = "no Chromium found: apt-get install chromium (or put Google Chrome on the PATH)"
LEFT_OUT = pytest.StashKey[int]()


def path() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def is_missing() -> bool:
    """Whether the browser tests are to be left out. Continuous integration runs or fails them."""
    return path() is None and not os.environ.get("CI")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not is_missing():
        return
    left_out = [item for item in items if item.get_closest_marker("browser")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
        config.stash[LEFT_OUT] = len(left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error) -> None:
    """Every worker of xdist collects, and tells what it left out."""
    if count := getattr(node, "workeroutput", {}).get("browser_left_out"):
        node.config.stash[LEFT_OUT] = count


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["browser_left_out"] = session.config.stash.get(LEFT_OUT, 0)


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    if count := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(f"{count} browser tests left out, {ADVICE}", yellow=True)
