"""Sends messages to people through the edges that are configured."""

import time

from mealquest.core import mail, messages
from mealquest.core.messages import MessageKind, Senders, StoredMessage
from mealquest.identity import service as identity
from mealquest.invoices import service as invoices

BATCH = 5  # with an edge that hangs 5 seconds each, well inside a message's lease
ROUNDS = 4
A_LITTLE_S = 1.0


def send_mail(message: StoredMessage) -> None:
    """Send a mail with the files of whoever wrote it, made now so that they are not stored."""
    mail.send(message, invoices.attached(message))


SENDERS: Senders = {MessageKind.SMS: identity.send_sms, MessageKind.EMAIL: send_mail}


def deliver() -> str:
    """Send what is due, batch by batch. Safe to run twice: a batch belongs to its claimer."""
    handled = 0
    for _ in range(ROUNDS):
        batch = messages.deliver_due(SENDERS, limit=BATCH, told=invoices.mail_settled)
        handled += batch
        if not batch:
            break
    return f"handled {handled}"


def deliver_a_little() -> None:
    """A second's share, by the tick itself: codes arrive while no worker can be rung for."""
    give_up = time.monotonic() + A_LITTLE_S
    while (
        messages.deliver_due(SENDERS, limit=1, told=invoices.mail_settled)
        and time.monotonic() < give_up
    ):
        pass
