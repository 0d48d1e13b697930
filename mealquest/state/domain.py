"""What features that stand behind this package add to the state, without it knowing them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

# Rows as they go over the wire, by wire names. A reader joins the transaction, asks a number of
# statements that does not grow with what there is, and answers the same for the same rows: the
# answer's ETag is made of it.
Rows = list[dict[str, Any]]
ReadRows = Callable[[Session, str], Rows]


def _none(_session: Session, _merchant_id: str) -> Rows:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the parts come from that other features own; `application.py` names their readers.

    Attributes:
        campaigns: whole campaigns of the merchant; `status` is ACTIVE, and `ended` not true, of
            those that run.
        proposals: whole proposals; `id`, `title`, `createdAt` and the `status` PENDING are read.
        strategy_configs: one for each template that was ever used.
        activities: what runs at the moment, for customers.
    """

    campaigns: ReadRows = _none
    proposals: ReadRows = _none
    strategy_configs: ReadRows = _none
    activities: ReadRows = _none


def pending(proposals: Rows) -> list[Mapping[str, Any]]:
    """The proposals that wait for the owner, as the dashboard lists them."""
    shown = ("id", "title", "createdAt")
    return [{name: p[name] for name in shown} for p in proposals if p["status"] == "PENDING"]


def running(campaigns: Rows) -> int:
    return sum(one["status"] == "ACTIVE" and not one.get("ended") for one in campaigns)
