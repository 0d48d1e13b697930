"""Who is let in, and what those hear who are not."""

import base64
import gc
import json
import time

import pytest

from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.core.settings import Profile
from mealquest.identity import service as identity
from tests.conftest import JWT_SECRET
from tests.factories.http import assert_problem, bearer, minted
from tests.web.conftest import OPERATOR_KEY

LIST = "/api/customers"


def owner_claims(**claims) -> dict:
    return {"merchantId": "m_alpha", "operatorId": "staff_owner"} | claims


def part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


@pytest.fixture
def operator_key(app, monkeypatch) -> str:
    monkeypatch.setattr(app.config["SETTINGS"], "admin_api_key", OPERATOR_KEY)
    return OPERATOR_KEY


def test_a_token_of_the_staff_lets_in(client, shop) -> None:
    answer = client.get(LIST, headers=bearer(shop.tokens[Role.CLERK]))

    assert answer.status_code == 200
    assert answer.get_json()["merchantId"] == shop.merchant_id


def test_no_credential_is_asked_for_one(client, shop) -> None:
    answer = client.get(LIST)

    assert_problem(answer, 401, "Authorization is required", "UNAUTHENTICATED")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Basic b3duZXI6cGFzcw==", "Bearer", "Bearer   ", "x"])
def test_another_scheme_than_bearer_is_refused(client, header) -> None:
    answer = client.get(LIST, headers={"Authorization": header})

    assert_problem(answer, 401, "Authorization must be a bearer token")


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "a.b.c",
        "....",
        "é",
        part(b"[" * 5000) + ".e30.AAAA",
        part(b'{"alg":"HS256"}') + "." + part(b"null") + ".AAAA",
        part(b"\xff\xfe") + "." + part(b"\x00") + ".AAAA",
    ],
    ids=["one part", "not base64", "dots", "latin", "deep", "no object", "no text"],
)
def test_a_malformed_token_is_refused(client, token) -> None:
    gc.collect()  # not in the depth of a token that is nested a thousand times
    answer = client.get(LIST, headers=bearer(token))

    assert assert_problem(answer, 401)["error"].startswith("invalid token")


def test_a_forged_token_is_refused(client, shop) -> None:
    forged = minted(**owner_claims(), secret="another secret of thirty-two bytes!!")

    assert_problem(client.get(LIST, headers=bearer(forged)), 401, "invalid token signature")


def test_a_token_without_signature_is_refused(client, shop) -> None:
    unsigned = minted(**owner_claims(), algorithm="none")
    stripped = minted(**owner_claims()).rpartition(".")[0] + "."

    for token in (unsigned, stripped):
        assert_problem(client.get(LIST, headers=bearer(token)), 401, code="INVALID_TOKEN")


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_refused(client, shop, algorithm) -> None:
    token = minted(**owner_claims(), algorithm=algorithm)

    assert_problem(client.get(LIST, headers=bearer(token)), 401, "invalid token")


def test_an_expired_token_is_refused(client, shop) -> None:
    expired = minted(**owner_claims(exp=int(time.time()) - 1))

    answer = client.get(LIST, headers=bearer(expired))

    assert_problem(answer, 401, "token expired", "TOKEN_EXPIRED")


@pytest.mark.parametrize(
    "claims",
    [
        {"merchantId": None},
        {"merchantId": ""},
        {"merchantId": "m_nowhere"},
        {"merchantId": ["m_alpha"]},
        {"merchantId": "m_alpha,m_beta"},
        {"operatorId": None},
        {"operatorId": "staff_nobody"},
        {"operatorId": 7},
        {"operatorId": "staff_owner\x00"},
        {"exp": None},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"iat": "yesterday"},
        {"iat": 10**400},
        {"ver": 10**400},
        {"ver": True},
        {"role": None},
        {"role": "OPERATOR"},
        {"role": "SYSTEM"},
        {"role": "owner"},
        {"role": {"OWNER": 1}},
    ],
    ids=lambda claims: str(claims)[:40],
)
def test_a_token_that_lacks_what_its_role_must_say_is_refused(client, shop, claims) -> None:
    said = owner_claims() | claims

    answer = client.get(LIST, headers=bearer(minted(**({"role": "OWNER"} | said))))

    assert_problem(answer, 401, "invalid token")


def test_a_customers_token_without_merchant_is_refused(client, shop) -> None:
    token = minted("CUSTOMER", userId=shop.customer)

    answer = client.get(f"/api/payments/{shop.payment}", headers=bearer(token))

    assert_problem(answer, 401, "invalid token")


