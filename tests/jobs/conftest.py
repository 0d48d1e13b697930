"""The job processes, on this test's database and Redis."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from mealquest.core.bells import Bells
from tests.fakes.sms import SmsEdge
from tests.product.running import Running, flask


@pytest.fixture
def edge() -> Iterator[SmsEdge]:
    with SmsEdge() as edge:
        yield edge


@pytest.fixture
def start(app, edge, tmp_path) -> Iterator[Callable[..., Running]]:
    """Start `flask --app app …`; what is left of it at the end is killed."""
    with ExitStack() as stack:

        def begin(*argv: str, **settings: object) -> Running:
            servers = {
                "MQ_DB_URL": app.config["MIGRATION_URL"],
                "MQ_REDIS_URL": app.extensions["bells"]._url,
                "MQ_SMS_WEBHOOK_URL": edge.url,
            }
            run = flask(*argv, notes=tmp_path, **servers | settings)
            stack.callback(run.end)
            return run

        yield begin


@pytest.fixture
def bells(app) -> Bells:
    """As in a process that has not rung yet."""
    bells: Bells = app.extensions["bells"]
    bells._rung.clear()
    return bells
