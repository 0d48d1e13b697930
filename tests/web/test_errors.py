"""How a refusal looks to an app, and what an error of ours does not say."""

import logging

import pytest
from sqlalchemy.exc import OperationalError

from mealquest.web import pipeline
from tests.factories.http import Client, assert_problem, bearer, client_of
from tests.web.conftest import NOWHERE_DB, NOWHERE_REDIS

SECRET = "password=hunter2 of +8613912345678"


# --- the envelope -------------------------------------------------------------------------


def test_the_envelope_has_every_member(client, shop, owner) -> None:
    answer = client.post("/api/payment/quote", json={"userId": 7}, headers=owner)

    problem = assert_problem(answer, 400, code="INVALID_REQUEST")
    assert problem["type"] == "about:blank"
    assert problem["title"] == "Bad Request"
    assert problem["errors"] == [
        {"field": "userId", "message": "userId must be text"},
        {"field": "orderAmount", "message": "orderAmount must be a positive number"},
    ]
    assert problem["error"] == "userId must be text"  # the first one's text leads


def test_unknown_fields_are_ignored(client, shop, owner) -> None:
    order = {"userId": shop.customer, "orderAmount": 5, "isAdmin": True, "__proto__": {}}

    assert client.post("/api/payment/quote", json=order, headers=owner).status_code == 200


# --- the request id -----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/api/customers", "/console/nope", "/static/nope"])
def test_every_answer_has_a_request_id_of_its_own(client, path) -> None:
    first, second = (client.get(path).headers["X-Request-Id"] for _ in range(2))

    assert first.startswith("req_")
    assert first != second


def test_a_request_id_that_is_sent_is_kept(client) -> None:
    sent = {"X-Request-Id": "trace-7:a.b_C"}

    answer = client.get("/api/customers", headers=sent)

    assert answer.headers["X-Request-Id"] == "trace-7:a.b_C"
    assert assert_problem(answer, 401)["requestId"] == "trace-7:a.b_C"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "é", 'a"b', "<script>", "a;b"])
def test_a_request_id_that_could_do_harm_is_replaced(client, sent) -> None:
    answer = client.get("/health", headers={"X-Request-Id": sent})

    assert answer.headers["X-Request-Id"].startswith("req_")


# --- paths and verbs ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/api/nope",
        "/api/",
        "/api/social/transfer",
        "/api/social/red-packets/1",
        "/api/auth/mock-login",
        "/api/customers/a/b",
        "/api/Customers",
    ],
)
def test_an_unknown_route_is_hidden_from_strangers_only(client, shop, owner, path) -> None:
    assert_problem(client.get(path), 401, "Authorization is required")
    assert_problem(client.get(path, headers=bearer("x")), 401, "invalid token")
    assert_problem(client.get(path, headers=owner), 404, "Not Found", "NOT_FOUND")


def test_an_unknown_route_takes_no_token_of_somebody_who_left(client, shop, owner) -> None:
    client.post("/api/auth/sign-out", headers=owner)

    assert_problem(client.get("/api/nope", headers=owner), 401, "invalid token")


