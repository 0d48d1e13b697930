"""What a move can be, and what its owner is told of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class MoveState(StrEnum):
    """Where a move is. Who serves the merchant: the source until MOVED, the target from then on."""

    PREPARING = "preparing"  # gate, publication and control rows are laid out
    COPYING = "copying"  # a snapshot is on its way
    FOLLOWING = "following"  # the target gets every change a moment later
    VERIFIED = "verified"  # as FOLLOWING, and a comparison found no difference
    CUTTING = "cutting"  # the write pause; found without a driver it never happened
    MOVED = "moved"  # the target serves, the old copy is fed backwards
    ROLLING_BACK = "rolling_back"  # the write pause of the way back
    RETURNED = "returned"  # the source serves again, the target's copy is being removed
    ROLLED_BACK = "rolled_back"  # final
    WAIVING = "waiving"  # the way back is given up, the old copy is being removed
    FINISHED = "finished"  # final
    UNDOING = "undoing"  # given up before the cut, what was laid out is being removed
    UNDONE = "undone"  # final: somebody gave it up
    FAILED = "failed"  # final: it gave up by itself, `error` says why


_S = MoveState
NEXT: Mapping[MoveState, frozenset[MoveState]] = {  # a state that is not listed is final
    _S.PREPARING: frozenset({_S.COPYING, _S.UNDOING}),
    _S.COPYING: frozenset({_S.FOLLOWING, _S.UNDOING}),
    _S.FOLLOWING: frozenset({_S.VERIFIED, _S.CUTTING, _S.UNDOING}),
    _S.VERIFIED: frozenset({_S.FOLLOWING, _S.CUTTING, _S.UNDOING}),
    _S.CUTTING: frozenset({_S.FOLLOWING, _S.MOVED}),
    _S.MOVED: frozenset({_S.ROLLING_BACK, _S.WAIVING}),
    _S.ROLLING_BACK: frozenset({_S.MOVED, _S.RETURNED}),
    _S.RETURNED: frozenset({_S.ROLLED_BACK}),
    _S.WAIVING: frozenset({_S.FINISHED}),
    _S.UNDOING: frozenset({_S.UNDONE, _S.FAILED}),
}
FINAL = frozenset(MoveState) - NEXT.keys()
IN_STEP = frozenset({_S.FOLLOWING, _S.VERIFIED})
BEFORE_THE_CUT = frozenset({_S.PREPARING, _S.COPYING}) | IN_STEP
SERVED_BY_TARGET = frozenset({_S.MOVED, _S.ROLLING_BACK, _S.WAIVING, _S.FINISHED})
SETTLED = IN_STEP | {_S.MOVED} | FINAL  # nothing is to be done until somebody wants something


class IllegalMove(RuntimeError):
    """A state was to follow another that it cannot follow."""


def require_next(current: MoveState, wanted: MoveState) -> None:
    if wanted not in NEXT.get(current, frozenset()):
        raise IllegalMove(f"a move cannot go from {current} to {wanted}")


class Phase(StrEnum):
    """The contract's words for how far a merchant's migration is."""

    IDLE = "IDLE"
    FROZEN = "FROZEN"
    RUNNING = "RUNNING"
    VERIFYING = "VERIFYING"
    CUTOVER = "CUTOVER"
    ROLLBACK = "ROLLBACK"


class Step(StrEnum):
    """What an owner can ask for by hand."""

    FREEZE_WRITE = "FREEZE_WRITE"
    UNFREEZE_WRITE = "UNFREEZE_WRITE"
    DISABLE_WS = "DISABLE_WS"
    ENABLE_WS = "ENABLE_WS"
    MARK_VERIFYING = "MARK_VERIFYING"
    MARK_CUTOVER = "MARK_CUTOVER"
    MARK_ROLLBACK = "MARK_ROLLBACK"


@dataclass(frozen=True, slots=True)
class Migration:
    """What the contract shows of a merchant's migration; the one of somebody who never had any."""

    phase: Phase = Phase.IDLE
    step: str = "INIT"
    note: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """One move. `source` and `target` are names of places.

    `figures` may hold: `rows` (copied) and `whole` (to be copied), both by table; `lagBytes`;
    `applyErrors`; `pauseMs` of the cut, `backPauseMs` of the way back, `tries` of either; `feed` of
    the old copy, `up` or `lost`; `gaveUp`, why. `report` is the last comparison, as `records`
    writes it down.
    """

    id: str
    merchant_id: str
    state: MoveState
    step: str
    source: str
    target: str
    error: str | None
    figures: dict[str, Any]
    report: dict[str, Any] | None
    started_by: str
    started_at: datetime
    updated_at: datetime
    moved_at: datetime | None
    ended_at: datetime | None

    @property
    def forward(self) -> str:
        """Name of slot, publication and subscription that bring the target what the source has."""
        return f"mq_move_{self._slug}"

    @property
    def backward(self) -> str:
        """The same of the way back."""
        return f"mq_back_{self._slug}"

    @property
    def _slug(self) -> str:
        return self.id.rpartition("_")[2].lower()

    @property
    def serving(self) -> str:
        """The place that works for the merchant."""
        return self.target if self.state in SERVED_BY_TARGET else self.source

    @property
    def can_be_cut(self) -> bool:
        return self.state in IN_STEP

    @property
    def can_go_back(self) -> bool:
        return self.state is MoveState.MOVED and self.figures.get("feed") != "lost"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that must be so before a move: what was found, and what to do when it is wrong."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """What the contract compares of one side. Amounts are in minor units."""

    merchant_exists: bool
    users: int
    payments: int
    invoices: int
    campaigns: int
    proposals: int
    strategy_configs: int
    ledger: int
    audit: int
    bindings: int  # social identities and phones
    alliance_wallet_shared: bool
    budget_used_minor: int
    wallet_checksum: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A table whose rows are not the same on both sides. `keys` are a few of the rows."""

    table: str
    source_rows: int
    target_rows: int
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A comparison of every row of both sides at one moment."""

    rows: dict[str, int]  # by table, at the source
    differences: tuple[Difference, ...]
    source: Summary
    target: Summary
    pause_ms: float  # how long writers waited so that both sides stood still
    seconds: float
    taken_at: datetime

    @property
    def holds(self) -> bool:
        return not self.differences


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a switch came to. `address` is of the merchant's own database."""

    move: Move
    migration: Migration
    address: str
    report: Report


@dataclass(frozen=True, slots=True)
class Status:
    """Where a merchant lies, and how its move is. `move` is the latest one, ended or not."""

    merchant_id: str
    is_apart: bool
    address: str | None
    migration: Migration
    move: Move | None = None
    requirements: tuple[Requirement, ...] = field(default=())
