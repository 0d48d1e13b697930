"""A stand-in for a language model: rules over the facts and templates it is sent, and no more.

It says what it is in everything it says. Its figures come from the facts of the request, each
with its id; what it drafts is one of the templates it was sent.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

NAME = "sandbox-strategist"
TEMPLATE = "activation_contextual_drop"
SHOWN = 3  # facts that small talk mentions
QUOTED = 3  # figures that a draft leans on at most
TELLING = ("customers.", "campaigns.", "wallets.")  # what a draft leans on first, by fact ids

Json = dict[str, Any]

_WANTS = re.compile(
    r"generate|create|draft|strategy|propos|\b(?:plan|launch|set up) an?\b"
    r"|生成|创建|起草|策略|方案|策划|推出|做一个活动|来一个活动",
    re.IGNORECASE,
)
_EXTREME = re.compile(r"extreme|huge budget|aggressive|极端|巨额|激进", re.IGNORECASE)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_NEGATED = re.compile(
    r"\b(?:don't|do not|no)\s+(?:create|draft|generate|propose)|不要(?:生成|创建)", re.I
)


@dataclass(frozen=True, slots=True)
class Words:
    """One language: the label that opens every answer, and the sentences."""

    label: str
    offer: str
    reason: str
    measured: str
    nothing: str
    figures: str
    best: str
    how: str


ENGLISH = Words(
    "[Sandbox model] ",
    "Here is a draft for your review.",
    "Drafted by rules of the sandbox from your request; no language model was asked.",
    " {title}: {key} is {value}.",
    "I have no figures of your shop yet.",
    "From your figures: ",
    "{title}: {figures}",
    " Ask me to create a campaign to get a draft.",
)
CHINESE = Words(
    "【沙盒模型】",
    "这是一份草稿,请审阅。",
    "由沙盒规则根据您的要求生成,没有询问语言模型。",
    "{title}:{key} 为 {value}。",
    "目前还没有您门店的数据。",
    "根据您的数据:",
    "{title}:{figures}",
    "。需要草稿时,请让我创建一个活动。",
)


def answer(document: Json) -> Json:
    """The decision for a task of the strategist, in the contract's form."""
    said = _text(document.get("userMessage"))
    is_chinese = _CHINESE.search(said) or (not said and document.get("locale") == "zh-Hans")
    words = CHINESE if is_chinese else ENGLISH
    plans = document.get("task") == "STRATEGY_PLAN"
    if plans or (_asks_for_one(said)):
        proposal = _draft(document, said, words)
        return {
            "mode": "PROPOSAL",
            "assistantMessage": words.label + words.offer,
            "proposals": [proposal],
            "proposal": proposal,
        }
    return {"mode": "CHAT_REPLY", "assistantMessage": words.label + _talk(document, words)}


def document_of(messages: list[Json]) -> Json:
    """The task in the last message of the user; a plain text is taken as what the owner said."""
    said = next((m.get("content") for m in reversed(messages) if m.get("role") == "user"), "")
    try:
        found = json.loads(said) if isinstance(said, str) else None
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"userMessage": _text(said)}


def _asks_for_one(said: str) -> bool:
    wanted = _WANTS.search(said) or _EXTREME.search(said)
    return bool(wanted) and not _NEGATED.search(said)


def _draft(document: Json, said: str, words: Words) -> Json:
    is_first = not document.get("approvedStrategies")
    template, branch = _asked_for(document) or (TEMPLATE, "COOLING" if is_first else "COMFORT")
    budget = {"cap": 120 if is_first else 140, "used": 0, "costPerHit": 10}
    priority = 82 if is_first else 84
    if _EXTREME.search(said):
        budget, priority = {"cap": 9999, "used": 0, "costPerHit": 500}, 999
    figures, measured = _measured(document, words)
    return {
        "templateId": template,
        "branchId": branch,
        "title": f"{words.label}{_name(document, template, branch)}",
        "rationale": words.label + words.reason + measured,
        "confidence": 0.7,
        "figures": figures,
        "campaignPatch": {"budget": budget, "priority": priority, "ttlHours": 24},
    }


def _asked_for(document: Json) -> tuple[str, str] | None:
    """Template and branch that were named outright, or those that the message names."""
    requested = document.get("requested")
    requested = requested if isinstance(requested, dict) else {}
    said = _text(document.get("userMessage"))
    for template in _list(document.get("templates")):
        known = _text(template.get("templateId"))
        if known and known in (requested.get("templateId"), *re.findall(r"[a-z_]{8,}", said)):
            named = _text(requested.get("branchId")) or _named_branch(template, said)
            return known, named or _default_branch(template)
    return None


def _named_branch(template: Json, said: str) -> str:
    words = re.findall(r"[A-Z_]{4,}", said)
    branches = [_text(branch.get("branchId")) for branch in _list(template.get("branches"))]
    return next((branch for branch in branches if branch in words), "")


def _default_branch(template: Json) -> str:
    branches = _list(template.get("branches"))
    first = _text(branches[0].get("branchId")) if branches else ""
    return _text(template.get("defaultBranchId")) or first


def _name(document: Json, template: str, branch: str) -> str:
    """In the catalogue's words where it was sent."""
    for known in _list(document.get("templates")):
        if known.get("templateId") == template:
            for part in _list(known.get("branches")):
                if part.get("branchId") == branch:
                    return f"{_text(known.get('name'))} · {_text(part.get('name'))}"
    return f"{template} · {branch}"


def _measured(document: Json, words: Words) -> tuple[list[Json], str]:
    """Figures that the draft leans on, each with the fact it is from; nothing without facts."""
    figures: list[Json] = []
    lines = ""
    for fact in _telling(_list(document.get("facts"))):
        found = _highest(fact)
        if found and found[1] and not re.search(r"\d", _title(fact) + _label(found[0])):
            key, value = found
            figures.append({"value": value, "factId": fact.get("id"), "key": key})
            lines += words.measured.format(title=_title(fact), key=_label(key), value=value)
        if len(figures) == QUOTED:
            break
    return figures, lines


def _telling(facts: list[Json]) -> list[Json]:
    """Customers and what campaigns did before the figures of the day; else as they were sent."""
    first = [fact for fact in facts if _text(fact.get("id")).startswith(TELLING)]
    return first + [fact for fact in facts if fact not in first]


def _talk(document: Json, words: Words) -> str:
    lines = []
    for fact in _list(document.get("facts"))[:SHOWN]:
        told = ", ".join(f"{_label(key)} {value}" for key, value in _numbers(fact).items())
        if told:
            lines.append(words.best.format(title=_title(fact), figures=told))
    told = words.figures + "; ".join(lines) if lines else words.nothing.rstrip(".。")
    return told + ("." if words is ENGLISH else "") + words.how


def _highest(fact: Json) -> tuple[str, int | float] | None:
    numbers = _numbers(fact)
    if not numbers:
        return None
    key = max(numbers, key=lambda name: numbers[name])
    return key, numbers[key]


def _numbers(fact: Json) -> dict[str, int | float]:
    figures = fact.get("figures")
    return {
        key: value
        for key, value in (figures.items() if isinstance(figures, dict) else ())
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _title(fact: Json) -> str:
    return _text(fact.get("title")).rstrip(".。")


def _label(key: str) -> str:
    return key.replace("_", " ")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _list(value: Any) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