@pytest.mark.parametrize("verb", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW"])
def test_a_wrong_verb_is_told_the_right_ones(client, shop, owner, verb) -> None:
    assert_problem(client.open("/api/customers", method=verb), 401)

    answer = client.open("/api/customers", method=verb, headers=owner)

    assert_problem(answer, 405, "Method Not Allowed", "METHOD_NOT_ALLOWED")
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


def test_head_is_get_without_the_body(client, shop, owner) -> None:
    for path in ("/api/customers", "/console/", "/health"):
        full = client.get(path, headers=owner)
        head = client.head(path, headers=owner)

        assert head.status_code == full.status_code == 200
        assert head.data == b""
        assert head.mimetype == full.mimetype


def test_options_tells_the_verbs_and_no_other_site_may_call(client) -> None:
    answer = client.options("/api/payment/quote", headers={"Origin": "https://evil.example"})

    assert answer.status_code == 200
    assert "POST" in answer.headers["Allow"]
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_a_page_that_is_not_there_is_a_page(client) -> None:
    for path in ("/nope", "/console/nope", "/api", "/static/nope.css", "/dev/nope"):
        answer = client.get(path)

        assert answer.status_code == 404
        assert answer.mimetype == "text/html"
        assert answer.headers["X-Request-Id"] in answer.text
    assert client.put("/console/").status_code == 405


# --- errors of ours -----------------------------------------------------------------------


@pytest.fixture
def broken(monkeypatch):
    """Make every handler fail in a given way."""

    def breaks(failure: Exception) -> None:
        def fail(*_args: object) -> None:
            raise failure

        monkeypatch.setattr(pipeline, "_handle", fail)

    return breaks


def test_an_unexpected_error_is_logged_and_not_told(client, broken, caplog) -> None:
    broken(RuntimeError(SECRET))

    answer = client.get("/api/merchant/catalog")

    problem = assert_problem(answer, 500, "something went wrong on our side", "INTERNAL")
    assert not {"hunter2", "RuntimeError", "Traceback"} & set(answer.text.split('"'))
    assert "hunter2" not in answer.text
    (told,) = [r.msg for r in caplog.records if r.levelno == logging.ERROR]
    assert told["event"] == "request failed"
    assert told["requestId"] == problem["requestId"]
    assert "RuntimeError: password=hunter2" in told["exception"]
    assert "13912345678" not in told["exception"]


def test_a_database_that_is_away_is_said_to_be(client, broken, caplog) -> None:
    broken(OperationalError("SELECT secret", {"p": 1}, Exception("host db.internal")))

    answer = client.get("/api/merchant/catalog")

    assert_problem(answer, 503, code="DATABASE_AWAY")
    assert "db.internal" not in answer.text


def test_a_page_that_breaks_says_so_to_a_person(client, shop, owner, broken) -> None:
    broken(RuntimeError(SECRET))

    answer = client.get("/console/", headers=owner)

    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.text
    assert answer.headers["X-Request-Id"] in answer.text
    assert "hunter2" not in answer.text


def test_pages_of_a_person_say_it_too_when_the_database_is_away(
    client, shop, owner, broken, monkeypatch
) -> None:
    """The error page asks the database nothing, or it would break as well."""

    def away(*_args: object, **_options: object) -> None:
        raise OperationalError("SELECT 1", {}, Exception("away"))

    broken(OperationalError("SELECT 1", {}, Exception("away")))
    monkeypatch.setattr("mealquest.web.look.tenancy.settings_of", away)

    for headers in (owner, owner | {"HX-Request": "true"}):
        answer = client.get("/console/", headers=headers)
        assert answer.status_code == 503
        assert "Not available at the moment" in answer.text


def test_a_form_is_answered_when_its_page_breaks_as_well(
    client: Client, shop, owner, broken
) -> None:
    broken(RuntimeError(SECRET))

    answer = client.post(
        f"/console/customers/{shop.customer}/top-ups",
        data={"amount": "5", "method": "CASH", "idempotencyKey": "k"},
        headers=owner,
    )

    assert answer.status_code == 500
    assert answer.headers["X-Request-Id"] in answer.text
    assert "hunter2" not in answer.text


def test_health_needs_neither_database_nor_redis(another, shop, owner) -> None:
    """Not for somebody with a credential either: nobody looks whose it is."""
    lonely = client_of(another(redis_url=NOWHERE_REDIS, db_url=NOWHERE_DB, rate_limits=True))

    assert lonely.get("/health", headers=owner).get_json()["ok"] is True
    assert lonely.get("/metrics", headers=owner).status_code == 200
    assert_problem(lonely.get("/api/health", headers=owner), 503, code="DATABASE_AWAY")
    assert lonely.get("/console/sign-in").status_code == 200
    assert_problem(lonely.get("/api/customers", headers=owner), 503, code="DATABASE_AWAY")
