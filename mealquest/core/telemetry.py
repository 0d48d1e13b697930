"""Logs as JSON lines with a request id and no personal data; metrics that add up over processes."""

import logging
import os
import re
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

import structlog
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

request_id: ContextVar[str] = ContextVar("request_id", default="")

REDACTED = "[redacted]"
_SECRET_KEYS = re.compile(
    r"(authorization|cookie|token|secret|password|passwd|api_?key|code$|phone|email|signature|dsn)",
    re.IGNORECASE,
)
_SECRET_VALUES = re.compile(
    r"(Bearer\s+\S+|eyJ[\w-]+\.[\w-]+\.[\w-]+|://[^/\s:@]+:[^/\s@]+@|\+?\d{11,20})"
)

_CHATTY = ("httpx", "httpcore")  # print whole URLs, and an edge's URL may hold its key

requests_total = Counter("mealquest_requests", "Requests answered.")
errors_total = Counter("mealquest_errors", "Requests that ended in an error answer.")
requests_by_path = Counter(
    "mealquest_requests_by_path", "Requests by declared route.", ["path", "method", "status"]
)
request_seconds = Histogram(
    "mealquest_request_duration_seconds",
    "Time to answer, by declared route.",
    ["path"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
database_refusals = Counter(
    "mealquest_database_refusals",
    "Requests that got no connection from the pool in time, or whose database was away.",
    ["reason"],
)
jobs_total = Counter("mealquest_jobs", "Background jobs run.", ["job", "outcome"])


def registry() -> CollectorRegistry:
    """The figures of all processes that share a directory, else this one's own."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return together


def tell_figures(host: str, port: int | None) -> None:
    """Let a collector ask a process without a web server, unless `python app.py` tells for it.

    OSError: the port is taken.
    """
    if port is not None and "MQ_LISTEN_FD" not in os.environ:
        start_http_server(port, host, registry())


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop what a log must not hold: by the name of the field, and by the look of the value."""
    return {key: _safe(key, value) for key, value in event.items()}


def _safe(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {inner: _safe(str(inner), held) for inner, held in value.items()}
    if isinstance(value, list | tuple):
        return [_safe(key, held) for held in value]
    if key != "event" and _SECRET_KEYS.search(key) and not isinstance(value, int | bool):
        return REDACTED
    return _SECRET_VALUES.sub(REDACTED, value) if isinstance(value, str) else value


def _with_request_id(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if current := request_id.get():
        event["requestId"] = current
    return event


def configure_logging(level: str) -> None:
    """Every logger of the process, ours and the libraries', prints one JSON object a line."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_request_id,
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
