"""What the strategist says in the product's own words, in the language of the moment."""

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext, lazy_gettext

from mealquest.strategy.agent.domain import FailureCode, Note
from mealquest.strategy.agent.variants import Temper

_NOTES: Mapping[Note, Any] = {
    Note.DRAFTED: lazy_gettext("Here is a draft for your review."),
    Note.UNCLEAR: lazy_gettext("Tell me more about what you want to achieve."),
    Note.UNTRACED: lazy_gettext(
        "The draft quoted figures that come from none of the shop’s facts, so it was put aside."
        " Ask again, or ask without figures."
    ),
    Note.OPEN: lazy_gettext("The request leaves open what a draft depends on."),
}
_QUESTIONS: Mapping[str, Any] = {
    "goal": lazy_gettext(
        "What should it achieve: new customers, more visits, more sales, people coming back?"
    ),
    "budget_cap": lazy_gettext("How much may it cost at most?"),
    "time_window": lazy_gettext(
        "When should it run: today, tomorrow, at lunch, at dinner, or at the weekend?"
    ),
    "audience": lazy_gettext(
        "Who is it for: new customers, regulars, members, or your best customers?"
    ),
}
_FAILURES: Mapping[FailureCode, Any] = {
    FailureCode.NOT_CONFIGURED: lazy_gettext("no key for the model is set: MQ_AI_API_KEY"),
    FailureCode.TIMEOUT: lazy_gettext("it did not answer in time"),
    FailureCode.NETWORK: lazy_gettext("it cannot be reached"),
    FailureCode.HTTP: lazy_gettext("it refused the question"),
    FailureCode.FORMAT: lazy_gettext("its answer could not be read"),
    FailureCode.CIRCUIT_OPEN: lazy_gettext("it failed several times and is left alone for a while"),
    FailureCode.QUEUE_FULL: lazy_gettext("too many requests wait for it; try again in a minute"),
    FailureCode.WAITED_TOO_LONG: lazy_gettext("too many requests were ahead of this one"),
    FailureCode.GRAPH: lazy_gettext("something broke on our side"),
    FailureCode.STOPPED: lazy_gettext("it was stopped"),
}
_TEMPERS: Mapping[Temper, Any] = {
    Temper.BALANCED: lazy_gettext("Balanced"),
    Temper.CONSERVATIVE: lazy_gettext("Conservative"),
    Temper.AGGRESSIVE: lazy_gettext("Aggressive"),
}
_SHIFTS: Mapping[Temper, Any] = {
    Temper.CONSERVATIVE: lazy_gettext(
        "The first draft with a smaller budget, less for each hit, and behind other campaigns."
    ),
    Temper.AGGRESSIVE: lazy_gettext(
        "The first draft with a larger budget, more for each hit, and ahead of other campaigns."
    ),
}


def note_words(note: Note) -> str:
    return str(_NOTES[note])


def question(slot: str) -> str:
    return str(_QUESTIONS[slot])


def failure_notice(code: FailureCode) -> str:
    """Why nobody answered, as the chat says it; the wire's `reason` stays in its own words."""
    reason = str(_FAILURES[code])
    return str(
        gettext(
            "The strategist cannot answer at the moment (%(reason)s). Nothing was drafted.",
            reason=reason,
        )
    )


def temper_name(temper: Temper) -> str:
    return str(_TEMPERS[temper])


def temper_rationale(temper: Temper) -> str:
    """What a draft that was derived from the first one says for itself."""
    return str(_SHIFTS[temper])
