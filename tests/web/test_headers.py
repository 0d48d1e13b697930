"""Headers of every kind of answer: security, caching, conditions."""

import re

import pytest

from mealquest.core.principal import Role
from mealquest.web.frame import Face
from mealquest.web.security import CONTENT_SECURITY_POLICY, HEADERS
from tests.factories.http import bearer, client_of, signed_in
from tests.web.conftest import SECRETS
from tests.web.samples import FACES, sample_of, send

KINDS = {
    "json": ("/api/merchant/catalog", 200),
    "refused json": ("/api/customers", 401),
    "page": ("/console/sign-in", 200),
    "redirect": ("/console/", 303),
    "missing page": ("/console/nope", 404),
    "static file": ("/static/favicon.svg", 200),
    "missing file": ("/static/nope.css", 404),
    "metrics": ("/metrics", 200),
}


@pytest.mark.parametrize(("path", "status"), KINDS.values(), ids=KINDS)
def test_every_kind_of_answer_is_guarded(client, path, status) -> None:
    answer = client.get(path)

    assert answer.status_code == status
    for name, value in HEADERS.items():
        assert answer.headers[name] == value


def test_an_error_of_ours_is_guarded_too(client, monkeypatch) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("mealquest.web.pipeline._handle", fail)

    answer = client.get("/api/merchant/catalog")

    assert answer.status_code == 500
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_policy_names_what_may_run_and_nothing_unsafe() -> None:
    directives = dict(part.split(" ", 1) for part in CONTENT_SECURITY_POLICY.split("; "))

    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "*" not in CONTENT_SECURITY_POLICY
    assert "http:" not in CONTENT_SECURITY_POLICY
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == "'self'"
    assert directives["frame-ancestors"] == directives["base-uri"] == "'none'"
    assert directives["form-action"] == "'self'"


def test_pages_hold_nothing_that_the_policy_forbids(client, shop) -> None:
    """Every page as it is rendered, with data in it."""
    for endpoint, face in FACES:
        if endpoint.mutates or face is not Face.PAGE:
            continue
        page = send(client, endpoint, face, sample_of(endpoint, shop), shop)
        if page.mimetype != "text/html":
            continue
        name = endpoint.full_name
        assert not re.search(r"<script(?![^>]*\ssrc=\"/static/)", page.text), name
        assert not re.search(r"<style|\sstyle=", page.text), name
        assert not re.search(r"<[^>]*\son[a-z]+\s*=", page.text), name
        assert not re.search(r"javascript:|<iframe|<object|<embed|<base\b", page.text), name
        assert not re.search(r"(?:src|action)=\"(?:https?:)?//", page.text), name


# --- caching ------------------------------------------------------------------------------


def test_pages_are_kept_nowhere(app, shop) -> None:
    browser = signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)

    for path in ("/", "/console/", "/console/customers", "/console/sign-in", "/console/nope"):
        assert browser.get(path).headers["Cache-Control"] == "no-store", path


def test_secrets_are_kept_nowhere(client, shop) -> None:
    answer = client.post("/api/auth/merchant/request-code", json={"phone": shop.phones[Role.OWNER]})

    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity", ""])
def test_json_that_has_not_changed_is_not_sent_again(client, shop, owner, encoding) -> None:
    url = f"/api/customers/{shop.customer}"
    asked = owner | {"Accept-Encoding": encoding}

    first = client.get(url, headers=asked)
    tag = first.headers["ETag"]
    again = client.get(url, headers=asked | {"If-None-Match": tag})
    other = client.get(url, headers=asked | {"If-None-Match": 'W/"other"'})

    assert first.headers["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "Cookie"} <= set(first.headers["Vary"].split(", "))
    assert first.headers.get("Content-Encoding", "") == encoding.replace("identity", "")
    assert tag.startswith('W/"')
    assert again.status_code == 304
    assert again.data == b""
    assert again.headers["ETag"] == tag
    assert other.status_code == 200


def test_json_that_has_changed_is_sent_again(client, shop, owner) -> None:
    url = f"/api/customers/{shop.customer}"
    tag = client.get(url, headers=owner).headers["ETag"]
    paid_in = {"userId": shop.customer, "amount": 1, "method": "CASH"}
    client.post("/api/wallet/top-ups", json=paid_in, headers=owner | {"Idempotency-Key": "k"})

    answer = client.get(url, headers=owner | {"If-None-Match": tag})

    assert answer.status_code == 200
    assert answer.headers["ETag"] != tag


def test_somebody_who_may_not_read_it_learns_nothing_by_its_tag(client, shop, owner) -> None:
    url = f"/api/customers/{shop.customer}"
    tag = client.get(url, headers=owner).headers["ETag"]
    customer = bearer(shop.tokens[Role.CUSTOMER])

    assert client.get(url, headers={"If-None-Match": tag}).status_code == 401
    assert client.get(url, headers=customer | {"If-None-Match": tag}).status_code == 403


def test_an_answer_to_an_act_has_no_tag(client, shop, owner) -> None:
    answer = client.post(
        "/api/payment/quote", json={"userId": shop.customer, "orderAmount": 5}, headers=owner
    )

    assert "ETag" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


# --- encrypted transport ------------------------------------------------------------------


def test_browsers_are_told_to_stay_with_https_when_they_came_by_it(client) -> None:
    secure = client.get("/console/sign-in", base_url="https://shop.example")
    plain = client.get("/console/sign-in")

    assert secure.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert "Strict-Transport-Security" not in plain.headers


def test_a_proxy_is_believed_only_where_one_is_configured(another, client) -> None:
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    behind = client_of(another(trusted_proxies=1, profile="prod", **SECRETS))

    assert "Strict-Transport-Security" not in client.get("/health", headers=told).headers
    assert "Strict-Transport-Security" in behind.get("/health", headers=told).headers
