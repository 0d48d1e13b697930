"""The mail edge: one POST a mail to Resend's HTTP API."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from flask import current_app

from mealquest.core.clock import utc_now
from mealquest.core.messages import NotTaken, StoredMessage

TIMEOUT = httpx.Timeout(5.0)
MOST_ANSWER = 64 * 1024  # bytes of an answer that are looked at
# Ours to correct before it could ever be taken: the recipient, the content, the sender's domain.
FOR_GOOD = frozenset({400, 413, 422})


@dataclass(frozen=True, slots=True)
class File:
    """An attachment."""

    name: str
    content: bytes


def has_edge() -> bool:
    return bool(current_app.config["SETTINGS"].resend_api_key)


def send(stored: StoredMessage, files: Sequence[File] = ()) -> None:
    """Hand one mail to Resend; the message's id makes a repeat harmless there for a day.

    NotTaken: refused, away, or an answer without the mail's id, so that nobody knows.
    """
    settings = current_app.config["SETTINGS"]
    headers = {
        "Authorization": f"Bearer {settings.resend_api_key}",
        "Idempotency-Key": stored.id,
    }
    url = f"{settings.resend_api_base.rstrip('/')}/emails"
    body = _mail(stored, settings.email_from, files)
    try:
        with httpx.stream("POST", url, json=body, headers=headers, timeout=TIMEOUT) as answer:
            _judge(answer)
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        raise NotTaken(f"no answer: {type(failure).__name__}") from None


def _mail(stored: StoredMessage, sender: str, files: Sequence[File]) -> dict[str, Any]:
    message = stored.message
    mail: dict[str, Any] = {
        "from": sender,
        "to": [message.to],
        "subject": one_line(message.subject),
        "text": message.text,
    }
    if message.html:
        mail["html"] = message.html
    if message.headers:
        mail["headers"] = {name: one_line(value) for name, value in message.headers.items()}
    if files:
        mail["attachments"] = [
            {"filename": one_line(file.name), "content": base64.b64encode(file.content).decode()}
            for file in files
        ]
    return mail


def one_line(text: str) -> str:
    """Text that can stand in a header: no line ends, no control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _judge(answer: httpx.Response) -> None:
    status = answer.status_code
    if not answer.is_success:
        wait_s = _wait_s(answer.headers.get("Retry-After", ""))
        raise NotTaken(
            f"the mail edge answered {status}", wait_s=wait_s, for_good=status in FOR_GOOD
        )
    if not _has_id(answer):
        raise NotTaken(f"the mail edge answered {status} without an id")


def _has_id(answer: httpx.Response) -> bool:
    read = b""
    for chunk in answer.iter_bytes():
        read += chunk
        if len(read) > MOST_ANSWER:
            return False
    try:
        said = json.loads(read)
    except ValueError:
        return False
    return isinstance(said, dict) and isinstance(said.get("id"), str)


def _wait_s(said: str) -> float | None:
    """Seconds of a Retry-After, which may also be a date; None when it says nothing."""
    if said.strip().isdecimal():
        return float(said)
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return None
    aware: datetime = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (aware - utc_now()).total_seconds())
