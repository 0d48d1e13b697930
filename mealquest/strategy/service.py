"""What the shop could do next, drafted and decided. The door to this package.

`library` shows the templates, `turns` brings a message to the strategist and its answer back,
`drafting` normalises what a model wrote and `risk` weighs it, `proposals` stores and decides.
"""

from mealquest.strategy.library import configs, is_sandbox, library, state_configs
from mealquest.strategy.proposals import (
    NewProposal,
    add,
    confirm,
    detail,
    dismiss,
    every,
    listed,
    note_in_use,
    state_proposals,
)
from mealquest.strategy.sessions import begin, current, history, open_chat, review
from mealquest.strategy.turns import BELL, answer_due, has_due, send

__all__ = [
    "BELL",
    "NewProposal",
    "add",
    "answer_due",
    "begin",
    "configs",
    "confirm",
    "current",
    "detail",
    "dismiss",
    "every",
    "has_due",
    "history",
    "is_sandbox",
    "library",
    "listed",
    "note_in_use",
    "open_chat",
    "review",
    "send",
    "state_configs",
    "state_proposals",
]
