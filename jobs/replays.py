"""Runs proposed campaigns over what has happened."""

from flask import current_app

from mealquest.campaigns import service as campaigns
from mealquest.core.everywhere import anywhere, one_after_another


def make() -> str:
    """Make one replay; safe to run twice, and rings again while more wait."""
    if not one_after_another(campaigns.work_due_replays):
        return "nothing to replay"
    if anywhere(campaigns.has_due_replays):
        current_app.extensions["bells"].ring(campaigns.REPLAYS_BELL)
    return "replayed"
