"""Makes files with everything about one customer."""

from flask import current_app

from mealquest.core.everywhere import anywhere, one_after_another
from mealquest.privacy import service as privacy
from mealquest.privacy.exports import BELL


def make() -> str:
    """Work for some seconds on one export; safe to run twice, and rings again when more waits."""
    if not one_after_another(privacy.make_due):
        return "nothing to make"
    if anywhere(privacy.has_due):
        current_app.extensions["bells"].ring(BELL)
    return "got on with an export"
