"""An answer that comes in pieces: its words are told while they come, and read whole at its end."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx2
import jiter
from openai.types import CompletionUsage

from mealquest.strategy.agent.domain import FormatError, Json, parse
from mealquest.strategy.agent.drafts import Tell

EVERY_S = 0.2  # words are told at most so often
ANSWER_MOST = 256 * 1024  # bytes; a strategy is a few thousand
STREAM_MOST = 16 * ANSWER_MOST  # on the wire: every few characters come in an envelope of their own
EVENTS = "text/event-stream"


class StreamCut(Exception):
    """It ended before the model had finished."""


class TooSlow(Exception):
    """The whole answer was not there in the time of one attempt."""


class Timed(httpx2.SyncByteStream):
    """The body of an answer that must have come whole until a moment of the monotonic clock.

    A server that sends a byte now and then never runs into the time-out of a single read.
    """

    def __init__(self, inner: httpx2.SyncByteStream, until: float) -> None:
        self._inner = inner
        self._until = until

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._inner:
            size += len(chunk)
            if time.monotonic() > self._until:
                raise TooSlow
            if size > STREAM_MOST:
                raise FormatError("the answer is too long")
            yield chunk

    def close(self) -> None:
        self._inner.close()


def message_of(text: str) -> str:
    """`assistantMessage` as far as it can be read in JSON that may break off anywhere."""
    begin = text.find("{")
    try:
        found = jiter.from_json(text[begin:].encode(), partial_mode="trailing-strings")
    except ValueError:
        return ""
    said = found.get("assistantMessage") if isinstance(found, dict) else None
    return said.strip() if isinstance(said, str) else ""


class Growing:
    """Text that grows, and somebody who is told now and then what can be read of it.

    Also when that is the same as before: who listens may have it end.
    """

    def __init__(self, tell: Tell, clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._pieces: list[str] = []
        self._size = 0
        self._next = clock()
        self._told = ""

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def add(self, piece: str) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > ANSWER_MOST:
            raise FormatError("the answer is too long")
        if piece and self._clock() >= self._next:
            self._next = self._clock() + EVERY_S
            self._told = message_of(self.text) or self._told
            if self._told:
                self._tell(self._told)


def heard(chunks: Iterable[Any], tell: Tell) -> tuple[str, Json | None]:
    """The words of a streamed completion, and its `usage` where it was told.

    Raises:
        StreamCut: it ended with no reason to end, and what came of it is no whole answer.
        FormatError: it is no chat completion, or an endless one.
    """
    growing, usage, is_whole = Growing(tell), None, False
    try:
        for chunk in chunks:
            piece, ends = _piece(chunk)
            growing.add(piece)
            usage = _usage(chunk) or usage
            is_whole = is_whole or ends
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise FormatError("the stream is no chat completion") from None
    if not is_whole and not _is_object(growing.text):
        raise StreamCut
    return growing.text, usage


def _piece(chunk: Any) -> tuple[str, bool]:
    """What a chunk adds to the first choice, and whether that ends with it."""
    for choice in (chunk.choices or [])[:1]:
        content = getattr(choice.delta, "content", None)
        return (content if isinstance(content, str) else ""), bool(choice.finish_reason)
    return "", False


def _usage(chunk: Any) -> Json | None:
    usage = getattr(chunk, "usage", None)
    return usage.to_dict() if isinstance(usage, CompletionUsage) else None


def _is_object(text: str) -> bool:
    try:
        parse(text)
    except FormatError:
        return False
    return True
