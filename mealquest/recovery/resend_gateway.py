"""Resend's edge: the only import of its SDK. One call hands over one mail; failures are two kinds.

Nothing is retried here: the task that called is a row, and tries again under the same key.
"""

from collections.abc import Mapping
from typing import Any

import requests
import resend
from flask import current_app
from resend.exceptions import ResendError

from mealquest.recovery.errors import MailAway, MailRefused
from mealquest.recovery.letters import Letter

TIMEOUT_S = (5.0, 15.0)  # to connect, between two reads
MOST_ANSWER = 64 * 1024  # bytes of an answer that are looked at
# Ours to correct before it could ever be taken: the recipient, the content, the sender's domain.
FOR_GOOD = frozenset({400, 405, 413, 422})
# The key was used before, and the mail is out: what differs is only what we say this time.
TAKEN_BEFORE = "invalid_idempotent_request"


class _Bounded(resend.HTTPClient):
    """Never waits for ever, and never reads more than an answer can be."""

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        json: Any = None,
        files: Any = None,
        data: Any = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        with requests.request(
            method,
            url,
            headers=dict(headers),
            json=json,
            timeout=TIMEOUT_S,
            stream=True,
            allow_redirects=False,
        ) as answer:
            read = answer.raw.read(MOST_ANSWER + 1, decode_content=True)
            return read[:MOST_ANSWER], answer.status_code, answer.headers


def has_edge() -> bool:
    return bool(current_app.config["SETTINGS"].resend_api_key)


def send(letter: Letter, key: str) -> str:
    """Hand over one mail; the same key within a day sends no second one. Returns Resend's id.

    Raises:
        MailAway: no answer, or not now. `may_be_out`: nobody knows whether the mail left.
        MailRefused: this mail will never be taken.
    """
    settings = current_app.config["SETTINGS"]
    resend.api_key = settings.resend_api_key
    resend.api_url = settings.resend_api_base.rstrip("/")
    resend.default_http_client = _Bounded()
    params: Any = {
        "from": letter.sender,
        "to": [letter.to],
        "subject": letter.subject,
        "html": letter.html,
        "text": letter.text,
        "headers": letter.headers,
    }
    if letter.reply_to:
        params["reply_to"] = letter.reply_to
    try:
        said: Any = resend.Emails.send(params, {"idempotency_key": key})
    except ResendError as failure:
        return _told(failure)
    number = said.get("id") if isinstance(said, Mapping) else None
    if not isinstance(number, str):
        raise MailAway("Resend: an answer without an id", may_be_out=True)
    return number


def _told(failure: ResendError) -> str:
    """The id of a mail that went out before, which is not known any more; else raises."""
    status = int(failure.code) if str(failure.code).isdecimal() else 0
    why = f"Resend: {status or 'no answer'} {failure.error_type}"
    if failure.error_type == TAKEN_BEFORE:
        return ""
    if status in FOR_GOOD:
        raise MailRefused(why) from None
    # The SDK reports as 500 what never came back, and an answer that nobody can read.
    unknown = status >= 500 or status in {0, 409}
    raise MailAway(why, wait_s=_wait_s(failure), may_be_out=unknown) from None


def _wait_s(failure: ResendError) -> float | None:
    said = {name.lower(): value for name, value in failure.headers.items()}
    wait = str(said.get("retry-after", "")).strip()
    return float(wait) if wait.isdecimal() else None
