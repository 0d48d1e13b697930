"""A document is understood whichever way it nests, and whichever table it lies in."""

import json
from decimal import Decimal
from typing import Any

import pytest

from mealquest.core.clock import utc_now
from mealquest.core.settings import Settings
from mealquest.legacy.notes import Notes
from mealquest.legacy.parsing import without_persons
from mealquest.legacy.plan import Plan, plan
from mealquest.legacy.reading import Reader
from mealquest.legacy.report import rows_of, sums_of
from mealquest.legacy.snapshot import Document, opened, shops_of
from mealquest.legacy.source import Columns, columns_of
from tests.legacy.old_server import BISTRO, STORE
from tests.legacy.shops import busy_day


def planned(state: dict[str, Any], notes: Notes) -> Plan:
    state = json.loads(json.dumps(state), parse_float=Decimal)
    shops = shops_of(Document("main", state, notes))
    return plan(shops, notes, now=utc_now(), hold_s=1800)


def told(state: dict[str, Any]) -> list[Any]:
    notes = Notes()
    made = planned(state, notes)
    assert notes.problems == []
    return [(shop.merchant.id, rows_of(shop), sums_of(shop)) for shop in made.shops]


def rows(kind: dict[str, Any]) -> list[Any]:
    """An object by merchant of objects by id, as one list that names the merchant."""
    return [
        one | {"merchantId": merchant_id}
        for merchant_id, found in kind.items()
        for one in (found.values() if isinstance(found, dict) else found)
    ]


def flat(state: dict[str, Any]) -> dict[str, Any]:
    return state | {
        "merchants": list(state["merchants"].values()),
        "users": rows(state.pop("merchantUsers")),
        "payments": rows(state.pop("paymentsByMerchant")),
        "invoices": rows(state.pop("invoicesByMerchant")),
        "strategyChats": [*state["strategyChats"].values()],
    }


def as_pairs(state: dict[str, Any]) -> dict[str, Any]:
    """Maps as JavaScript's `[...map]` writes them."""
    return {
        name: [[key, inner] for key, inner in value.items()] if isinstance(value, dict) else value
        for name, value in state.items()
    }


def inside(state: dict[str, Any]) -> dict[str, Any]:
    """Everything of a merchant in the merchant's own object."""
    own = {"users": "merchantUsers", "payments": "paymentsByMerchant"}
    own |= {"invoices": "invoicesByMerchant"}
    kinds = {name: state.pop(called) for name, called in own.items()}
    for merchant_id, merchant in state["merchants"].items():
        merchant |= {name: kind[merchant_id] for name, kind in kinds.items()}
    return state


@pytest.mark.parametrize("shape", [flat, as_pairs, inside])
def test_every_shape_is_read_as_the_same(shape):
    old = busy_day()
    as_it_is = told(busy_day().state)
    assert told(shape(old.state)) == as_it_is
    assert [merchant_id for merchant_id, *_ in as_it_is] == [BISTRO, STORE]


def test_a_state_may_be_wrapped():
    assert opened({"state": {"merchants": {}}, "savedAt": "…"}) == {"merchants": {}}
    assert opened({"merchants": {"m_1": {}}, "state": {}}) == {
        "merchants": {"m_1": {}},
        "state": {},
    }
    assert opened([]) is None


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (
            [("snapshot_key", "text"), ("payload", "jsonb"), ("updated_at", "timestamp")],
            Columns("snapshot_key", "payload", "updated_at"),
        ),
        ([("id", "character varying(64)"), ("state", "text")], Columns("id", "state", None)),
        ([("k", "text"), ("v", "json")], Columns("k", "v", None)),
        ([("stateKey", "text"), ("data", "json")], Columns("stateKey", "data", None)),
        ([("a", "text"), ("b", "text")], None),
        ([("id", "integer"), ("payload", "bytea")], None),
    ],
)
def test_columns_are_told_apart_by_name_and_type(columns, found):
    assert columns_of(columns) == found


@pytest.mark.parametrize(
    ("amount", "cents", "is_told"),
    [("52", 5200, False), ("13.080", 1308, False), ("0.005", 1, True), ("1.00499999", 100, True)],
)
def test_amounts_are_rounded_half_up_and_told(amount, cents, is_told):
    notes = Notes()
    read = Reader("payments", "payments.x", {"a": Decimal(amount)}, notes)
    assert read.cents("a") == cents
    assert bool(notes.changed) is is_told


@pytest.mark.parametrize("amount", [True, "5", None, Decimal("NaN"), -1, 10**15, [], {}])
def test_what_is_no_amount_is_a_problem(amount):
    notes = Notes()
    Reader("payments", "payments.x", {"a": amount}, notes).cents("a")
    assert [line.split(":")[0] for line in notes.problems] == ["payments.x.a"]


def test_phones_and_numbers_stay_behind_with_the_old_audit():
    details = {"phone": "1", "deep": {"licenseNo": "2", "orderAmount": 3}}
    assert without_persons(details) == {"deep": {"orderAmount": 3}}


def test_only_stores_that_both_say_so_share_wallets():
    notes, old = Notes(), busy_day()
    old.state["allianceConfigs"][STORE]["walletShared"] = True
    old.state["allianceConfigs"][STORE]["stores"].append("m_closed")
    old.state["unreadBefore"] = {}
    planned(old.state, notes)
    assert f"{BISTRO} never agreed to share wallets" in "\n".join(notes.changed)
    assert "stores that are not there: m_closed" in "\n".join(notes.left_out)


@pytest.mark.parametrize("name", ["MQ_DB_LEGACY_SNAPSHOT_TABLE", "MQ_DB_STATE_TABLE"])
def test_the_table_has_two_names_in_the_environment(monkeypatch, name):
    assert Settings(_env_file=None).legacy_snapshot_table == "mealquest_state_snapshots"
    monkeypatch.setenv(name, "old_states")
    monkeypatch.setenv("MQ_DB_SNAPSHOT_KEY", "second")
    found = Settings(_env_file=None)
    assert (found.legacy_snapshot_table, found.db_snapshot_key) == ("old_states", "second")
