"""The input of a request: JSON, form or query alike, checked by one pydantic model."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from flask import request
from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from werkzeug.exceptions import RequestEntityTooLarge

from mealquest.core.errors import FieldError, Invalid, TooLarge
from mealquest.core.wire import Input

MAX_BODY = 1024 * 1024
MAX_SIGNED_BODY = 2 * MAX_BODY
MAX_DIGITS = 1000  # of a JSON number, before and after the point; nothing we take needs more

_WORDS = {
    "missing": "is required",
    "string_type": "must be text",
    "string_too_long": "is too long",
    "too_long": "is too long",
    "string_too_short": "is required",
    "too_short": "is required",
    "string_pattern_mismatch": "format invalid",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
    "enum": "is not one of the allowed values",
    "literal_error": "is not one of the allowed values",
    "bytes_type": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "extra_forbidden": "is not known here",
}


def raw(path: dict[str, Any]) -> dict[str, Any]:
    """Everything sent: the body (or the query of a GET), with the path's parameters on top."""
    safe = request.method in {"GET", "HEAD"}
    return _under(path, dict(request.args.items()) if safe else _body())


def typed(path: dict[str, Any]) -> dict[str, Any]:
    """What stood in a form that was refused before it was looked at."""
    return _under(path, dict(request.form.items()))


def _under(path: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    return sent | {to_camel(name): value for name, value in path.items()}


def is_form() -> bool:
    """Fields of a form or query. JSON that a client mislabelled as a form is still JSON."""
    if request.method in {"GET", "HEAD"}:
        return True
    if request.mimetype == "application/x-www-form-urlencoded":
        return not body().lstrip().startswith(b"{")
    return request.mimetype == "multipart/form-data"


def allow_longer() -> None:
    """Let this request's body be as long as a signed message may be; before it is read."""
    request.max_content_length = MAX_SIGNED_BODY + 1


def body() -> bytes:
    """The body as sent, read once; whatever parses it later reads it from here.

    Raises:
        TooLarge: over 1 MiB, 2 MiB of a signed message, said or streamed in chunks.
        Invalid: the connection ended early. Half a form may still look like a whole one.
    """
    try:
        sent = request.get_data(cache=True, parse_form_data=False)
    except RequestEntityTooLarge:
        raise TooLarge("Request body too large") from None
    if len(sent) >= (request.max_content_length or MAX_BODY):
        raise TooLarge("Request body too large")
    if len(sent) < (request.content_length or 0):
        raise Invalid("the body is incomplete", code="INCOMPLETE_BODY")
    return sent


def checked(model: type[Input], values: dict[str, Any]) -> Input:
    """The validated input. Invalid: names each field that is wrong; the first one's text leads."""
    try:
        return model.model_validate(values, context={"form": is_form()})
    except ValidationError as failure:
        fields = tuple(_field_error(error) for error in failure.errors(include_url=False))
        raise Invalid(fields[0].message, fields=fields) from None


def _body() -> dict[str, Any]:
    text = body()
    if is_form():
        return _uploads() | dict(request.form.items())
    return _json_object(text) if text.strip() else {}


def _uploads() -> dict[str, Any]:
    """Files as their bytes, by field; no file chosen is none sent."""
    return {name: file.read() for name, file in request.files.items() if file.filename}


def _json_object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(
            text.decode("utf-8-sig"), parse_float=_decimal, parse_constant=_no_number
        )
    except (ValueError, RecursionError):
        raise Invalid("Invalid JSON body", code="INVALID_JSON") from None
    if not isinstance(value, dict) or _has_half_characters(text, value):
        raise Invalid("Invalid JSON body", code="INVALID_JSON")
    return value


def _has_half_characters(text: bytes, value: dict[str, Any]) -> bool:
    r"""Whether an escape such as `\ud800` stands alone; no text of ours could hold it."""
    if b"\\ud" not in text.lower():
        return False
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except (UnicodeEncodeError, RecursionError):
        return True
    return False


def _decimal(text: str) -> Decimal:
    """Exactly the number written, unless turning it into digits could take for ever."""
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent that no Decimal holds
        raise ValueError("number out of range") from None
    if len(text) > MAX_DIGITS or abs(number.adjusted()) > MAX_DIGITS:
        raise ValueError("number out of range")
    return number


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _field_error(error: Any) -> FieldError:
    location = [str(part) for part in error["loc"]]
    name = ".".join([to_camel(location[0]), *location[1:]]) if location else ""
    kind = error["type"]
    if kind == "refused":
        return FieldError(name, error["msg"])
    if kind == "value_error":
        return FieldError(name, str(error["ctx"]["error"]))
    words = _WORDS.get(kind, "is not valid")
    return FieldError(name, f"{name} {words}".strip())
