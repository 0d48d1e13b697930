"""A campaign run over its own past, and the words of every replay."""

from collections.abc import Callable
from typing import Any

from flask import url_for
from pydantic import Field

from mealquest.campaigns import service
from mealquest.campaigns.forms import CampaignPathForm
from mealquest.campaigns.replay_replies import ReplayResult, ReplayView
from mealquest.campaigns.replay_result import Note
from mealquest.core.principal import MANAGEMENT
from mealquest.tenancy.service import Operation
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import day, money
from mealquest.web.look import translate as _

feature = Feature("campaign_replays")


class CampaignReplayPage(ReplayView):
    campaign_id: str = Field("", exclude=True)


@feature.get(
    api="/api/merchant/campaigns/<campaign_id>/replay",
    page="/console/campaigns/<campaign_id>/replay",
    roles=MANAGEMENT,
    scope=Scope.QUERY,
    template="campaigns/replay",
)
def replay(call: Call, form: CampaignPathForm) -> CampaignReplayPage:
    """What came of running a campaign over its own past, beside what it really did."""
    found = service.own_replay(call.merchant_id, form.campaign_id)
    return CampaignReplayPage(**dict(found), campaign_id=form.campaign_id)


@feature.post(
    api="/api/merchant/campaigns/<campaign_id>/replay",
    page="/console/campaigns/<campaign_id>/replay",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.CAMPAIGN_REPLAY,
    again="campaign_replays.replay",
    template="campaigns/replay",
    see_other=lambda view: url_for("campaign_replays.replay.page", campaign_id=view.campaign_id),
)
def replay_again(call: Call, form: CampaignPathForm) -> CampaignReplayPage:
    """Have a campaign run over its own past, by a job; ask for what comes of it by GET."""
    found = service.ask_own(call.merchant_id, form.campaign_id, call.principal)
    return CampaignReplayPage(**dict(found), campaign_id=form.campaign_id)


# --- words ------------------------------------------------------------------------------------


@feature.word
def replay_points(result: ReplayResult, currency: str) -> list[dict[str, Any]]:
    """The weeks of a chart: what they would have cost, and the hits."""
    return [
        {
            "label": day(week.begins),
            "bar": week.cost,
            "bar_text": money(week.cost, currency),
            "line": week.hits,
            "line_text": str(week.hits),
        }
        for week in result.weeks
    ]


@feature.word
def replay_notes(result: ReplayResult) -> list[str]:
    """What it does not know, a sentence each."""
    return [_NOTES[note]() for note in result.notes]


_NOTES: dict[Note, Callable[[], str]] = {
    Note.FAULTY: lambda: _("What it gives cannot be carried out, so it gives nothing."),
    Note.SHORT_PAST: lambda: _(
        "The shop’s past is shorter than 90 days; weeks before its first order or visit are empty."
    ),
    Note.FEW_WEEKS: lambda: _("There are too few weeks to say how much it may vary."),
    Note.KEPT_ONLY: lambda: _(
        "This event leaves no trace of its own: only what a campaign listened for is known."
    ),
    Note.REPORTED: lambda: _(
        "Of events that were reported by hand only the fields that a campaign asked for are kept."
    ),
    Note.FIELD_NEVER_TOLD: lambda: _(
        "It asks for something that this event does not tell by itself; such a condition is never"
        " true unless somebody reports it."
    ),
    Note.TAGS_OF_TODAY: lambda: _("Tags are taken as they are today; those of that day are gone."),
    Note.KILL_SWITCHED: lambda: _("While the kill switch was on, nothing counted."),
    Note.NO_END: lambda: _(
        "It would end earlier than that: the figures show all of the time, as if it ran throughout."
    ),
    Note.CARDS: lambda: _(
        "What discount cards take off is an estimate: the best card on the customer’s next order."
    ),
    Note.GIFTS_UNKNOWN: lambda: _(
        "No earlier gift tells how many are used, so all of it may stay open."
    ),
    Note.CAP_OF_TODAY: lambda: _("The month’s cap for all campaigns is taken as it is today."),
}
