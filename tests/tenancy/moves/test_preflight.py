"""What stands in the way of a move is found before it begins, with what to do about it."""

import pytest

from mealquest.tenancy import service as tenancy
from tests.factories.merchants import make_merchant
from tests.factories.requests import OWNER


@pytest.fixture
def partners():
    """Another feature that knows why a merchant must not move."""
    found: dict[str, list[str]] = {}
    hook = lambda merchant_id: found.get(merchant_id, [])  # noqa: E731
    tenancy.ask_before_moves(hook)
    return found


def test_a_login_without_rights_and_partners_are_named_with_the_remedy(app, partners) -> None:
    merchant_id = make_merchant()
    partners[merchant_id] = ["it shares a wallet with m_bistro: leave the alliance first"]
    found = {one.name: one for one in tenancy.preflight(merchant_id)}

    rights = found["home: what the mover's login may do"]
    assert not rights.ok
    assert {"REPLICATION", "BYPASSRLS"} <= set(rights.found.replace(",", "").split())
    assert "MQ_DB_MOVER_URL" in rights.remedy
    assert not found["no partners to part from"].ok
    assert found["no other move"].ok
    assert found["home: keys of all tables"].ok
    with pytest.raises(tenancy.MoveBlocked, match="leave the alliance first"):
        tenancy.prepare_move(merchant_id, OWNER)
    assert tenancy.moves_under_way() == []


def test_who_is_at_home_already_cannot_come_home(app) -> None:
    (found,) = [one for one in tenancy.preflight(make_merchant(), to_home=True) if not one.ok]
    assert found.found == "the merchant is at home already"


def test_the_command_says_the_same_and_fails(app) -> None:
    outcome = app.test_cli_runner().invoke(args=["tenant", "check", make_merchant()])
    assert outcome.exit_code == 1
    assert "WRONG  home: what the mover's login may do" in outcome.output
    outcome = app.test_cli_runner().invoke(args=["tenant", "rollback", make_merchant()])
    assert (outcome.exit_code, outcome.output) == (1, "Error: merchant has no dedicated route\n")
    outcome = app.test_cli_runner().invoke(args=["tenant", "status", make_merchant()])
    assert "at home, IDLE" in outcome.output
