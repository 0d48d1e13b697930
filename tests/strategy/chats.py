"""A chat whose model is scripted: what it decides is handed to `finish`, as a worker would."""

from typing import Any

from flask import Flask

from mealquest.core.db import transaction
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.strategy import queries, service, turns
from mealquest.strategy.agent.domain import Decision, Mode, Unavailable
from mealquest.strategy.domain import TurnStatus
from mealquest.strategy.forms import MessageForm
from mealquest.strategy.replies import TurnView
from tests.factories.merchants import make_merchant

COOLING = {
    "templateId": "activation_contextual_drop",
    "branchId": "COOLING",
    "title": "Cool when it is hot",
    "rationale": "Hot days sell little.",
    "confidence": 0.7,
    "campaignPatch": {"budget": {"cap": 120, "costPerHit": 10}, "priority": 82},
}
TOO_MUCH = COOLING | {
    "campaignPatch": {"budget": {"cap": 9999, "costPerHit": 500}, "priority": 999}
}
REPLY = Decision(Mode.CHAT_REPLY, "Tell me more.")


def propose(one: dict[str, Any] | None = None) -> Decision:
    return Decision(Mode.PROPOSAL, "Here is a draft.", (one or COOLING,))


def open_shop() -> tuple[str, Principal]:
    merchant_id = make_merchant()
    with transaction(merchant_id) as session:
        for role in (Role.OWNER, Role.MANAGER, Role.CLERK):
            name = f"staff_{role.value.lower()}"
            identity.add_staff(
                session,
                merchant_id,
                staff_id=name,
                role=role,
                name=name,
                phone=phone_of(merchant_id, name),
            )
    return merchant_id, Principal(Role.OWNER, "staff_owner", merchant_id)


def phone_of(merchant_id: str, staff_id: str) -> str:
    return f"+86139{abs(hash((merchant_id, staff_id))) % 10**8:08d}"


def ask(merchant_id: str, by: Principal, content: str, session_id: str | None = None) -> TurnView:
    """Say something and do not wait for the answer."""
    form = MessageForm(content=content, session_id=session_id)
    return service.send(merchant_id, form, by, wait_s=0)


def live_turn(merchant_id: str) -> str:
    with transaction(merchant_id) as session:
        row = queries.open_session(session, merchant_id)
        assert row, "no chat is open"
        turn = queries.live_turn(session, merchant_id, row.id)
        assert turn, "nobody waits for an answer"
        return turn.id


def say(
    app: Flask, merchant_id: str, by: Principal, content: str, said: Decision | Unavailable
) -> TurnView:
    """One whole turn: the message, and what the model decided about it."""
    begun = ask(merchant_id, by, content)
    if begun.status == TurnStatus.REVIEW_REQUIRED:
        return begun
    turn_id = live_turn(merchant_id)
    assert turns.finish(merchant_id, turn_id, said)
    with transaction(merchant_id) as session:
        row = queries.turn(session, merchant_id, turn_id)
        assert row
        return turns.shown(session, row)
