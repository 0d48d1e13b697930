"""The SMS edge: one POST a message to a server of the operator's."""

import httpx
from flask import current_app

from mealquest.core.messages import StoredMessage

TIMEOUT = httpx.Timeout(5.0)


class SmsNotTaken(Exception):
    """The edge did not take the message; the text names neither its URL nor the phone."""


def has_edge() -> bool:
    return bool(current_app.config["SETTINGS"].sms_webhook_url)


def send_sms(message: StoredMessage) -> None:
    """Hand one message to the edge. The same id comes again when an answer was lost.

    SmsNotTaken: no answer in 5 seconds, or one that is not 2xx.
    """
    url = current_app.config["SETTINGS"].sms_webhook_url
    headers = {"Idempotency-Key": message.id}
    try:
        with httpx.stream(
            "POST", url, json=message.message.data, headers=headers, timeout=TIMEOUT
        ) as answer:  # the status says it all; the body is not waited for
            status, taken = answer.status_code, answer.is_success
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        raise SmsNotTaken(type(failure).__name__) from None
    if not taken:
        raise SmsNotTaken(f"the SMS edge answered {status}")
