"""Asks the strategist for the messages that wait. Only here does a process load the agent."""

from flask import current_app

from mealquest.strategy import service as strategy


def answer() -> str:
    """Answer one message; safe to run twice, and rings again while more wait."""
    if not strategy.answer_due():
        return "nobody asks"
    if strategy.has_due():
        current_app.extensions["bells"].ring(strategy.BELL)
    return "answered"
