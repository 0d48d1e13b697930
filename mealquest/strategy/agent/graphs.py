"""The two graphs. Their nodes ask and arrange; none of them changes anything in the shop.

Chat: prepare_input -> remote_decide -> finalize_turn -> review, which stops until the owner has
decided. Planner: prepare_input -> remote_decide -> assemble_plan.
"""

from collections.abc import Callable
from typing import Any, Literal, TypedDict

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import interrupt

from mealquest.strategy.agent import variants
from mealquest.strategy.agent.config import Task
from mealquest.strategy.agent.domain import Json, Mode, Note, PlanStatus, Unavailable, decided
from mealquest.strategy.agent.planning import clarification, profile_of
from mealquest.strategy.agent.trace import trace

# Asks the model for a task with a document; its answer, or why there is none.
Ask = Callable[[Task, Json], Json | Unavailable]


class ChatState(TypedDict, total=False):
    """Plain JSON throughout, so that any version of the product can read it back."""

    turn_id: str
    document: Json
    answer: Json
    unavailable: Json
    decision: Json
    refused: list[str]
    review: Json


class PlanState(TypedDict, total=False):
    request: Json
    document: Json
    profile: Json
    answer: Json
    unavailable: Json
    plan: Json


def chat_graph(ask: Ask, saver: BaseCheckpointSaver[Any]) -> CompiledStateGraph[Any, Any, Any, Any]:
    graph = StateGraph(ChatState)
    graph.add_node("prepare_input", _prepare_chat)
    graph.add_node("remote_decide", lambda state: _asked(ask, Task.CHAT, state["document"]))
    graph.add_node("finalize_turn", _finalize)
    graph.add_node("review", _review)
    graph.add_edge(START, "prepare_input")
    graph.add_edge("prepare_input", "remote_decide")
    graph.add_conditional_edges("remote_decide", _heard)
    graph.add_conditional_edges("finalize_turn", _proposed)
    graph.add_edge("review", END)
    return graph.compile(checkpointer=saver)


def _prepare_chat(state: ChatState) -> ChatState:
    """The message loses its edges; what an earlier turn left is gone."""
    document = state["document"]
    said = str(document.get("userMessage") or "").strip()
    return {"document": document | {"userMessage": said}, "refused": []}


def _asked(ask: Ask, task: Task, document: Json) -> Json:
    answer = ask(task, document)
    if isinstance(answer, Unavailable):
        return {"unavailable": {"reason": answer.reason, "code": answer.code.value}}
    return {"answer": answer}


def _heard(state: ChatState) -> Literal["finalize_turn", "__end__"]:
    return "__end__" if state.get("unavailable") else "finalize_turn"


def _finalize(state: ChatState) -> ChatState:
    """Mode, words and those proposals whose figures can be traced to the facts that were sent."""
    document, decision = state["document"], decided(state["answer"])
    kept, refused = _traced(decision.proposals, document)
    mode, message, note = decision.mode, decision.assistant_message, decision.note
    if mode is Mode.PROPOSAL and not kept:
        mode, message, note = Mode.CHAT_REPLY, "", Note.UNTRACED
    elif mode is Mode.PROPOSAL and not _is_traced(message, kept, document):
        message, note = "", Note.DRAFTED
    said: Json = {"mode": mode.value, "assistantMessage": message, "proposals": kept}
    return {"decision": said | {"note": note.value if note else None}, "refused": refused}


def _is_traced(message: str, kept: list[Json], document: Json) -> bool:
    """Whether the words beside the drafts have only figures that a draft lists or sets."""
    figures = [figure for proposal in kept for figure in proposal["figures"]]
    words: Json = {"rationale": message, "figures": figures, "campaignPatch": {"drafts": kept}}
    return trace(words, document.get("facts", []), said=document["userMessage"]).is_sound


def _traced(proposals: tuple[Json, ...], document: Json) -> tuple[list[Json], list[str]]:
    kept: list[Json] = []
    refused: list[str] = []
    templates = {item.get("templateId"): item for item in document.get("templates", [])}
    for proposal in proposals:
        found = trace(
            proposal,
            document.get("facts", []),
            said=str(document.get("userMessage", "")),
            template=templates.get(_text(proposal.get("templateId"))),
        )
        if found.is_sound:
            kept.append(proposal | {"figures": list(found.figures)})
        refused += found.refused
    return kept, refused


def _proposed(state: ChatState) -> Literal["review", "__end__"]:
    return "review" if state["decision"]["mode"] == Mode.PROPOSAL else "__end__"


def _review(state: ChatState) -> ChatState:
    """Stop here until the owner has decided. Runs again from its top then, so it does no more."""
    return {"review": interrupt({"proposals": state["decision"]["proposals"]})}


def plan_graph(ask: Ask) -> CompiledStateGraph[Any, Any, Any, Any]:
    graph = StateGraph(PlanState)
    graph.add_node("prepare_input", _prepare_plan)
    graph.add_node("remote_decide", lambda state: _asked(ask, Task.PLAN, state["document"]))
    graph.add_node("assemble_plan", _assemble)
    graph.add_edge(START, "prepare_input")
    graph.add_conditional_edges("prepare_input", _clear)
    graph.add_conditional_edges("remote_decide", _planned)
    graph.add_edge("assemble_plan", END)
    return graph.compile()


def _prepare_plan(state: PlanState) -> PlanState:
    request, document = state["request"], state["document"]
    profile = profile_of(request["intent"])
    prepared: PlanState = {
        "profile": profile.as_json(),
        "document": document | {"intentProfile": profile.as_json()},
    }
    if request["templateId"] or request["branchId"]:
        return prepared
    open_plan = clarification(request["intent"], profile)
    if open_plan:
        prepared["plan"] = {
            "status": open_plan.status.value,
            "missingSlots": list(open_plan.missing_slots),
            "note": open_plan.note,
            "confidence": open_plan.confidence,
        }
    return prepared


def _clear(state: PlanState) -> Literal["remote_decide", "__end__"]:
    return "__end__" if state.get("plan") else "remote_decide"


def _planned(state: PlanState) -> Literal["assemble_plan", "__end__"]:
    return "__end__" if state.get("unavailable") else "assemble_plan"


def _assemble(state: PlanState) -> PlanState:
    """One candidate for what was asked for by name, else the first draft in three tempers."""
    request, document = state["request"], state["document"]
    answer = state["answer"]
    drafts = decided(answer | {"mode": Mode.PROPOSAL}).proposals or _bare(answer)
    kept, refused = _traced(drafts[:1], document)
    named = {key: request[key] for key in ("templateId", "branchId") if request[key]}
    if named:
        candidates = [draft | named for draft in kept]
    else:
        candidates = [v for draft in kept for v in variants.three(draft, _cap(state))]
    plan: Json = {"status": PlanStatus.PROPOSALS.value, "candidates": candidates}
    note = None if candidates else Note.UNTRACED.value
    return {"plan": plan | {"note": note, "refused": refused}}


def _bare(answer: Json) -> tuple[Json, ...]:
    """A planner's model may answer with the proposal itself, without the envelope."""
    return (answer,) if "campaignPatch" in answer or "templateId" in answer else ()


def _cap(state: PlanState) -> float | None:
    cap: int | None = state["profile"].get("budgetCap")
    return cap


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
