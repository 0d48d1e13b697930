"""Asks the strategist for what waits, and ends what it keeps.

Only here does a process load the agent.
"""

from flask import current_app

from mealquest.core.everywhere import anywhere, everywhere, one_after_another
from mealquest.strategy import service as strategy


def answer() -> str:
    """Answer one message or plan, and end threads that have served.

    Safe to run twice, and rings again while more wait.
    """
    ended = sum(everywhere(strategy.end_due_threads))
    if not one_after_another(strategy.answer_due) and not ended:
        return "nobody asks"
    if anywhere(strategy.has_due):
        current_app.extensions["bells"].ring(strategy.BELL)
    return "answered"
