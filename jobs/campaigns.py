"""Looks for customers who stay away, and who celebrate, for the campaigns that wait for that."""

from flask import current_app

from mealquest.campaigns import service as campaigns

BELL = "campaigns"
BIRTHDAYS = "birthdays"
SECONDS = 60.0
MANY = 1000


def look() -> str:
    """Trigger once for each customer and number of days; safe to run twice."""
    told = campaigns.look(SECONDS)
    if told >= MANY:  # more than one run may do: go on without waiting for the next hour
        current_app.extensions["bells"].ring(BELL)
    return f"{told} triggers"


def birthdays() -> str:
    """Trigger once a year for each customer's birthday and its month; safe to run twice."""
    told = campaigns.celebrate(SECONDS)
    if told >= MANY:
        current_app.extensions["bells"].ring(BIRTHDAYS)
    return f"{told} triggers"
