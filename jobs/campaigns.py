"""Looks for customers who stay away, and who celebrate, for the campaigns that wait for that."""

from collections.abc import Callable

from flask import current_app

from mealquest.campaigns import service as campaigns
from mealquest.core.db import databases
from mealquest.core.everywhere import everywhere

BELL = "campaigns"
BIRTHDAYS = "birthdays"
SECONDS = 60.0
MANY = 1000


def look() -> str:
    """Trigger once for each customer and number of days; safe to run twice."""
    told = _in_all(campaigns.look)
    if told >= MANY:  # more than one run may do: go on without waiting for the next hour
        current_app.extensions["bells"].ring(BELL)
    return f"{told} triggers"


def birthdays() -> str:
    """Trigger once a year for each customer's birthday and its month; safe to run twice."""
    told = _in_all(campaigns.celebrate)
    if told >= MANY:
        current_app.extensions["bells"].ring(BIRTHDAYS)
    return f"{told} triggers"


def _in_all(step: Callable[[float], int]) -> int:
    """Each database has its share of the time."""
    share = SECONDS / len(databases().all())
    return sum(everywhere(lambda: step(share)))
