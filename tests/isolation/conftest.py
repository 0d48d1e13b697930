import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.isolation.world import World


@pytest.fixture
def world(app: Flask, monkeypatch: pytest.MonkeyPatch) -> World:
    """Samples name an operators' key, and lead to a gateway at the product's own address."""
    settings = app.config["SETTINGS"]
    monkeypatch.setattr(settings, "port", 1)
    monkeypatch.setattr(settings, "admin_api_key", settings.admin_api_key)
    return World(app)


@pytest.fixture
def visitor(app: Flask) -> FlaskClient:
    """Without a memory: a try sends all of its headers itself."""
    return FlaskClient(app, response_wrapper=app.response_class, use_cookies=False)
