"""The model, over the official client: patient for so long, so often, and not while it is down.

The client's own retries are off: 3.9 of the wire contract says which failures are tried again.
"""

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

import httpx2
import openai
import structlog
from openai.types.chat import ChatCompletionChunk

from mealquest.core.settings import AiProvider
from mealquest.strategy.agent import figures, local
from mealquest.strategy.agent.breaker import Breaker, CircuitOpen
from mealquest.strategy.agent.config import TEMPERATURE, ModelConfig
from mealquest.strategy.agent.domain import FailureCode, FormatError, Json, Unavailable, parse
from mealquest.strategy.agent.drafts import Stopped, Tell
from mealquest.strategy.agent.streaming import (
    ANSWER_MOST,
    EVENTS,
    StreamCut,
    Timed,
    TooSlow,
    heard,
)

CONNECT_S = 5.0
NO_KEY = "none"  # the client insists on one; servers that need none ignore it

log = structlog.get_logger(__name__)


class ModelFailed(Exception):
    """One attempt, or a whole call, that brought no answer."""

    def __init__(self, reason: str, code: FailureCode, *, again: bool = False) -> None:
        super().__init__(reason)
        self.unavailable = Unavailable.because(reason, code)
        self.again = again


class Model:
    """One model behind one breaker. Closed with `close`, or by `with`."""

    def __init__(self, config: ModelConfig, breaker: Breaker) -> None:
        """ModelFailed: the local model is wanted and not installed."""
        self._config = config
        self._breaker = breaker
        base_url, api_key = _where(config)
        seconds = config.timeout_ms / 1000
        self._http = openai.DefaultHttpx2Client(
            timeout=httpx2.Timeout(seconds, connect=min(CONNECT_S, seconds)),
            follow_redirects=False,
            trust_env=config.is_remote,
            event_hooks={"response": [self._time]},
        )
        self._until = 0.0  # of the attempt, by the monotonic clock
        self._client = openai.OpenAI(
            base_url=base_url,
            api_key=api_key or NO_KEY,
            max_retries=0,
            http_client=self._http,
        )

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def ask(self, messages: Sequence[Json], most_tokens: int, tell: Tell | None = None) -> Json:
        """The JSON object the model answers with. ModelFailed.

        With `tell` it is asked to stream, and its words are told as they come; each attempt begins
        with none. Where `tell` says that nobody waits any more, the connection is closed.
        """
        if not self._config.is_configured:
            raise ModelFailed(
                f"{self._config.provider} answers nobody without a key: set MQ_AI_API_KEY",
                FailureCode.NOT_CONFIGURED,
            )
        attempt = 1
        while True:
            try:
                return self._measured(messages, most_tokens, tell)
            except ModelFailed as failure:
                log.warning(
                    "model failed",
                    attempt=attempt,
                    code=failure.unavailable.code,
                    error=str(failure),
                )
                if not failure.again or attempt >= self._config.attempts:
                    raise
            figures.tried_again(self._config)
            time.sleep(backoff_s(self._config.backoff_ms, attempt))
            attempt += 1

    def _measured(self, messages: Sequence[Json], most_tokens: int, tell: Tell | None) -> Json:
        """One attempt, counted by what became of it."""
        try:
            if tell:
                tell("")
        except Stopped:
            raise _stopped() from None
        began = time.monotonic()
        try:
            answer = self._tried(messages, most_tokens, tell)
        except ModelFailed as failure:
            code = failure.unavailable.code
            figures.called(self._config, code, time.monotonic() - began)
            raise
        figures.called(self._config, None, time.monotonic() - began)
        return answer

    def _tried(self, messages: Sequence[Json], most_tokens: int, tell: Tell | None) -> Json:
        """One attempt, of which the breaker hears. Answers of the wrong form are answers to it."""
        try:
            self._breaker.require_closed()
        except CircuitOpen as is_open:
            raise ModelFailed(str(is_open), FailureCode.CIRCUIT_OPEN) from None
        try:
            words, usage = self._sent(messages, most_tokens, tell)
            figures.used(self._config, usage)
            answer = parse(words)
        except FormatError as odd:
            self._breaker.answer(usable=False)
            raise ModelFailed(f"invalid JSON: {odd}", FailureCode.FORMAT) from None
        except Stopped:
            self._breaker.answer(usable=False)
            raise _stopped() from None
        except ModelFailed as failure:
            self._breaker.fail(str(failure))
            raise
        except BaseException:
            self._breaker.fail("the attempt was broken off")
            raise
        self._breaker.answer(usable=True)
        return answer

    def _time(self, response: httpx2.Response) -> None:
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = Timed(response.stream, self._until)

    def _sent(
        self, messages: Sequence[Json], most_tokens: int, tell: Tell | None
    ) -> tuple[str, Any]:
        """The words of a good answer and its `usage`, within the time of one attempt. ModelFailed.

        A server that was asked to stream and does not is read whole.
        """
        self._until = time.monotonic() + self._config.timeout_ms / 1000
        try:
            with self._client.chat.completions.with_streaming_response.create(
                model=self._config.model,
                messages=list(messages),  # type: ignore[arg-type]  # plain dicts of that shape
                temperature=TEMPERATURE,
                max_tokens=most_tokens,
                stream=True if tell else openai.omit,  # type: ignore[arg-type]  # known when it runs
                stream_options={"include_usage": True} if tell else openai.omit,
                extra_body=_extra(self._config.provider),
            ) as response:
                if tell and response.headers.get("Content-Type", "").startswith(EVENTS):
                    return heard(response.parse(to=openai.Stream[ChatCompletionChunk]), tell)
                return _words(_whole(response.iter_bytes()))
        except openai.APIStatusError as refusal:
            raise _refused(refusal.status_code) from None
        except (openai.APITimeoutError, httpx2.TimeoutException, TooSlow):
            raise self._timed_out() from None
        except (openai.APIConnectionError, httpx2.RequestError) as broken:
            raise _broken(broken) from None
        except (openai.APIError, StreamCut):
            raise _cut() from None

    def _timed_out(self) -> ModelFailed:
        reason = f"timeout: the model did not answer within {self._config.timeout_ms} ms"
        return ModelFailed(reason, FailureCode.TIMEOUT, again=True)


