"""What every list of the console shares: its links, and the same rows as a CSV file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import chain
from typing import Any

from flask import Response, stream_with_context, url_for
from pydantic import Field

from mealquest.audit import service as audit
from mealquest.audit.service import AuditStatus
from mealquest.core import spreadsheet
from mealquest.core.clock import utc_now
from mealquest.core.paging import DEFAULT_LIMIT, ListForm
from mealquest.core.principal import MANAGEMENT
from mealquest.core.wire import View
from mealquest.web.frame import Call
from mealquest.web.look import zone

EXPORT = "LIST_EXPORT"
EXPORTERS = MANAGEMENT  # who may take a whole list out of the house

Rows = Iterable[Sequence[Any]]


class Listing(View):
    """What `_list.html` needs beside the rows; no part of the JSON."""

    limit: int = Field(DEFAULT_LIMIT, exclude=True)
    next_url: str | None = Field(None, exclude=True)
    first_url: str | None = Field(None, exclude=True)  # only on a later page
    clear_url: str | None = Field(None, exclude=True)  # only with a filter
    narrowed: int = Field(0, exclude=True)  # how many filters are set
    csv_url: str | None = Field(None, exclude=True)


def links(
    call: Call,
    form: ListForm,
    page: str,
    next_cursor: str | None,
    *,
    csv: str,
    path: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Values of a `Listing`: addresses that keep the filters. `page`, `csv`: Flask endpoints.

    `path`: what stands in the address itself, by the names of the form's fields; it is no filter.
    """
    exports = call.principal.role in EXPORTERS
    path = path or {}
    sent = filters_of(form, path)
    size: dict[str, Any] = {"limit": form.limit} if form.limit != DEFAULT_LIMIT else {}
    return {
        "limit": form.limit,
        "next_url": url_for(page, **path, **sent, **size, cursor=next_cursor)
        if next_cursor
        else None,
        "first_url": url_for(page, **path, **sent, **size) if form.cursor else None,
        "clear_url": url_for(page, **path, **size) if sent else None,
        "narrowed": len(sent),
        "csv_url": url_for(csv, **path, **sent) if exports else None,
    }


def filters_of(form: ListForm, path: Iterable[str] = ()) -> dict[str, Any]:
    """What narrows or orders the list, by wire name."""
    return form.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude={"limit", "cursor", *path}
    )


def csv_file(
    call: Call, name: str, form: ListForm, header: Sequence[str], batches: Iterator[Rows]
) -> Response:
    """The rows as a download that is written while it is read, whatever its length.

    The first batch is read before anything is answered, so that a refusal is still one. An audit
    row says who took which list out of the house. An error later on breaks the transfer off.
    """
    first = next(batches, ())
    filters = filters_of(form)
    if "query" in filters:  # what is searched for is mostly a name or a phone
        filters["query"] = "…"
    details = {"list": name, "filters": filters}
    audit.record_alone(call.merchant_id, EXPORT, call.principal, details, AuditStatus.SUCCESS)
    lines = spreadsheet.lines(header, chain([first], batches))
    return _attachment(f"{name}-{_today()}.csv", "text/csv", lines)


def download(call: Call, name: str, suffix: str, media: str, lines: Iterator[str]) -> Response:
    """As `csv_file`, of text that has a form of its own; `suffix` without the dot."""
    details = {"list": name, "filters": {}}
    audit.record_alone(call.merchant_id, EXPORT, call.principal, details, AuditStatus.SUCCESS)
    return _attachment(f"{name}-{_today()}.{suffix}", media, lines)


def _today() -> date:
    return utc_now().astimezone(zone()).date()


def _attachment(filename: str, media: str, lines: Iterator[Any]) -> Response:
    response = Response(stream_with_context(lines), mimetype=media)
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response
