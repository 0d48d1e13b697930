"""Two merchants on two databases: a request of one touches the database of that one only."""

import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from mealquest.core import directory
from mealquest.core.db import databases, db, platform_transaction, transaction
from mealquest.core.errors import MerchantUnavailable
from mealquest.core.places import Elsewhere, Places, at
from mealquest.core.principal import Role
from tests.factories.http import bearer, client_of
from tests.places.conftest import HOT
from tests.places.seen import statements


def test_each_merchants_rows_lie_in_its_own_database_only(hot, calm) -> None:
    for place, there in zip(databases().all(), (["m_calm"], [HOT]), strict=True):
        with at(place), platform_transaction("a test looks at both") as session:
            for table in ("customers", "wallets", "payments", "audit_log", "outbox_events"):
                query = text(f"SELECT DISTINCT merchant_id FROM {table}")
                assert session.scalars(query).all() == there, (place.name, table)


@pytest.mark.parametrize("whose", ["hot", "calm"])
def test_a_request_touches_one_database(request, hot, calm, places, whose) -> None:
    shop = request.getfixturevalue(whose)
    client, headers = client_of(places), bearer(shop.tokens[Role.OWNER])
    elsewhere = "home" if whose == "hot" else HOT
    quote = {"merchantId": shop.merchant_id, "userId": shop.customer, "orderAmount": 5}
    with statements() as seen:
        for method, url, body in (
            ("GET", f"/api/state?merchantId={shop.merchant_id}&userId={shop.customer}", None),
            ("POST", "/api/payment/quote", quote),
            ("POST", "/api/payment/verify", quote | {"idempotencyKey": "k1"}),
            ("GET", f"/api/audit/logs?merchantId={shop.merchant_id}", None),
            ("GET", "/console/payments", None),
        ):
            answer = client.open(url, method=method, json=body, headers=headers)
            assert answer.status_code in {200, 201}, (url, answer.text)
    assert seen[elsewhere] == []
    assert seen[HOT if whose == "hot" else "home"]


def test_merchants_of_two_databases_share_no_transaction(hot, calm) -> None:
    with pytest.raises(Elsewhere), transaction(HOT, calm.merchant_id):
        pass


def test_phone_and_code_find_the_shop_wherever_it_lies(hot, calm, places) -> None:
    from tests.factories.http import signed_in

    for shop in (hot, calm):
        browser = signed_in(places, shop.phones[Role.OWNER], shop.merchant_id)
        assert browser.get("/console/").status_code == 200


def test_the_catalog_names_both(hot, calm, places) -> None:
    items = client_of(places).get("/api/merchant/catalog").get_json()["items"]
    assert [item["merchantId"] for item in items] == ["m_calm", HOT]


def test_a_removed_phone_signs_nobody_in_though_the_directory_is_behind(hot, places) -> None:
    from mealquest.core import messages
    from mealquest.identity import codes
    from mealquest.identity import service as identity
    from mealquest.identity.errors import MerchantScopeDenied
    from mealquest.identity.forms import RequestCodeForm, SignInForm

    phone = hot.phones[Role.CLERK]
    with transaction(HOT) as session:
        identity.remove_staff(session, HOT, "staff_clerk")
    codes.request_code(RequestCodeForm(phone=phone))
    code = messages.newest(limit=1)[0].message.data["code"]
    with pytest.raises(MerchantScopeDenied):
        identity.sign_in(SignInForm(phone=phone, code=code))


def test_news_bring_the_directory_up_to_date_and_never_back(hot, places) -> None:
    from jobs.outbox import relay
    from mealquest.identity import service as identity
    from mealquest.tenancy import service as tenancy

    with transaction(HOT) as session:
        identity.remove_staff(session, HOT, "staff_clerk")
        tenancy.set_account(session, HOT, name="Hotter", email="hot@example.com")
    assert {table for _, table in directory.differences()} == {"merchants", "staff_phones"}
    relay()
    assert directory.differences() == []
    directory.follow(HOT)  # an old event that comes once more
    assert tenancy.catalog().items[0].name == "Hotter"
    assert not identity.works_at(HOT, hot.phones[Role.CLERK])


def test_a_process_that_knows_an_old_placement_follows_the_merchant(hot, places, hot_tables):
    with psycopg.connect(hot_tables.config["MIGRATION_URL"], autocommit=True) as there:
        there.execute("INSERT INTO tenant_gates (merchant_id, state) VALUES (%s, 'away')", [HOT])
    with psycopg.connect(places.config["MIGRATION_URL"], autocommit=True) as home:
        home.execute("UPDATE placements SET place = 'home' WHERE merchant_id = %s", [HOT])
        home.execute("UPDATE tenant_gates SET state = 'open' WHERE merchant_id = %s", [HOT])
    assert databases().name_of(HOT) == HOT  # as far as it knows
    with transaction(HOT) as session:
        assert session.info["place"].is_home


def test_one_that_is_nowhere_is_given_up_after_a_moment(hot, places, hot_tables):
    with psycopg.connect(hot_tables.config["MIGRATION_URL"], autocommit=True) as there:
        there.execute("INSERT INTO tenant_gates (merchant_id, state) VALUES (%s, 'away')", [HOT])
    began = time.monotonic()
    with pytest.raises(MerchantUnavailable), transaction(HOT):
        pass
    assert 1.5 < time.monotonic() - began < 6


def test_home_under_another_address_is_not_taken_for_a_database_of_its_own(places) -> None:
    url = make_url(places.config["SQLALCHEMY_DATABASE_URI"])
    twin = url.set(host="localhost" if url.host != "localhost" else "127.0.0.1")
    text_of = twin.render_as_string(hide_password=False)
    options = places.config["SQLALCHEMY_ENGINE_OPTIONS"]
    root = Path(places.root_path) / "migrations"
    found = Places(lambda: db.engine, {"m_twin": text_of}, frozenset(), options, 1, root)
    try:
        assert "home" in (found.named("m_twin").watch.look() or "")
    finally:
        found.end()
