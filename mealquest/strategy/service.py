"""What the shop could do next, drafted and decided. The door to this package.

`library` shows the templates, `turns` brings a message to the strategist and its answer back,
`drafting` normalises what a model wrote and `risk` weighs it, `proposals` stores and decides.
"""

from mealquest.strategy import restoring
from mealquest.strategy.agent.runtime import measure
from mealquest.strategy.domain import (
    BELL,
    MOST_MESSAGES,
    ConfigStatus,
    MessageType,
    ProposalStatus,
    Speaker,
)
from mealquest.strategy.library import configs, is_local, is_sandbox, library, state_configs
from mealquest.strategy.picking import pick
from mealquest.strategy.plans import plan
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
from mealquest.strategy.replays import replay, replay_again
from mealquest.strategy.retention import purge_old as purge_chats
from mealquest.strategy.sessions import begin, current, history, review
from mealquest.strategy.talks import open_talk, stop
from mealquest.strategy.threads import end_due as end_due_threads
from mealquest.strategy.threads import forget_customer
from mealquest.strategy.turns import answer_due, has_due, propose, send

__all__ = [
    "BELL",
    "MOST_MESSAGES",
    "ConfigStatus",
    "MessageType",
    "NewProposal",
    "ProposalStatus",
    "Speaker",
    "add",
    "answer_due",
    "begin",
    "configs",
    "confirm",
    "current",
    "detail",
    "dismiss",
    "end_due_threads",
    "every",
    "forget_customer",
    "has_due",
    "history",
    "is_local",
    "is_sandbox",
    "library",
    "listed",
    "measure",
    "note_in_use",
    "open_talk",
    "pick",
    "plan",
    "propose",
    "purge_chats",
    "replay",
    "replay_again",
    "restoring",
    "review",
    "send",
    "state_configs",
    "state_proposals",
    "stop",
]
