"""What people ask of a move: begin, verify, switch over, go back, give up, give up the way back.

The owner's requests are taken to their end here, within `LIMIT_S`; what takes longer goes on by the
job, and the answer says so.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from mealquest.core.db import after_commit_ring, databases, transaction
from mealquest.core.errors import Unavailable
from mealquest.core.places import HOME
from mealquest.core.principal import Principal
from mealquest.tenancy.moves import cutting, preflight, records, servers, verifying
from mealquest.tenancy.moves.cutting import Way
from mealquest.tenancy.moves.domain import (
    BEFORE_THE_CUT,
    IN_STEP,
    Move,
    MoveState,
    Phase,
    Report,
    Requirement,
)
from mealquest.tenancy.moves.drive import Drive, Steps, driving
from mealquest.tenancy.moves.driving import give_up, go_on
from mealquest.tenancy.moves.errors import (
    AlreadyApart,
    BehindStill,
    CopyDiffers,
    DriverBusy,
    MoveBlocked,
    MoveBroken,
    MoveNotReady,
    NoDedicatedRoute,
    NoMove,
    NoWayBack,
    PauseDenied,
    RollbackDiffers,
)
from mealquest.tenancy.moves.logins import connect, login_at
from mealquest.tenancy.moves.status import migration_status, note_migration, require_merchant

BELL = "moves"
LIMIT_S = 25.0  # of a request
WAIT_S = 10.0  # for the driver that has it at the moment
TRIES = 5
NOT_NOW = (PauseDenied, BehindStill)

log = structlog.get_logger(__name__)


def requirements(merchant_id: str, *, to_home: bool = False) -> list[Requirement]:
    """Everything that must be so before the merchant moves, met or not. MerchantNotFound."""
    require_merchant(merchant_id)
    return preflight.requirements(merchant_id, to_home=to_home)


def prepare(merchant_id: str, by: Principal, *, to_home: bool = False) -> Move:
    """Begin a move; the job copies, and keeps the copy in step. MoveBlocked, DriverBusy.

    `to_home`: for a merchant whose way back was given up before.
    """
    require_merchant(merchant_id)
    wanting = [one for one in preflight.requirements(merchant_id, to_home=to_home) if not one.ok]
    if wanting:
        raise MoveBlocked(wanting)
    with connect(login_at(HOME)) as home:
        source = servers.place_of(home, merchant_id)
        target = preflight.target_of(merchant_id, home=to_home)
        move = records.begin(home, merchant_id, source, target, by.subject)
    _told(merchant_id, Phase.RUNNING, "PREPARE")
    return move


def verify_move(merchant_id: str, *, steps: Steps | None = None) -> Report:
    """Compare both sides, row by row; writers wait some milliseconds. The report is kept.

    MoveNotReady: the copy is not in step. NoMove.
    """
    with _driving(merchant_id, steps) as drive:
        if drive.move.state is MoveState.MOVED:
            return _compared(drive, cutting.backward(drive))
        if drive.move.state not in IN_STEP:
            raise MoveNotReady(f"it is {drive.move.state}")
        report = _compared(drive, cutting.forward(drive))
        if report.holds and drive.move.state is MoveState.FOLLOWING:
            drive.to(MoveState.VERIFIED)
        elif not report.holds and drive.move.state is MoveState.VERIFIED:
            drive.to(MoveState.FOLLOWING)
        return report


def switch_over(merchant_id: str, by: Principal, *, steps: Steps | None = None) -> Report:
    """Have the merchant's own database serve it, doing all that is still missing before.

    Raises:
        AlreadyApart: it does already.
        MoveBlocked: a requirement is not met.
        CopyDiffers: the copy is not the same; the move is given up.
        MoveNotReady: not within the limit, or writers were never still; it goes on.
    """
    if migration_status(merchant_id).is_apart:
        raise AlreadyApart
    return _moved(merchant_id, by, steps, to_home=False)


def bring_home(merchant_id: str, by: Principal, *, steps: Steps | None = None) -> Report:
    """Have home serve a merchant whose way back was given up: a move as any other.

    NoDedicatedRoute: it is at home. Raises what `switch_over` does.
    """
    if not migration_status(merchant_id).is_apart:
        raise NoDedicatedRoute
    return _moved(merchant_id, by, steps, to_home=True)


def _moved(merchant_id: str, by: Principal, steps: Steps | None, *, to_home: bool) -> Report:
    move = migration_status(merchant_id).move
    if move is None or move.ended_at or move.state is MoveState.MOVED:
        prepare(merchant_id, by, to_home=to_home)
    until = time.monotonic() + LIMIT_S
    with _driving(merchant_id, steps) as drive:
        _bring_in_step(drive, until)
        _require_same(drive)
        _require_parted(merchant_id)
        return _switched(drive, cutting.forward(drive), MoveState.CUTTING, until)


def _require_parted(merchant_id: str) -> None:
    """MoveBlocked: since the move began the merchant has come to share with somebody it leaves."""
    found = preflight.parted(merchant_id)
    if not found.ok:
        raise MoveBlocked([found])


def switch_back(merchant_id: str, *, steps: Steps | None = None) -> Report:
    """Have the old place serve the merchant again, with every write since; the copy is removed.

    Raises:
        NoDedicatedRoute: it has no database of its own.
        NoWayBack: the way back was given up, or the old copy misses changes.
        RollbackDiffers: the old copy is not the same.
        MoveNotReady: writers were never still; the merchant stays where it is.
    """
    status = migration_status(merchant_id)
    if not status.is_apart:
        raise NoDedicatedRoute
    try:
        with _driving(merchant_id, steps) as drive:
            _require_way_back(drive)
            report = _compared(drive, cutting.backward(drive))
            if not report.holds:
                raise RollbackDiffers
            until = time.monotonic() + LIMIT_S
            return _switched(drive, cutting.backward(drive), MoveState.ROLLING_BACK, until)
    except NoMove as none:
        raise NoWayBack("it was waived, and the old copy is gone") from none


def give_up_way_back(merchant_id: str, *, steps: Steps | None = None) -> Move:
    """Remove the old copy for good. NoMove: there is none to remove."""
    with _driving(merchant_id, steps) as drive:
        if drive.move.state is not MoveState.MOVED:
            raise NoMove
        drive.to(MoveState.WAIVING)
        go_on(drive)
        return drive.move


def abandon(merchant_id: str, *, steps: Steps | None = None) -> Move:
    """Give up a move before its switch, and leave nothing of it. NoMove: there is none."""
    with _driving(merchant_id, steps) as drive:
        if drive.move.state not in BEFORE_THE_CUT:
            raise NoMove
        give_up(drive, None)
        go_on(drive)
        return drive.move


# --- how ------------------------------------------------------------------------------------


@contextmanager
def _driving(merchant_id: str, steps: Steps | None) -> Iterator[Drive]:
    """The merchant's move, alone; a driver's failure is worded for whoever asked."""
    try:
        with driving(merchant_id, wait_s=WAIT_S, steps=steps) as drive:
            yield drive
    except (psycopg.Error, SQLAlchemyError, Unavailable, OSError) as failure:
        log.warning("move waits", merchant_id=merchant_id, error=str(failure)[:300])
        _set_right(merchant_id)
        raise MoveNotReady("a database did not answer") from failure


def _set_right(merchant_id: str) -> None:
    """Have another driver go on from what is committed; the job does when this one cannot."""
    try:
        with driving(merchant_id, wait_s=1) as drive:
            go_on(drive)
    except (psycopg.Error, OSError, DriverBusy, NoMove) as failure:
        log.warning("move is left to the job", merchant_id=merchant_id, error=repr(failure)[:300])


def _bring_in_step(drive: Drive, until: float) -> None:
    """What an earlier driver left is ended first."""
    while drive.move.state not in IN_STEP:
        before = drive.move
        if before.ended_at or before.state is MoveState.UNDOING:
            raise MoveNotReady(before.error or f"it is {before.state}")
        go_on(drive)
        if drive.move.state is before.state or time.monotonic() > until:
            raise MoveNotReady(drive.move.error or f"it is {drive.move.state} and goes on")


def _require_same(drive: Drive) -> None:
    report = _compared(drive, cutting.forward(drive))
    if report.holds:
        if drive.move.state is MoveState.FOLLOWING:
            drive.to(MoveState.VERIFIED)
        return
    tables = [one.table for one in report.differences]
    give_up(drive, f"not the same on both sides: {', '.join(tables)}")
    go_on(drive)
    raise CopyDiffers(tables)


def _require_way_back(drive: Drive) -> None:
    if drive.move.state is not MoveState.MOVED:
        raise NoWayBack(f"the move is {drive.move.state}")
    go_on(drive)
    if not drive.move.can_go_back:
        raise NoWayBack("the old copy misses changes")


def _compared(drive: Drive, way: Way) -> Report:
    """MoveNotReady: writers were never still."""
    one, other = drive.login(way.source), drive.login(way.target)
    try:
        with verifying.fenced(one, other, drive.merchant_id) as fence:
            report = verifying.compare(fence, drive.merchant_id, control=way.target != HOME)
    except NOT_NOW as failure:
        raise MoveNotReady(str(failure)) from failure
    drive.tell(report=report)
    return report


def _switched(drive: Drive, way: Way, state: MoveState, until: float) -> Report:
    """Try a few times: who is inside for long is let out, and the next try is a moment later."""
    for left in reversed(range(TRIES)):
        drive.reached("rolling back" if state is MoveState.ROLLING_BACK else "cutting")
        drive.to(state)
        try:
            if way.is_forward:
                cutting.lay_way_back(drive)
            report = cutting.switch(drive, way)
        except (*NOT_NOW, MoveBroken) as failure:
            go_on(drive)  # it never was: back to where it came from
            if not left or time.monotonic() > until or isinstance(failure, MoveBroken):
                raise MoveNotReady(str(failure)) from failure
        else:
            go_on(drive)
            databases().read_again()
            return report
    raise DriverBusy


def _told(merchant_id: str, phase: Phase, step: str, note: str = "") -> None:
    with transaction() as session:
        note_migration(session, merchant_id, phase, step, note)
        after_commit_ring(session, BELL)
