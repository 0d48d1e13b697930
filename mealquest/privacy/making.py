"""Making the file of an export: piece by piece, by whoever has time, from where the last one was.

A piece is one batch of one section, written with the place behind it in one transaction. So a
worker that dies costs a piece, memory does not grow with the customer's history, and a long export
lets other jobs have their turn.
"""

import json
import time
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import structlog

from mealquest.core import spreadsheet
from mealquest.core.db import platform_transaction, transaction
from mealquest.identity import service as identity
from mealquest.privacy import queries
from mealquest.privacy.domain import SLICE_S
from mealquest.privacy.models import PrivacyExport
from mealquest.privacy.person import person_of
from mealquest.privacy.sections import LISTS, RECORDS, After, Record, Section

PLACE = "privacy_export_chunks.sealed"


def _person(merchant_id: str, customer_id: str, after: After) -> tuple[list[Record], After]:
    return [person_of(merchant_id, customer_id)], None


SECTIONS = (Section("customer", _person), *LISTS, *RECORDS)

log = structlog.get_logger(__name__)


def has_due() -> bool:
    with platform_transaction("the tick asks for every merchant at once") as session:
        return queries.due(session) is not None


def make_due() -> bool:
    """Work for some seconds on one export that waits. False: none does."""
    with platform_transaction("exports of every merchant are made by one job") as session:
        found = queries.due(session)
    if found is None:
        return False
    make(*found, seconds=SLICE_S)
    return True


def make(merchant_id: str, export_id: str, *, seconds: float) -> None:
    """Get on with an export for so long; also when it was done or taken meanwhile."""
    until = time.monotonic() + seconds
    with transaction(merchant_id) as session:
        export = queries.claim(session, merchant_id, export_id)
    while export is not None:
        if export.step == len(SECTIONS):
            with transaction(merchant_id) as session:
                queries.finish(session, merchant_id, export_id)
            return
        if time.monotonic() >= until:
            with transaction(merchant_id) as session:
                queries.put_back(session, merchant_id, export_id)
            return
        export = _piece(export)


def _piece(export: PrivacyExport) -> PrivacyExport | None:
    """Write the next piece; the export as it is then, None when it is somebody else's, or gone."""
    merchant_id, customer_id = export.merchant_id, export.customer_id
    section = SECTIONS[export.step]
    rows, after = section.read(merchant_id, customer_id, export.after)
    is_first, is_last = export.after is None, after is None
    files = {f"{section.file}.json": _json(rows, is_first, is_last)}
    if section.columns:
        files[f"{section.file}.csv"] = _csv(section.columns, rows, is_first)
    step = export.step + 1 if is_last else export.step
    with transaction(merchant_id) as session:
        if not queries.get_on(session, export, step=step, after=after, rows=len(rows)):
            return None
        key = identity.personal_key(session, merchant_id, customer_id)
        for entry, text in files.items():
            sealed = key.seal_bytes(zlib.compress(text), PLACE)
            queries.add_chunk(session, merchant_id, export.id, entry, sealed)
        session.expire_all()
        return queries.one(session, merchant_id, export.id)


def _json(rows: Sequence[Record], is_first: bool, is_last: bool) -> bytes:
    """A part of one JSON array, a row a line."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    begin = "[\n" if is_first else ",\n" if rows else ""
    return f"{begin}{lines}{chr(10) + ']' + chr(10) if is_last else ''}".encode()


def _csv(columns: Sequence[str], rows: Sequence[Record], is_first: bool) -> bytes:
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    header, body = spreadsheet.lines(columns, [cells])
    return header + body if is_first else body


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def pieces(export: PrivacyExport) -> Iterator[tuple[str, bytes]]:
    """The files of a finished export, each piece with the name of its file, read one by one."""
    merchant_id, place = export.merchant_id, ("", -1)
    with transaction(merchant_id) as session:
        key = identity.personal_key(session, merchant_id, export.customer_id)
    while True:
        with transaction(merchant_id) as session:
            chunk = queries.chunk_after(session, merchant_id, export.id, place)
        opened = key.open_bytes(chunk.sealed, PLACE) if chunk else None
        if chunk is None or opened is None:
            return
        place = (chunk.entry, chunk.seq)
        yield chunk.entry, zlib.decompress(opened)


def purge_expired(limit: int = 20) -> int:
    """Forget exports past their days; returns how many. Part of the daily housekeeping."""
    with platform_transaction("exports of every merchant grow old together") as session:
        old = queries.expired(session, limit)
        for merchant_id, export_id in old:
            queries.drop(session, merchant_id, export_id)
    return len(old)
