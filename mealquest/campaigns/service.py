"""Campaigns: what the shop gives by itself when something happens. The door to this package.

`triggering` takes events, `engine` decides and gives, `switching` stops, `fire_sale` sells out,
`reading` shows, `events` and `inactivity` bring what happens in the product.
"""

from mealquest.campaigns.checks import CHECKS
from mealquest.campaigns.domain import CampaignStatus, Limits
from mealquest.campaigns.events import SUBSCRIPTIONS
from mealquest.campaigns.fire_sale import plan as plan_fire_sale
from mealquest.campaigns.fire_sale import start as start_fire_sale
from mealquest.campaigns.inactivity import has_due, look
from mealquest.campaigns.queries import forget_customer
from mealquest.campaigns.reading import (
    activities,
    decisions,
    detail,
    every,
    every_decision,
    given_for,
    listed,
    state_rows,
)
from mealquest.campaigns.switching import set_kill_switch, set_status
from mealquest.campaigns.triggering import trigger
from mealquest.campaigns.writing import NewCampaign, add

__all__ = [
    "CHECKS",
    "SUBSCRIPTIONS",
    "CampaignStatus",
    "Limits",
    "NewCampaign",
    "activities",
    "add",
    "decisions",
    "detail",
    "every",
    "every_decision",
    "forget_customer",
    "given_for",
    "has_due",
    "listed",
    "look",
    "plan_fire_sale",
    "set_kill_switch",
    "set_status",
    "start_fire_sale",
    "state_rows",
    "trigger",
]
