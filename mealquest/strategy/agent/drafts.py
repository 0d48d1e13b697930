"""The words of an answer that is being written: for whoever looks on, and only until it is there.

They are told to open sockets and lie in Redis for pages that ask again and again. No figure in them
was traced yet, so pages mark them; what counts is the message that is stored at the end.
"""

from collections.abc import Callable

import redis
import structlog

from mealquest.realtime import service as realtime
from mealquest.strategy.agent.runtime import shared_by_all

DRAFT = "STRATEGY_CHAT_DRAFT"
KEPT_S = 120  # longer than a turn may last
LENGTH = 4000
STOPPED = b"\x00"  # in the words' place: no words hold it

# Hears what is known so far of an answer's words, again and again. Stopped: nobody waits for it.
Tell = Callable[[str], None]

log = structlog.get_logger(__name__)


class Stopped(Exception):
    """The answer is not waited for any more."""


def _key(merchant_id: str, turn_id: str) -> str:
    return f"mealquest:ai:draft:{merchant_id}:{turn_id}"


def teller(merchant_id: str, turn_id: str) -> Tell:
    """Tell what a turn's answer is so far. Without Redis nobody hears it; nothing else fails."""
    connection, is_heard, last = shared_by_all(), True, None

    def tell(text: str) -> None:
        nonlocal is_heard, last
        if not is_heard:
            return
        shown = readable(text)[:LENGTH]
        try:
            key, is_news = _key(merchant_id, turn_id), shown != last
            if is_news:
                was = connection.set(key, shown, ex=KEPT_S, get=True)
            else:
                was = connection.get(key)
            if was == STOPPED:
                connection.set(key, STOPPED, ex=KEPT_S)
                raise Stopped
        except redis.RedisError as away:
            is_heard = False  # the model is not to wait for it again and again
            log.warning("nobody sees the answer grow", error=type(away).__name__)
            return
        if is_news:
            last = shown
            realtime.whisper(merchant_id, DRAFT, {"turnId": turn_id, "text": shown})

    return tell


def stop(merchant_id: str, turn_id: str) -> None:
    """Let whoever writes a turn's answer hear, with the next words, that nobody waits for it."""
    try:
        shared_by_all().set(_key(merchant_id, turn_id), STOPPED, ex=KEPT_S)
    except redis.RedisError as away:
        log.warning("the model is not stopped", error=type(away).__name__)


def draft_of(merchant_id: str, turn_id: str) -> str | None:
    """What a turn's answer is so far: empty before the first word, None before the model is asked.

    None also where nobody knows.
    """
    try:
        found = shared_by_all().get(_key(merchant_id, turn_id))
    except redis.RedisError as away:
        log.warning("the answer is not seen growing", error=type(away).__name__)
        return None
    return found.decode() if isinstance(found, bytes) and found != STOPPED else None


def readable(text: str) -> str:
    """Without characters that nobody can see, line breaks kept."""
    return "".join(
        char for char in text if char == "\n" or (char.isprintable() and char != "\ufeff")
    )
