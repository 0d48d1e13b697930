"""Refusals in Stripe's shape."""

from typing import Any


class ApiError(Exception):
    """`status` and the members of the `error` object; `oauth` errors are flat.

    `may_repeat` False keeps the answer out of the idempotency table: nothing was begun.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        may_repeat: bool = False,
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(message)
        self.status, self.is_final, self.headers = status, may_repeat, headers or {}
        known = {name: value for name, value in members.items() if value is not None}
        self.body: dict[str, Any] = {"error": {"type": kind, "message": message} | known}


class OauthError(ApiError):
    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(status, description)
        self.body = {"error": error, "error_description": description}


def bad(message: str, **members: Any) -> ApiError:
    return ApiError(400, message, **members)


def missing(kind: str, name: str, param: str = "id") -> ApiError:
    label = kind.replace("_", " ").replace("billing.", "")
    message = f"No such {label}: '{name}'"
    return ApiError(404, message, code="resource_missing", param=param)


def lacking(param: str) -> ApiError:
    message = f"Missing required param: {param}."
    return ApiError(400, message, code="parameter_missing", param=param)
