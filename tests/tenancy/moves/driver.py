"""Drivers that die: a process that forks one for each order, and ends it at the step it is told.

`python -m tests.tenancy.moves.driver` reads orders from its standard input, a line of JSON each.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

REPOSITORY = Path(__file__).parents[3]
DIED = 9


class Drivers:
    """The process, for tests."""

    def __init__(self, setting: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.tenancy.moves.driver"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.order(**setting)

    def order(self, **order: Any) -> dict[str, Any]:
        """Its answer; `{"died": step}` of a driver that was ended there."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        self._process.communicate("")


def serve() -> None:
    from mealquest.engines.service import Endpoints
    from tests.tenancy.moves.conftest import make_app

    setting = json.loads(sys.stdin.readline())
    home = Endpoints(setting["db"], setting["admin_db"], None)
    app = make_app(
        Path(setting["data"]), home, setting["own"], setting["own_admin"], setting["redis"]
    )
    logins = setting["logins"]
    answer({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            with app.app_context():
                take(order, logins)
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status):
            answer({"died": order.get("at")})


def take(order: dict[str, Any], logins: list[str]) -> None:
    from mealquest.core.errors import AppError
    from mealquest.tenancy import service as tenancy
    from mealquest.tenancy.moves import acts
    from mealquest.tenancy.moves.drive import Steps
    from tests.factories.requests import OWNER

    class Ended(Steps):
        """Ends the driver, or only its connections, the first time that it comes to a step."""

        def reached(self, name: str) -> None:
            if name != order.get("at"):
                return
            order["at"] = None
            if order.get("how") == "cut":
                cut_connections(logins)
            else:
                os._exit(DIED)

    merchant_id, steps = order["merchant"], Ended()
    acts_by_name = {
        "cutover": lambda: tenancy.cutover(merchant_id, "", OWNER, steps=steps),
        "rollback": lambda: tenancy.rollback(merchant_id, OWNER, steps=steps),
        "waive": lambda: tenancy.waive_rollback(merchant_id, OWNER, steps=steps),
        "abandon": lambda: acts.abandon(merchant_id, steps=steps),
        "drive": lambda: tenancy.drive_moves(steps),
    }
    try:
        acts_by_name[order["act"]]()
    except AppError as refused:
        answer({"refused": refused.message})
    else:
        answer({"done": True})


def cut_connections(logins: list[str]) -> None:
    """End every connection that a mover has, on both servers."""
    for login in logins:
        with psycopg.connect(login, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'mealquest mover' AND pid <> pg_backend_pid()"
            )


def answer(said: dict[str, Any]) -> None:
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    serve()
