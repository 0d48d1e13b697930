"""Several drafts of one wish: each weighed by itself, the sound ones kept for the owner to choose.

The first sound one is what waits for approval. Derived drafts are the product's own: their title
and reason are ours, so no figure of the model's words stands beside a budget it was not made for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mealquest.strategy.agent import variants
from mealquest.strategy.agent.variants import Temper
from mealquest.strategy.domain import MOST_CANDIDATES
from mealquest.strategy.drafting import Draft, Shop, Wish, draft
from mealquest.strategy.notes import temper_name, temper_rationale

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Candidate:
    """`temper`: of one of the three made of one draft; None for the model's own several."""

    draft: Draft
    temper: Temper | None = None


@dataclass(frozen=True, slots=True)
class Weighed:
    """`sound`: the primary one first. `refused`: drafts that limits stand against."""

    sound: tuple[Candidate, ...]
    refused: tuple[Candidate, ...]

    @property
    def reasons(self) -> list[str]:
        """Why nothing is left, by title where there were several."""
        if len(self.refused) == 1:
            return self.refused[0].draft.reasons
        said = [
            f"{one.draft.title}: {reason}" for one in self.refused for reason in one.draft.reasons
        ]
        return list(dict.fromkeys(said))


def of_chat(said: Sequence[Json], shop: Shop, now: datetime) -> Weighed:
    """What a chat drafted: one draft brings a more careful and a bolder one along."""
    drafted = [Candidate(draft(one, shop, now)) for one in said[:MOST_CANDIDATES]]
    if len(drafted) == 1 and not drafted[0].draft.reasons:
        first = drafted[0].draft
        others = (_weighed(one, shop, now) for one in _derived(said[0], first))
        kept = [one for one in others if _goes_its_way(one, first)]
        drafted = [Candidate(first, Temper.BALANCED), *kept] if kept else drafted
    return _parted(drafted)


def of_plan(
    said: Sequence[Json], shop: Shop, now: datetime, wish: Wish, overrides: Json
) -> Weighed:
    """What the planner drafted, with what the caller set over it."""
    whole = [_overridden(one, overrides) for one in said[:MOST_CANDIDATES]]
    return _parted([_weighed(one, shop, now, wish) for one in whole])


def merged(patch: Mapping[str, Any], over: Mapping[str, Any]) -> Json:
    """Objects merge, lists and values replace."""
    found = dict(patch)
    for key, value in over.items():
        old = found.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        found[key] = merged(old, value) if both else value  # type: ignore[arg-type]
    return found


def _overridden(said: Json, overrides: Json) -> Json:
    patch = said.get("campaignPatch")
    if not overrides or (patch is not None and not isinstance(patch, dict)):
        return said
    return said | {"campaignPatch": merged(patch or {}, overrides)}


def _weighed(said: Json, shop: Shop, now: datetime, wish: Wish | None = None) -> Candidate:
    one = draft(said, shop, now, wish)
    temper = next((known for known in Temper if known.value == said.get("variant")), None)
    if temper in (None, Temper.BALANCED):
        return Candidate(one, temper)
    name = f"{one.template.name} · {one.branch.name} · {temper_name(temper)}"
    return Candidate(replace(one, title=name, rationale=temper_rationale(temper)), temper)


def _derived(said: Json, first: Draft) -> Sequence[Json]:
    """The other two tempers, of the campaign as it was drafted rather than of the patch alone."""
    patch, budget = said.get("campaignPatch"), first.campaign["budget"]
    whole = dict(patch) if isinstance(patch, dict) else {}
    whole |= {
        "budget": {"cap": budget["cap"], "costPerHit": budget["costPerHit"]},
        "priority": first.campaign["priority"],
    }
    known = said | {"campaignPatch": whole}
    others = variants.three(known)[1:]
    return [one | {"confidence": None} for one in others] if first.confidence is None else others


def _goes_its_way(one: Candidate, first: Draft) -> bool:
    """Whether a derived draft is what it is called; bounds may have turned a small budget round."""
    mine, theirs = one.draft.campaign["budget"], first.campaign["budget"]
    steps = [mine[key] - theirs[key] for key in ("cap", "costPerHit")]
    if one.temper is Temper.CONSERVATIVE:
        steps = [-step for step in steps]
    return bool(min(steps) >= 0 and max(steps) > 0)


def _parted(drafted: Sequence[Candidate]) -> Weighed:
    """Sound and refused, each in its order; of two campaigns that are alike only the first."""
    sound: list[Candidate] = []
    for one in drafted:
        known = [_without_id(other.draft) for other in sound]
        if not one.draft.reasons and _without_id(one.draft) not in known:
            sound.append(one)
    return Weighed(tuple(sound), tuple(one for one in drafted if one.draft.reasons))


def _without_id(one: Draft) -> Json:
    return {key: value for key, value in one.campaign.items() if key != "id"}
