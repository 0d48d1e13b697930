"""The model, over the official client: patient for so long, so often, and not while it is down.

The client's own retries are off: 3.9 of the wire contract says which failures are tried again.
"""

import json
import time
from collections.abc import Sequence
from typing import Any

import httpx2
import openai
import structlog

from mealquest.core.settings import AiProvider
from mealquest.strategy.agent.breaker import Breaker, CircuitOpen
from mealquest.strategy.agent.config import TEMPERATURE, ModelConfig
from mealquest.strategy.agent.domain import FailureCode, FormatError, Json, Unavailable, parse

ANSWER_MOST = 256 * 1024  # bytes; a strategy is a few thousand
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
        self._config = config
        self._breaker = breaker
        seconds = config.timeout_ms / 1000
        self._http = openai.DefaultHttpx2Client(
            timeout=httpx2.Timeout(seconds, connect=min(CONNECT_S, seconds)),
            follow_redirects=False,
            trust_env=not config.is_sandbox,
        )
        self._client = openai.OpenAI(
            base_url=config.base_url,
            api_key=config.api_key or NO_KEY,
            max_retries=0,
            http_client=self._http,
        )

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def ask(self, messages: Sequence[Json], most_tokens: int) -> Json:
        """The JSON object the model answers with. ModelFailed."""
        if not self._config.is_configured:
            raise ModelFailed(
                f"{self._config.provider} answers nobody without a key: set MQ_AI_API_KEY",
                FailureCode.NOT_CONFIGURED,
            )
        attempt = 1
        while True:
            try:
                return self._tried(messages, most_tokens)
            except ModelFailed as failure:
                log.warning(
                    "model failed",
                    attempt=attempt,
                    code=failure.unavailable.code,
                    error=str(failure),
                )
                if not failure.again or attempt >= self._config.attempts:
                    raise
            time.sleep(self._config.backoff_ms / 1000 * 2 ** (attempt - 1))
            attempt += 1

    def _tried(self, messages: Sequence[Json], most_tokens: int) -> Json:
        """One attempt, of which the breaker hears. Answers of the wrong form are answers to it."""
        try:
            self._breaker.require_closed()
        except CircuitOpen as is_open:
            raise ModelFailed(str(is_open), FailureCode.CIRCUIT_OPEN) from None
        try:
            answer = parse(_words(self._sent(messages, most_tokens)))
        except FormatError as odd:
            self._breaker.answer(usable=False)
            raise ModelFailed(f"invalid JSON: {odd}", FailureCode.FORMAT) from None
        except ModelFailed as failure:
            self._breaker.fail(str(failure))
            raise
        except BaseException:
            self._breaker.fail("the attempt was broken off")
            raise
        self._breaker.answer(usable=True)
        return answer

    def _sent(self, messages: Sequence[Json], most_tokens: int) -> bytes:
        """The body of a good answer, read within the time of one attempt. ModelFailed."""
        until = time.monotonic() + self._config.timeout_ms / 1000
        body = bytearray()
        try:
            with self._client.chat.completions.with_streaming_response.create(
                model=self._config.model,
                messages=list(messages),  # type: ignore[arg-type]  # plain dicts of that shape
                temperature=TEMPERATURE,
                max_tokens=most_tokens,
                extra_body=_extra(self._config.provider),
            ) as response:
                for chunk in response.iter_bytes():
                    body += chunk
                    if time.monotonic() > until:
                        raise self._timed_out()
                    if len(body) > ANSWER_MOST:
                        raise FormatError("the answer is too long")
        except openai.APIStatusError as refusal:
            raise _refused(refusal.status_code) from None
        except (openai.APITimeoutError, httpx2.TimeoutException):
            raise self._timed_out() from None
        except (openai.APIConnectionError, httpx2.RequestError) as broken:
            raise _broken(broken) from None
        return bytes(body)

    def _timed_out(self) -> ModelFailed:
        reason = f"timeout: the model did not answer within {self._config.timeout_ms} ms"
        return ModelFailed(reason, FailureCode.TIMEOUT, again=True)


def _extra(provider: AiProvider) -> Json | None:
    """BigModel's models think aloud at length before they answer, unless told not to."""
    return {"thinking": {"type": "disabled"}} if provider is AiProvider.BIGMODEL else None


def _refused(status: int) -> ModelFailed:
    again = status == 429 or status >= 500
    return ModelFailed(f"the model answered HTTP {status}", FailureCode.HTTP, again=again)


def _broken(failure: Exception) -> ModelFailed:
    cause = failure.__cause__ if isinstance(failure, openai.APIConnectionError) else failure
    said = str(cause) or type(cause).__name__
    return ModelFailed(f"network error: {said}", FailureCode.NETWORK, again=True)


def _words(body: bytes) -> str:
    """What the assistant said in a chat completion. FormatError: it is none."""
    try:
        completion: Any = json.loads(body)
        words = completion["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise FormatError("the answer is no chat completion") from None
    if not isinstance(words, str):
        raise FormatError("the answer has no text")
    return words
