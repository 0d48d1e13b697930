"""Run a turn: what the worker's job calls. Nothing else brings LangGraph into a process."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from flask import current_app
from langgraph.types import Command

from mealquest.strategy.agent import facts, local, shop
from mealquest.strategy.agent.breaker import Breaker
from mealquest.strategy.agent.checkpoints import Store, thread_id
from mealquest.strategy.agent.config import CHAT_TOKENS, PLAN_TOKENS, ModelConfig, Task
from mealquest.strategy.agent.domain import (
    ChatTask,
    Decision,
    FailureCode,
    Json,
    Mode,
    Note,
    Plan,
    PlanStatus,
    PlanTask,
    Unavailable,
    as_sent,
)
from mealquest.strategy.agent.drafts import teller
from mealquest.strategy.agent.gate import Gate, QueueFull, WaitedTooLong
from mealquest.strategy.agent.gateway import Model, ModelFailed
from mealquest.strategy.agent.graphs import Ask, chat_graph, plan_graph
from mealquest.strategy.agent.prompts import messages
from mealquest.strategy.agent.runtime import config, shared_by_all

Answer = TypeVar("Answer")

EXTENSION = "agent-store"
TOKENS = {Task.CHAT: CHAT_TOKENS, Task.PLAN: PLAN_TOKENS}

log = structlog.get_logger(__name__)
shop.register()
_one = threading.Lock()


def store() -> Store:
    """This process's checkpoints, opened at first use."""
    app = current_app
    with _one:
        if EXTENSION not in app.extensions:
            url = app.config["DIRECT_URL"].replace("+psycopg", "", 1)
            app.extensions[EXTENSION] = Store(url, app.config["MIGRATION_URL"])
    found: Store = app.extensions[EXTENSION]
    return found


def run_turn(task: ChatTask) -> Decision | Unavailable:
    """What the model decides, or why it could not be heard. Changes nothing in the shop.

    A proposal leaves the thread waiting for `review`. The same turn run again, after a kill for
    instance, goes on where it stood and does not ask a second time for what was answered.
    """
    return _answered("turn", task.merchant_id, lambda: _turn(task))


def _turn(task: ChatTask) -> Decision | Unavailable:
    graph = chat_graph(_asker(task.merchant_id, task.turn_id), store().saver())
    where: Any = {"configurable": {"thread_id": thread_id(task.merchant_id, task.session_id)}}
    stands = graph.get_state(where)
    is_same = bool(task.turn_id) and stands.values.get("turn_id") == task.turn_id
    if is_same and not stands.values.get("unavailable"):
        if stands.next and not stands.interrupts:
            graph.invoke(None, where, durability="sync")
    else:
        store().forget(task.merchant_id, task.session_id)
        graph.invoke({"turn_id": task.turn_id, "document": as_sent(task)}, where, durability="sync")
    store().purge_now_and_then()
    return _told(graph.get_state(where).values)


def _told(state: Json) -> Decision | Unavailable:
    gone = state.get("unavailable")
    if gone:
        return Unavailable(gone["reason"], FailureCode(gone["code"]))
    if state.get("refused"):
        log.warning("figures that come from nowhere", refused=state["refused"][:10])
    said = state["decision"]
    note = said.get("note")  # turns of older versions have none
    return Decision(
        Mode(said["mode"]),
        said["assistantMessage"],
        tuple(said["proposals"]),
        Note(note) if note else None,
    )


def review(merchant_id: str, session_id: str, decision: Json, turn_id: str = "") -> bool:
    """Hand the owner's decision to the thread that waits for it. False: none waits.

    With `turn_id` only that turn hears it: the chat may have gone on to another one meanwhile.
    Safe to repeat, and in any process: what the decision does is done elsewhere, by whoever took
    it; this ends the conversation's turn.
    """
    graph = chat_graph(_asker(merchant_id), store().saver())
    where: Any = {"configurable": {"thread_id": thread_id(merchant_id, session_id)}}
    stands = graph.get_state(where)
    if not stands.interrupts or turn_id not in ("", stands.values.get("turn_id")):
        return False
    graph.invoke(Command(resume=decision), where, durability="sync")
    return True


def reviewed(merchant_id: str, session_id: str) -> Json | None:
    """The decision the thread ended with, None while there is none."""
    graph = chat_graph(_asker(merchant_id), store().saver())
    where: Any = {"configurable": {"thread_id": thread_id(merchant_id, session_id)}}
    found: Json | None = graph.get_state(where).values.get("review")
    return found


def run_plan(task: PlanTask) -> Plan | Unavailable:
    """Candidates for a strategy asked for outright, or what is still to be said."""
    return _answered("plan", task.merchant_id, lambda: _plan(task))


def _plan(task: PlanTask) -> Plan | Unavailable:
    request = {
        "intent": task.intent.strip(),
        "templateId": task.template_id,
        "branchId": task.branch_id,
    }
    document = {
        "merchantId": task.merchant_id,
        "userMessage": request["intent"],
        "requested": request,
        "templates": list(task.templates),
        "facts": list(task.facts),
        "locale": task.locale,
    }
    state = plan_graph(_asker(task.merchant_id, task.turn_id)).invoke(
        {"request": request, "document": document}
    )
    gone = state.get("unavailable")
    if gone:
        return Unavailable(gone["reason"], FailureCode(gone["code"]))
    plan = state["plan"]
    return Plan(
        PlanStatus(plan["status"]),
        candidates=tuple(plan.get("candidates", ())),
        missing_slots=tuple(plan.get("missingSlots", ())),
        note=Note(plan["note"]) if plan.get("note") else None,
        confidence=plan.get("confidence"),
        profile=state["profile"],
    )


def _answered(
    what: str, merchant_id: str, run: Callable[[], Answer | Unavailable]
) -> Answer | Unavailable:
    """Whatever breaks in a graph, the owner is told that there is no answer."""
    try:
        return run()
    except Exception as failure:
        log.error("agent failed", what=what, merchant=merchant_id, exc_info=failure)
        reason = f"the strategist failed ({type(failure).__name__})"
        return Unavailable.because(reason, FailureCode.GRAPH)


def _asker(merchant_id: str, turn_id: str = "") -> Ask:
    """Ask the configured model, when it is this merchant's turn."""
    asked: ModelConfig = config()
    shared = shared_by_all()
    gate, breaker = Gate.of(asked, shared), Breaker(asked, shared)
    worded = local.messages if asked.is_local else messages

    def ask(task: Task, document: Json) -> Json | Unavailable:
        try:
            with gate.turn(merchant_id, turn_id), Model(asked, breaker) as model:
                tell = teller(merchant_id, turn_id) if turn_id and task is Task.CHAT else None
                return model.ask(worded(task, document), TOKENS[task], tell)
        except ModelFailed as failure:
            return failure.unavailable
        except QueueFull:
            reason = "too many requests wait for the model; try again in a minute"
            return Unavailable.because(reason, FailureCode.QUEUE_FULL)
        except WaitedTooLong:
            reason = f"no turn with the model within {gate.bounds.wait_s:.0f} s"
            return Unavailable.because(reason, FailureCode.WAITED_TOO_LONG)

    return ask


def forget(merchant_id: str, session_id: str) -> None:
    """Drop what is kept of one conversation; safe to repeat."""
    store().forget(merchant_id, session_id)


def facts_of(merchant_id: str) -> list[Json]:
    """The merchant's facts as the model is sent them."""
    return [fact.as_sent() for fact in facts.gather(merchant_id)]
