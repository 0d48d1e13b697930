"""The start makes and migrates every database of the map; one that is down holds nobody up."""

import json

import psycopg
import pytest

from mealquest import launch
from mealquest.core.db import databases, db, transaction
from mealquest.core.errors import MerchantUnavailable
from mealquest.core.settings import Profile, Settings
from mealquest.launch import Servers
from tests.conftest import JWT_SECRET
from tests.factories.merchants import make_merchant
from tests.fakes.relay import free_port


def test_what_is_missing_is_made_and_what_is_down_is_reported(app) -> None:
    home = app.config["MIGRATION_URL"]
    made, gone = f"{home}_made", f"postgresql://nobody@127.0.0.1:{free_port()}/gone"
    make_merchant("m_calm")
    settings = Settings(
        _env_file=None,
        profile=Profile.TEST,
        jwt_secret=JWT_SECRET,
        log_level="ERROR",
        tenant_db_map=json.dumps({"m_gone": gone, "m_made": made, "m_twin": made}),
    )
    where = Servers(home, home, "redis://127.0.0.1:1/0", None)
    try:
        started = launch.create(settings, where, make_database=True)
        waiting = launch.prepare(started)
        assert list(waiting) == ["m_gone"]
        with started.app_context():
            assert databases().named("m_made") is databases().named("m_twin")
            assert databases().named("m_made").watch.look() is None
            with transaction("m_calm") as session:
                assert session.info["place"].is_home
            with pytest.raises(MerchantUnavailable):
                databases().named("m_gone").watch.require_up()
            databases().end()
            db.engine.dispose()
    finally:
        with psycopg.connect(home.rpartition("/")[0] + "/postgres", autocommit=True) as server:
            server.execute(f'DROP DATABASE IF EXISTS "{made.rpartition("/")[2]}" WITH (FORCE)')
