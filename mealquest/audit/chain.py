"""The arithmetic of the chain: pure, so that an export can be proved on any machine.

`hash(n) = sha256(hash(n-1) as hex + "\n" + entry n as canonical JSON)`, in hex. Before the first
entry stands the hash of nothing, sixty-four zeros. The entry holds its number and its merchant.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mealquest.core.clock import iso_millis

NOTHING = "0" * 64
FIELDS = (
    "seq",
    "merchantId",
    "auditId",
    "timestamp",
    "action",
    "status",
    "role",
    "operatorId",
    "details",
    "requestId",
)


class Fault(StrEnum):
    """Why a chain does not hold, at the entry that is named beside it."""

    MISSING = "MISSING"  # the entry is gone
    CHANGED = "CHANGED"  # it is not what was sealed
    FOREIGN = "FOREIGN"  # it is another merchant's
    CUT_SHORT = "CUT_SHORT"  # entries at the end are gone
    SLIPPED_IN = "SLIPPED_IN"  # a row stands before the end that nobody sealed


@dataclass(frozen=True, slots=True)
class Link:
    """An entry with the hash that was written down for it."""

    entry: dict[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk over a chain found: how many entries held, and why the next one did not."""

    merchant_id: str
    entries: int
    head: str
    broken_seq: int | None = None
    why: Fault | None = None

    @property
    def holds(self) -> bool:
        return self.why is None


def entry_of(row: Any, seq: int) -> dict[str, Any]:
    """A row of the audit as it is hashed and exported."""
    return {
        "seq": seq,
        "merchantId": row.merchant_id,
        "auditId": row.id,
        "timestamp": iso_millis(row.occurred_at),
        "action": row.action,
        "status": str(row.status),
        "role": row.role,
        "operatorId": row.operator_id,
        "details": row.details,
        "requestId": row.request_id,
    }


def hash_after(previous: str, entry: dict[str, Any]) -> str:
    return hashlib.sha256(f"{previous}\n{canonical(entry)}".encode()).hexdigest()


def canonical(entry: dict[str, Any]) -> str:
    """One spelling: the known fields, names sorted, no spaces, letters as they are."""
    known = {name: entry.get(name) for name in FIELDS}
    return json.dumps(known, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def walk(merchant_id: str, links: Iterable[Link]) -> Verdict:
    """Check links that come in order from the first entry on."""
    head, count = NOTHING, 0
    for link in links:
        why = _fault(merchant_id, count + 1, head, link)
        if why:
            return Verdict(merchant_id, count, head, count + 1, why)
        head, count = link.hash, count + 1
    return Verdict(merchant_id, count, head)


def _fault(merchant_id: str, seq: int, previous: str, link: Link) -> Fault | None:
    if link.entry.get("seq") != seq:
        return Fault.MISSING
    if link.entry.get("merchantId") != merchant_id:
        return Fault.FOREIGN
    return Fault.CHANGED if hash_after(previous, link.entry) != link.hash else None


def lines(links: Iterable[Link]) -> Iterator[str]:
    """An export: one JSON object a line, the entry with its hash."""
    for link in links:
        yield json.dumps({**link.entry, "hash": link.hash}, ensure_ascii=False) + "\n"


def read_lines(text: Iterable[str]) -> Iterator[Link]:
    """ValueError: a line is no entry of an export."""
    for number, line in enumerate(text, start=1):
        try:
            entry = json.loads(line)
            sealed = entry.pop("hash")
        except (ValueError, KeyError, AttributeError, TypeError):
            raise ValueError(f"line {number} is no entry of an audit export") from None
        yield Link(entry, str(sealed))


def verify_export(text: Iterable[str]) -> Verdict:
    """Prove an export without a database. ValueError: it is none, or it is empty."""
    links = read_lines(text)
    first = next(links, None)
    if first is None:
        raise ValueError("the export is empty")
    return walk(str(first.entry.get("merchantId")), _chained(first, links))


def _chained(first: Link, rest: Iterator[Link]) -> Iterator[Link]:
    yield first
    yield from rest
