"""Run calls at the same moment, each in a thread and an application context of its own."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session


def run_together(app: Flask, calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each call returned, or the exception it raised, in the order given."""
    start = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        with app.app_context():
            start.wait(timeout=20)
            try:
                return call()
            except Exception as failure:  # noqa: BLE001 - the test looks at it
                return failure

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def wait_until_somebody_waits_for(session: Session) -> None:
    """Return once another transaction waits for a lock that this one holds."""
    waiting = text(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted"
        " AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
    )
    deadline = time.monotonic() + 4
    while not session.execute(waiting).scalar_one():
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.005)
