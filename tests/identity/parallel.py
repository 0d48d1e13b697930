"""Real threads with real connections, all let go at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from flask import Flask


def at_once(app: Flask, *calls: Callable[[], Any]) -> list[Any]:
    """What each call returned, or the exception it raised, in the order given."""
    start = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        with app.app_context():
            start.wait(10)
            try:
                return call()
            except Exception as failure:  # noqa: BLE001 - the test looks at it
                return failure

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
