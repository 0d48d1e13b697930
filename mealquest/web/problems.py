"""The one table from domain errors to HTTP, and how an error looks as JSON."""

from http import HTTPStatus
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing.exceptions import WebsocketMismatch

from mealquest.core import errors
from mealquest.core.errors import AppError
from mealquest.core.telemetry import database_refusals, request_id

STATUS_OF: dict[type[AppError], int] = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.PaymentRequired: 402,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.TooLarge: 413,
    errors.UpgradeRequired: 426,
    errors.TooManyRequests: 429,
    errors.UpstreamFailed: 502,
    errors.Unavailable: 503,
    errors.UpstreamTimedOut: 504,
}

log = structlog.get_logger(__name__)


class Internal(AppError):
    """Something we did wrong. Says nothing of what: the request id leads to the log."""

    code = "INTERNAL"


def status_of(error: AppError) -> int:
    return next((status for kind, status in STATUS_OF.items() if isinstance(error, kind)), 500)


def as_app_error(failure: Exception) -> AppError:
    """Any exception in the words a client may see; what is not expected is logged in full."""
    if isinstance(failure, AppError):
        return failure
    if isinstance(failure, HTTPException):
        return _from_http(failure)
    if isinstance(failure, OperationalError | PoolTimeout):
        reason = "pool" if isinstance(failure, PoolTimeout) else "away"
        database_refusals.labels(reason).inc()
        log.warning("database not available", error=_first_line(failure))
        return errors.Unavailable("the database is busy or away, try again", code="DATABASE_AWAY")
    log.error("request failed", exc_info=failure)
    return Internal("something went wrong on our side")


def as_json(error: AppError) -> dict[str, Any]:
    """RFC 9457 members, plus what clients compare: `error`, `message`, `code`, `requestId`, and
    `details` beside `errors`, its other name."""
    status = status_of(error)
    problem: dict[str, Any] = {
        **error.facts,
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message,
        "error": error.short or error.message,
        "message": error.message,
        "code": error.reason,
        "requestId": request_id.get(),
    }
    if isinstance(error, errors.Invalid) and error.fields:
        problem["errors"] = [
            {"field": field.field, "message": field.message} for field in error.fields
        ]
        problem["details"] = problem["errors"]
    return problem


def _from_http(failure: HTTPException) -> AppError:
    status = failure.code or 500
    if status == 413:
        return errors.TooLarge("Request body too large")
    if status == 404 or isinstance(failure, WebsocketMismatch):
        return errors.NotFound("Not Found")
    if isinstance(failure, MethodNotAllowed):
        allowed = sorted(failure.valid_methods or ())
        return errors.MethodNotAllowed("Method Not Allowed", allowed=allowed)
    if status < 500:
        return errors.Invalid(failure.description or failure.name)
    return Internal("something went wrong on our side")


def _first_line(failure: Exception) -> str:
    return str(failure).partition("\n")[0][:200]
