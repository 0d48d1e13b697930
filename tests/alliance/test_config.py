"""The contract's routes: what they answer, whom they refuse, what they leave in the audit."""

from typing import Any

import pytest
from sqlalchemy import delete, select

from mealquest.audit.models import AuditRow
from mealquest.core.db import transaction
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.models import Merchant
from tests.factories.alliances import share
from tests.factories.http import assert_problem, bearer, client_of, staff_token
from tests.factories.merchants import make_merchant

A, B = "m_store_001", "m_bistro"
CONFIG = "/api/merchant/alliance-config"
KEYS = {"merchantId", "clusterId", "stores", "walletShared", "tierShared", "updatedAt"}


@pytest.fixture
def people(app) -> dict[str, dict[str, str]]:
    """Headers of A's owner, manager and clerk, and of B's owner."""
    for merchant_id, name in ((A, "Fixture Merchant"), (B, "Bistro Harbor")):
        make_merchant(merchant_id, name=name)
        with transaction(merchant_id) as session:
            for role in (Role.OWNER, Role.MANAGER, Role.CLERK):
                staff_id = f"staff_{role.lower()}"
                identity.add_staff(session, merchant_id, staff_id=staff_id, role=role, name="")
    found = {
        role: bearer(staff_token(A, f"staff_{role}")) for role in ("owner", "manager", "clerk")
    }
    return found | {"other": bearer(staff_token(B))}


@pytest.fixture
def ask(app, people):
    client = client_of(app)

    def send(who: str, url: str, body: dict[str, Any] | None = None):
        headers = people[who]
        return (
            client.get(url, headers=headers)
            if body is None
            else client.post(url, json=body, headers=headers)
        )

    return send


def test_without_anything_set_a_store_is_alone(ask) -> None:
    found = ask("clerk", CONFIG).get_json()

    assert found.keys() == KEYS
    alone = {"clusterId": f"cluster_{A}", "stores": [A], "walletShared": False}
    assert found == {"merchantId": A, "tierShared": False, "updatedAt": found["updatedAt"]} | alone


def test_a_config_is_stored_and_echoed_and_what_is_left_out_stays(ask) -> None:
    sent = {"clusterId": "cluster_brand", "stores": [f" {B} ", A, B], "walletShared": True}
    first = ask("owner", CONFIG, sent).get_json()
    assert (first["stores"], first["walletShared"]) == ([B, A], True)

    kept = ask("owner", CONFIG, {"tierShared": True, "stores": [], "clusterId": ""}).get_json()
    assert kept == first | {"tierShared": True, "updatedAt": kept["updatedAt"]}
    assert ask("owner", CONFIG).get_json() == kept
    assert ask("other", CONFIG).get_json()["stores"] == [B]

    with transaction(A) as session:
        rows = session.scalars(
            select(AuditRow.details)
            .where(AuditRow.merchant_id == A, AuditRow.action == "ALLIANCE_CONFIG_SET")
            .order_by(AuditRow.occurred_at, AuditRow.id)
        ).all()
    wanted = {"clusterId": "cluster_brand", "stores": [B, A], "walletShared": True}
    assert rows == [wanted | {"tierShared": False}, wanted | {"tierShared": True}]


def test_the_token_says_whose_config_it_is(ask) -> None:
    assert ask("owner", CONFIG, {"merchantId": B, "tierShared": True}).get_json()["merchantId"] == A
    assert_problem(ask("owner", f"{CONFIG}?merchantId={B}"), 403, "merchant scope denied")


def test_an_unknown_store_is_refused_in_the_contracts_words(ask) -> None:
    refused = ask("owner", CONFIG, {"stores": [A, "m_nobody"]})
    assert_problem(refused, 400, "store not found: m_nobody", "STORE_NOT_FOUND")
    assert ask("owner", CONFIG).get_json()["stores"] == [A]


@pytest.mark.parametrize(
    ("who", "url", "body"),
    [
        ("manager", CONFIG, {"tierShared": True}),
        ("manager", "/api/merchant/alliance/leave", {}),
        ("clerk", "/api/merchant/alliance/sync-user", {"userId": "u"}),
        ("manager", "/api/merchant/alliance/acts", None),
    ],
)
def test_who_may_not(ask, who, url, body) -> None:
    assert_problem(ask(who, url, body), 403, "permission denied")


def test_stores_are_listed_by_name_and_who_is_gone_by_id(ask) -> None:
    ask("owner", CONFIG, {"stores": [A, B], "clusterId": "c"})
    with transaction(B) as session:
        session.execute(delete(Merchant).where(Merchant.id == B))

    found = ask("clerk", "/api/merchant/stores").get_json()

    assert found["stores"] == [
        {"merchantId": A, "name": "Fixture Merchant"},
        {"merchantId": B, "name": B},
    ]
    assert found.keys() == KEYS - {"updatedAt"}


def test_a_store_that_shares_its_wallet_stays_in_its_database(app, people) -> None:
    share(A, B)
    with pytest.raises(tenancy.MoveBlocked, match=f"it shares its wallet with {B}"):
        tenancy.prepare_move(A, Principal(Role.OPERATOR, "operator"))


def test_the_currency_stays_while_a_wallet_is_shared(app, people) -> None:
    share(A, B)
    asked = {"json": {"currency": "USD"}, "headers": people["owner"]}
    refused = client_of(app).patch("/api/merchant/settings", **asked)
    assert_problem(refused, 409, code="CURRENCY_SHARED")
