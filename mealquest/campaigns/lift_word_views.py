"""What pages say of what a campaign did. Without a holdout nothing is said to come of it."""

from typing import Any

from flask_babel import format_date, format_percent, get_locale, ngettext

from mealquest.campaigns.lift import LiftVerdict
from mealquest.campaigns.outcome_replies import LiftView, OutcomeView
from mealquest.campaigns.word_views import StateWords
from mealquest.core.money import Currency
from mealquest.web.frame import Feature
from mealquest.web.look import money
from mealquest.web.look import translate as _

feature = Feature("lift_words")  # no routes, words only
_DAY = {"en": "d MMM", "zh": "M月d日"}


@feature.word
def lift_words(verdict: LiftVerdict) -> StateWords:
    return {
        LiftVerdict.NO_HOLDOUT: StateWords(_("Cannot be told"), "neutral"),
        LiftVerdict.TOO_EARLY: StateWords(_("Too early to tell"), "pending"),
        LiftVerdict.NO_EFFECT_SEEN: StateWords(_("No effect seen"), "neutral"),
        LiftVerdict.MORE: StateWords(_("Customers spent more"), "success"),
        LiftVerdict.LESS: StateWords(_("Customers spent less"), "warning"),
    }[verdict]


@feature.word
def lift_lines(lift: LiftView) -> list[str]:
    """Why that is said, or what is still missing, a sentence each."""
    match lift.verdict:
        case LiftVerdict.NO_HOLDOUT:
            return [
                _(
                    "Every customer got it: nobody was left without it by lot, so nobody can tell"
                    " what they would have spent anyway."
                )
            ]
        case LiftVerdict.TOO_EARLY:
            return _missing(lift)
        case LiftVerdict.NO_EFFECT_SEEN:
            return [
                _(
                    "The difference may as well be chance: its range has zero in it. That is no"
                    " proof that the campaign does nothing."
                )
            ]
    return [_("The range does not have zero in it: chance alone rarely does that.")]


def _missing(lift: LiftView) -> list[str]:
    found = []
    if lacks := lift.treated.lacks:
        found.append(
            ngettext(
                "%(num)s more customer who gets it is needed.",
                "%(num)s more customers who get it are needed.",
                lacks,
            )
        )
    if lacks := lift.held_out.lacks:
        found.append(
            ngettext(
                "%(num)s more customer who gets nothing by lot is needed.",
                "%(num)s more customers who get nothing by lot are needed.",
                lacks,
            )
        )
    return found or [_("Nobody on either side has bought anything since.")]


@feature.word
def share_words(share: float) -> str:
    return str(format_percent(share, "#,##0.0%"))


@feature.word
def share_difference_words(share: float) -> str:
    """A difference of two shares, with its sign, in points of a hundred."""
    return _("%(points)s points", points=f"{share * 100:+.1f}")


@feature.word
def point_rows(outcome: OutcomeView, currency: Currency) -> list[dict[str, Any]]:
    """Bars of hits under a line of cost, as the chart draws them."""
    pattern = _DAY.get(str(get_locale() or "en")[:2], _DAY["en"])
    return [
        {
            "label": format_date(point.since, pattern),
            "bar": point.hits,
            "bar_text": str(point.hits),
            "line": float(point.cost),
            "line_text": money(point.cost, currency.value),
        }
        for point in outcome.points
    ]
