"""Sends messages to people through the edges that are configured."""

from mealquest.core import messages
from mealquest.core.messages import MessageKind, Senders
from mealquest.identity import service as identity

BATCH = 5  # with an edge that hangs 5 seconds each, well inside a message's lease
ROUNDS = 4

SENDERS: Senders = {MessageKind.SMS: identity.send_sms}


def deliver() -> str:
    """Send what is due, batch by batch. Safe to run twice: a batch belongs to its claimer."""
    handled = 0
    for _ in range(ROUNDS):
        batch = messages.deliver_due(SENDERS, limit=BATCH)
        handled += batch
        if not batch:
            break
    return f"handled {handled}"