def test_a_token_minted_elsewhere_counts_while_its_person_is_there(client, shop) -> None:
    token = minted("CLERK", merchantId=shop.merchant_id, operatorId="staff_clerk")

    assert client.get(LIST, headers=bearer(token)).status_code == 200

    with transaction(shop.merchant_id) as session:
        identity.remove_staff(session, shop.merchant_id, "staff_clerk")

    assert_problem(client.get(LIST, headers=bearer(token)), 401, "invalid token")
    ours = shop.tokens[Role.CLERK]
    assert_problem(client.get(LIST, headers=bearer(ours)), 401, "invalid token")


@pytest.mark.parametrize("role", ["CLERK", "MANAGER", "CUSTOMER"])
def test_a_role_that_is_not_the_rows_is_refused(client, shop, role) -> None:
    token = minted(**owner_claims(role=role, userId="staff_owner"))

    assert_problem(client.get(LIST, headers=bearer(token)), 401, "invalid token")


def test_a_token_of_another_shops_staff_with_the_same_id_does_not_open_ours(
    client, shop, stranger
) -> None:
    token = minted("CUSTOMER", merchantId=stranger.merchant_id, userId=shop.customer)

    answer = client.get(f"/api/payments/{shop.payment}", headers=bearer(token))

    assert_problem(answer, 401, "invalid token")


def test_the_wrong_role_is_refused(client, shop) -> None:
    answer = client.get(LIST, headers=bearer(shop.tokens[Role.CUSTOMER]))

    assert_problem(answer, 403, "permission denied", "FORBIDDEN")


def test_signing_out_ends_every_token_of_the_person(client, shop) -> None:
    first, second = shop.tokens[Role.OWNER], minted(**owner_claims())

    assert client.post("/api/auth/sign-out", headers=bearer(first)).status_code == 200

    for token in (first, second):
        assert_problem(client.get(LIST, headers=bearer(token)), 401, "invalid token")
    assert client.get(LIST, headers=bearer(shop.tokens[Role.CLERK])).status_code == 200


# --- the operator's key -------------------------------------------------------------------


def test_the_operators_key_is_known_by_either_header(client, shop, operator_key) -> None:
    for headers in ({"X-Api-Key": operator_key}, bearer(operator_key)):
        # known, and no staff of this shop
        assert_problem(client.get(LIST, headers=headers), 403, "permission denied")


@pytest.mark.parametrize("key", ["wrong", OPERATOR_KEY[:-1], "é"])
def test_a_wrong_api_key_is_refused(client, operator_key, key) -> None:
    assert_problem(client.get(LIST, headers={"X-Api-Key": key}), 401, "invalid api key")


@pytest.mark.parametrize("key", ["", " ", OPERATOR_KEY])
def test_without_a_key_configured_nobody_is_the_operator(client, key) -> None:
    assert client.get(LIST, headers={"X-Api-Key": key}).status_code == 401
    assert client.get(LIST, headers=bearer(key)).status_code == 401


@pytest.mark.parametrize("profile", [Profile.STAGING, Profile.PROD])
def test_routes_of_operators_are_shut_without_a_key_in_production(
    client, app, monkeypatch, profile
) -> None:
    monkeypatch.setattr(app.config["SETTINGS"], "profile", profile)
    for headers in ({}, {"X-Api-Key": OPERATOR_KEY}):
        answer = client.get("/api/merchants", headers=headers)
        assert_problem(answer, 403, code="OPERATOR_KEY_UNSET")

    monkeypatch.setattr(app.config["SETTINGS"], "admin_api_key", OPERATOR_KEY)
    assert_problem(client.get("/api/merchants", headers={"X-Api-Key": "wrong"}), 401)
    assert client.get("/api/merchants", headers={"X-Api-Key": OPERATOR_KEY}).status_code == 200


# --- routes that are open to everybody -----------------------------------------------------


def test_a_token_that_is_no_good_closes_no_public_route(client, shop) -> None:
    for token in ("x", minted(**owner_claims(operatorId="staff_nobody"))):
        assert client.get("/api/merchant/catalog", headers=bearer(token)).status_code == 200


def test_a_token_says_nothing_that_is_not_signed(client, shop) -> None:
    head, _, signature = shop.tokens[Role.CLERK].split(".")
    claims = owner_claims(role="OWNER", iat=1, exp=int(time.time()) + 600)
    forged = f"{head}.{part(json.dumps(claims).encode())}.{signature}"

    answer = client.get(LIST, headers=bearer(forged))

    assert_problem(answer, 401, "invalid token signature")
    assert JWT_SECRET not in answer.text
