from base64 import b64encode
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from mealquest.application import create_app
from mealquest.core.principal import Role
from mealquest.core.settings import Profile, Settings
from tests.conftest import JWT_SECRET, _nth, _number
from tests.factories.http import Client, bearer, client_of
from tests.web.shops import Shop, open_shop

OPERATOR_KEY = "operator-key-of-the-tests"
NOWHERE_DB, NOWHERE_REDIS = "postgresql://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1/0"
USUAL = {
    "profile": Profile.TEST,
    "jwt_secret": JWT_SECRET,
    "db_pool_max": 5,
    "log_level": "WARNING",
}
SECRETS = {  # what staging and prod insist on
    "payment_callback_secret": "another secret",
    "encryption_keys": "one:" + b64encode(b"k" * 32).decode(),
}


@pytest.fixture
def client(app: Flask) -> Client:
    return client_of(app)


@pytest.fixture
def shop(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop; the product's own address is one where nobody answers the sandbox gateway.

    An operators' key that a sample sets is gone after the test.
    """
    settings = app.config["SETTINGS"]
    monkeypatch.setattr(settings, "port", 1)
    monkeypatch.setattr(settings, "admin_api_key", settings.admin_api_key)
    return open_shop("Alpha", 6)


@pytest.fixture
def stranger(app: Flask, shop: Shop) -> Shop:
    """Another shop, which must never see or touch anything of `shop`."""
    return open_shop("Beta", 8)


@pytest.fixture
def owner(shop: Shop) -> dict[str, str]:
    """The headers that make a request one of the shop's owner."""
    return bearer(shop.tokens[Role.OWNER])


@pytest.fixture(scope="session")
def redis_url(servers, worker_id) -> str:
    """The Redis of this worker, as `app` has it."""
    return _nth(servers[1], _number(worker_id))


@pytest.fixture(scope="session")
def another(app: Flask, redis_url: str) -> Iterator[Callable[..., Flask]]:
    """Make more applications over the test's database; their connections are closed at the end."""
    from mealquest.core.db import db

    made = []

    def make(
        *, redis_url: str = redis_url, db_url: str = app.config["MIGRATION_URL"], **settings
    ) -> Flask:
        settings = Settings(_env_file=None, **(USUAL | settings))
        other = create_app(settings, db_url=db_url, admin_url=db_url, redis_url=redis_url)
        other.config["TESTING"] = True
        made.append(other)
        return other

    yield make
    for other in made:
        with other.app_context():
            db.engine.dispose()
