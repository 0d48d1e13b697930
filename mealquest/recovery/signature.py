"""Stripe's signature over the raw bytes of a webhook: `t=<seconds>,v1=<hex HMAC-SHA256>`."""

import time
from collections.abc import Sequence

from mealquest.core.crypto import same, signature

TOLERANCE_S = 300


def is_genuine(body: bytes, header: str, secrets: Sequence[str], *, now: float = 0.0) -> bool:
    """Whether any secret made any `v1` of the header over these bytes, at most 5 minutes ago.

    Several of both are normal while a secret is being rolled.
    """
    stamp, given = _parts(header)
    if stamp is None or abs((now or time.time()) - stamp) > TOLERANCE_S:
        return False
    signed = f"{stamp}.".encode() + body
    made = [signature(secret.encode(), signed) for secret in secrets]
    return any(same(one, other) for one in made for other in given)


def _parts(header: str) -> tuple[int | None, list[str]]:
    pairs = [part.partition("=")[::2] for part in header.split(",")]
    stamps = [value.strip() for name, value in pairs if name.strip() == "t"]
    given = [value.strip() for name, value in pairs if name.strip() == "v1"]
    is_number = bool(stamps) and stamps[0].isascii() and stamps[0].isdigit() and len(stamps[0]) < 13
    return (int(stamps[0]) if is_number else None), given