def backoff_s(first_ms: int, attempt: int) -> float:
    """How long to wait after an attempt, counted from 1: twice as long after each."""
    return first_ms / 1000 * float(2 ** (attempt - 1))


def _where(config: ModelConfig) -> tuple[str, str]:
    """Base URL and key; the local model is loaded for them. ModelFailed: it is not installed."""
    if not config.is_local:
        return config.base_url, config.api_key
    try:
        server = local.server()
    except local.NotInstalled as missing:
        raise ModelFailed(str(missing), FailureCode.NOT_CONFIGURED) from None
    return server.base_url, server.api_key


def _extra(provider: AiProvider) -> Json | None:
    """BigModel's models think aloud at length before they answer, unless told not to.

    The local one cannot keep to a form by itself.
    """
    if provider is AiProvider.LOCAL:
        return {"response_format": local.answer_format()}
    return {"thinking": {"type": "disabled"}} if provider is AiProvider.BIGMODEL else None


def _refused(status: int) -> ModelFailed:
    again = status == 429 or status >= 500
    return ModelFailed(f"the model answered HTTP {status}", FailureCode.HTTP, again=again)


def _broken(failure: Exception) -> ModelFailed:
    cause = failure.__cause__ if isinstance(failure, openai.APIConnectionError) else failure
    said = str(cause) or type(cause).__name__
    return ModelFailed(f"network error: {said}", FailureCode.NETWORK, again=True)


def _stopped() -> ModelFailed:
    return ModelFailed("it was stopped", FailureCode.STOPPED)


def _cut() -> ModelFailed:
    reason = "network error: the model broke off in the middle of its answer"
    return ModelFailed(reason, FailureCode.NETWORK, again=True)


def _whole(chunks: Iterable[bytes]) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > ANSWER_MOST:
            raise FormatError("the answer is too long")
    return bytes(body)


def _words(body: bytes) -> tuple[str, Any]:
    """What the assistant said in a chat completion, and its `usage`. FormatError: it is none."""
    try:
        completion: Any = json.loads(body)
        words = completion["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise FormatError("the answer is no chat completion") from None
    if not isinstance(words, str):
        raise FormatError("the answer has no text")
    return words, completion.get("usage")
