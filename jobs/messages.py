"""Sends messages to people through the edges that are configured."""

from mealquest.core import mail, messages
from mealquest.core.everywhere import in_turns
from mealquest.core.messages import MessageKind, Senders, StoredMessage
from mealquest.identity import service as identity
from mealquest.invoices import service as invoices

BATCH = 5  # with an edge that hangs 5 seconds each, well inside a message's lease
ROUNDS = 4
A_LITTLE_S = 1.0
A_FEW = 50


def send_mail(message: StoredMessage) -> None:
    """Send a mail with the files of whoever wrote it, made now so that they are not stored."""
    mail.send(message, invoices.attached(message))


SENDERS: Senders = {MessageKind.SMS: identity.send_sms, MessageKind.EMAIL: send_mail}


def deliver() -> str:
    """Send what is due, batch by batch. Safe to run twice: a batch belongs to its claimer."""
    handled = in_turns(lambda: _deliver(BATCH), ROUNDS)
    return f"handled {handled}"


def deliver_a_little() -> None:
    """A second's share, by the tick itself: codes arrive while no worker can be rung for."""
    in_turns(lambda: _deliver(1), A_FEW, A_LITTLE_S)


def _deliver(limit: int) -> int:
    return messages.deliver_due(SENDERS, limit=limit, told=invoices.mail_settled)
