from collections.abc import Iterator

import pytest
from flask import Flask

from mealquest.application import create_app
from mealquest.core.settings import Profile, Settings
from tests.conftest import JWT_SECRET
from tests.factories.http import Client, client_of
from tests.web.shops import Shop, open_shop

OPERATOR_KEY = "operator-key-of-the-tests"


@pytest.fixture
def client(app: Flask) -> Client:
    return client_of(app)


@pytest.fixture
def shop(app: Flask) -> Shop:
    return open_shop("Alpha", 6)


@pytest.fixture
def stranger(app: Flask, shop: Shop) -> Shop:
    """Another shop, which must never see or touch anything of `shop`."""
    return open_shop("Beta", 8)


def _another(app: Flask, redis_url: str, **settings) -> Flask:
    """The application once more, over the same database, with other settings."""
    other = create_app(
        Settings(
            _env_file=None,
            jwt_secret=JWT_SECRET,
            db_pool_max=5,
            log_level="WARNING",
            **({"profile": Profile.TEST} | settings),
        ),
        db_url=app.config["MIGRATION_URL"],
        admin_url=app.config["MIGRATION_URL"],
        redis_url=redis_url,
    )
    other.config["TESTING"] = True
    return other


@pytest.fixture(scope="session")
def another(app: Flask) -> Iterator:
    """Make more applications over the test's database; their connections are closed at the end."""
    from mealquest.core.db import db, ring_with

    made = []

    def make(redis_url: str | None = None, **settings) -> Flask:
        shared = app.extensions["bells"].redis_url
        made.append(_another(app, redis_url or shared, **settings))
        ring_with(app.extensions["bells"].ring)
        return made[-1]

    yield make
    for other in made:
        with other.app_context():
            db.engine.dispose()
