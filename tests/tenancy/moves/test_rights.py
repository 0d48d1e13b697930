"""A mover that is no superuser, with the rights that the handbook names and no more."""

from urllib.parse import urlsplit

import pytest

from mealquest.core.db import db
from mealquest.tenancy import service as tenancy
from tests.factories.requests import OWNER
from tests.tenancy.moves.conftest import make_app
from tests.tenancy.moves.shop import Shop

pytestmark = pytest.mark.xdist_group("moves")

MERCHANT = "m_rights"
ROLE = "CREATE ROLE mover LOGIN REPLICATION BYPASSRLS PASSWORD 'carries'"
RIGHTS = (
    "GRANT pg_create_subscription, mealquest_owner TO mover",
    "GRANT CREATE ON DATABASE mealquest TO mover",
    "GRANT SET ON PARAMETER session_replication_role TO mover",
)


def as_mover(url: str | None) -> str:
    found = urlsplit(url or "")
    return found._replace(netloc=f"mover:carries@{found.hostname}:{found.port}").geturl()


def test_there_and_back_with_the_rights_that_the_handbook_names(pair) -> None:
    movers = [as_mover(found.admin_db_url) for found in (pair.endpoints, pair.own_endpoints)]
    own = pair.own_endpoints.db_url or ""
    app = make_app(
        pair.home_data, pair.endpoints, own, movers[1], pair.redis, only=MERCHANT, mover=movers[0]
    )
    with pair.at_home() as at_home, pair.at_own() as at_own, app.app_context():
        shop = Shop.opened(MERCHANT)
        for server in (at_home, at_own):
            server.execute(ROLE)
        missing = {one.name: one.found for one in tenancy.preflight(MERCHANT) if not one.ok}
        assert "pg_create_subscription" in missing["home: what the mover's login may do"]
        assert "permission denied" in missing["home: the mover gets in and may look"]
        for server in (at_home, at_own):
            for right in RIGHTS:
                server.execute(right)
        assert [one for one in tenancy.preflight(MERCHANT) if not one.ok] == []
        with shop.busy(app):
            tenancy.cutover(MERCHANT, "", OWNER)
            tenancy.rollback(MERCHANT, OWNER)
            tenancy.cutover(MERCHANT, "", OWNER)
        tenancy.waive_rollback(MERCHANT, OWNER)
        shop.require_complete()
        app.extensions["places"].end()
        db.engine.dispose()
