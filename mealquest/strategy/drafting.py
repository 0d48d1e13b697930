"""From what a model decided to a proposal: normalised, compared, and weighed. Pure.

Nothing is stored here, and nothing is granted: an owner decides about the draft.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from mealquest.core.ids import new_id
from mealquest.core.money import Currency
from mealquest.core.wire import number
from mealquest.strategy import catalogue, patches, risk
from mealquest.strategy.catalogue import Branch, Template
from mealquest.strategy.domain import difference
from mealquest.strategy.found import Found, as_number, clean_text

TITLE_LENGTH, RATIONALE_LENGTH = 120, 1000
KNOWN = frozenset(
    {
        "templateId",
        "branchId",
        "title",
        "rationale",
        "confidence",
        "campaignPatch",
        "figures",
        "variant",
    }
)
MOST_FIGURES = 12


@dataclass(frozen=True, slots=True)
class Shop:
    """What drafting has to know of a merchant; `budget_cap` in major units."""

    merchant_id: str
    currency: Currency
    budget_cap: Decimal


@dataclass(frozen=True, slots=True)
class Wish:
    """A template and a branch that somebody asked for; the model's own choice comes first."""

    template_id: str | None = None
    branch_id: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A proposal that is not stored yet; `reasons` say why it never will be."""

    template: Template
    branch: Branch
    title: str
    rationale: str
    confidence: int | float | None
    campaign: dict[str, Any]
    difference: list[dict[str, Any]]
    figures: list[dict[str, Any]] = field(default_factory=list)  # with the facts they are from
    dropped: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def draft(said: Mapping[str, Any], shop: Shop, now: datetime, wish: Wish | None = None) -> Draft:
    """Normalise a proposal of the model's, and weigh it."""
    wished = wish or Wish()
    template = _template(said.get("templateId"), wished)
    branch = _branch(template, said.get("branchId"), wished)
    found = Found()
    found.unknown(said, KNOWN)
    base = template.campaign(branch)
    patch = said.get("campaignPatch")
    campaign = patches.apply(base, patch, found, currency=shop.currency, now=now)
    campaign = {"id": _campaign_id(template, branch), **campaign}
    title = clean_text(said.get("title"), TITLE_LENGTH)
    return Draft(
        template=template,
        branch=branch,
        title=title or f"{template.name} · {branch.name} · AI",
        rationale=clean_text(said.get("rationale"), RATIONALE_LENGTH),
        confidence=_confidence(said.get("confidence")),
        campaign=campaign,
        difference=[part for part in difference(base, campaign) if part["path"] != "id"],
        figures=_figures(said.get("figures")),
        dropped=found.dropped,
        reasons=list(dict.fromkeys([*found.faults, *risk.reasons(campaign, shop.budget_cap)])),
    )


def _template(said: Any, wish: Wish) -> Template:
    known = isinstance(said, str) and said in catalogue.LIBRARY
    return catalogue.template(said if known else wish.template_id)


def _branch(template: Template, said: Any, wish: Wish) -> Branch:
    known = {branch.id for branch in template.branches}
    return template.branch(said if isinstance(said, str) and said in known else wish.branch_id)


def _campaign_id(template: Template, branch: Branch) -> str:
    return new_id(f"campaign_{template.id}_{branch.id.lower()}")


def _figures(said: Any) -> list[dict[str, Any]]:
    """The figures a draft leans on. The agent traced them; here they only lose what is no text."""
    listed = [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    whole = [
        {
            "value": number(value),
            "factId": clean_text(one.get("factId"), 80),
            "key": clean_text(one.get("key"), 40),
        }
        for one in listed[:MOST_FIGURES]
        if (value := as_number(one.get("value"))) is not None and abs(value) <= patches.MOST_UNITS
    ]
    return [one for one in whole if one["factId"] and one["key"]]


def _confidence(said: Any) -> int | float | None:
    figure = as_number(said)
    return None if figure is None else number(min(max(figure, Decimal(0)), Decimal(1)))


def strategy_meta(one: Draft, *, provider: str, model: str, by: str, session_id: str | None) -> Any:
    """Where a proposal comes from, kept with it and with its campaign."""
    return {
        "templateId": one.template.id,
        "templateName": one.template.name,
        "category": one.template.category.value,
        "phase": catalogue.PHASE,
        "branchId": one.branch.id,
        "branchName": one.branch.name,
        "operatorId": by,
        "source": "AI_MODEL",
        "provider": clean_text(provider, 40).upper(),
        "model": clean_text(model, 80),
        "rationale": one.rationale,
        "confidence": one.confidence,
        "figures": one.figures,
        "sourceChannel": "CHAT_SESSION" if session_id else "API",
        "sourceSessionId": session_id,
    }
