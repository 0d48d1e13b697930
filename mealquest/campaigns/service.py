"""Campaigns: what the shop gives by itself when something happens. The door to this package.

`triggering` takes events, `engine` decides and gives, `switching` stops, `fire_sale` sells out,
`reading` shows, `outcome` tells what came of it and `lift` what it did; `events`, `inactivity`
and `birthdays` bring what happens in the product.
"""

from mealquest.campaigns import restoring
from mealquest.campaigns.birthdays import has_due as has_birthdays
from mealquest.campaigns.birthdays import look as celebrate
from mealquest.campaigns.checks import CHECKS
from mealquest.campaigns.domain import CampaignStatus, Limits
from mealquest.campaigns.events import SUBSCRIPTIONS
from mealquest.campaigns.fire_sale import plan as plan_fire_sale
from mealquest.campaigns.fire_sale import start as start_fire_sale
from mealquest.campaigns.inactivity import has_due, look
from mealquest.campaigns.kept_switch import KIND as KILL_SWITCH_KIND
from mealquest.campaigns.kept_switch import keep_kill_switch, take_kept_kill_switch
from mealquest.campaigns.outcome import every_hit, hits
from mealquest.campaigns.queries import forget_customer
from mealquest.campaigns.reading import (
    activities,
    decisions,
    detail,
    every,
    every_decision,
    given_for,
    listed,
    name_of,
    state_rows,
)
from mealquest.campaigns.replay import BELL as REPLAYS_BELL
from mealquest.campaigns.replay import ask_own, ask_replay, own_replay, replay_of
from mealquest.campaigns.replay_replies import ReplayView
from mealquest.campaigns.replay_working import has_due as has_due_replays
from mealquest.campaigns.replay_working import work_due as work_due_replays
from mealquest.campaigns.results import Result, results
from mealquest.campaigns.switching import set_kill_switch, set_status
from mealquest.campaigns.triggering import trigger
from mealquest.campaigns.writing import NewCampaign, add

__all__ = [
    "CHECKS",
    "KILL_SWITCH_KIND",
    "REPLAYS_BELL",
    "SUBSCRIPTIONS",
    "CampaignStatus",
    "Limits",
    "NewCampaign",
    "ReplayView",
    "Result",
    "activities",
    "add",
    "ask_own",
    "ask_replay",
    "celebrate",
    "decisions",
    "detail",
    "every",
    "every_decision",
    "every_hit",
    "forget_customer",
    "given_for",
    "has_birthdays",
    "has_due",
    "has_due_replays",
    "hits",
    "keep_kill_switch",
    "listed",
    "look",
    "name_of",
    "own_replay",
    "plan_fire_sale",
    "replay_of",
    "restoring",
    "results",
    "set_kill_switch",
    "set_status",
    "start_fire_sale",
    "state_rows",
    "take_kept_kill_switch",
    "trigger",
    "work_due_replays",
]
