"""The sandbox model on the wire: OpenAI's chat completions, whole or as a stream."""

import json
import time
from collections.abc import Iterator
from typing import Any

from flask import Response, current_app
from pydantic import ConfigDict, Field

from mealquest.core.ids import new_id
from mealquest.core.settings import Profile, Settings
from mealquest.core.wire import Flag, Input
from mealquest.sandbox import model, service
from mealquest.web.frame import Call, Feature

feature = Feature("sandbox_model")
PIECE = 8  # characters of one event of a stream
PACE_S = 0.02  # between two events, as somebody writes
LONGEST_S = 1.2  # all of them together; in tests no time at all


class CompletionForm(Input):
    """What is used of a chat completion's request; the rest of OpenAI's fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    messages: list[dict[str, Any]] = Field(min_length=1, max_length=100)
    stream: Flag = False


def _nobody() -> None:
    """The client's bearer key is made up and nobody's credential here."""


@feature.post(
    api="/api/dev/model/v1/chat/completions",
    presented=_nobody,
    ungated="plays the model, development only",
    media="application/json",
)
def complete(call: Call, form: CompletionForm) -> Response:
    """Answer as a model would, by rules over what was sent. Development only."""
    service.require_sandbox()
    words = json.dumps(model.answer(model.document_of(form.messages)), ensure_ascii=False)
    about = {"id": new_id("chatcmpl"), "created": int(time.time()), "model": model.NAME}
    if form.stream:
        return Response(_events(about, words, _pace_s(words)), mimetype="text/event-stream")
    message = {"role": "assistant", "content": words}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    whole = about | {"object": "chat.completion", "choices": [choice], "usage": usage}
    return Response(json.dumps(whole), mimetype="application/json")


def _pace_s(words: str) -> float:
    settings: Settings = current_app.config["SETTINGS"]
    longest = 0.0 if settings.profile is Profile.TEST else LONGEST_S
    return min(PACE_S, longest * PIECE / len(words))


def _events(about: dict[str, Any], words: str, pace_s: float) -> Iterator[str]:
    pieces = [words[n : n + PIECE] for n in range(0, len(words), PIECE)]
    for delta, end in [*(({"content": piece}, None) for piece in pieces), ({}, "stop")]:
        choice = {"index": 0, "delta": delta, "finish_reason": end}
        event = about | {"object": "chat.completion.chunk", "choices": [choice]}
        yield f"data: {json.dumps(event)}\n\n"
        time.sleep(pace_s)
    yield "data: [DONE]\n\n"
