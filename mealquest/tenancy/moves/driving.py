"""How a move goes on from wherever it stands: every step looks at what is there first."""

from collections.abc import Callable, Mapping
from contextlib import suppress

import psycopg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from mealquest.audit import service as audit
from mealquest.core.errors import Unavailable
from mealquest.core.placements import Gate
from mealquest.core.places import HOME
from mealquest.tenancy.moves import creating, cutting, servers, status
from mealquest.tenancy.moves.copying import carry_control_rows, copy_all, remove_copy
from mealquest.tenancy.moves.domain import BEFORE_THE_CUT, SETTLED, MoveState
from mealquest.tenancy.moves.drive import Drive, Steps, driving
from mealquest.tenancy.moves.errors import BehindStill, DriverBusy, MoveBroken, NoMove
from mealquest.tenancy.moves.verifying import catch_up

IN_STEP_S = 30.0
LOOK_S = {True: 1.0, False: 5.0}  # when a move that failed is tried again; True: it is closed
SETTLED_S = 5.0
MOVED_S = 15.0
CLOSED = frozenset({MoveState.CUTTING, MoveState.ROLLING_BACK, MoveState.MOVED})
PASSING = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    SQLAlchemyError,
    Unavailable,
    BehindStill,
    OSError,
)

log = structlog.get_logger(__name__)


def drive_due(steps: Steps | None = None) -> int:
    """Go on with every move that is due; returns how many were looked at.

    One that another driver has, or that fails, does not keep the others back.
    """
    due = status.due()
    for merchant_id in due:
        _drive(merchant_id, steps)
    return len(due)


def tend() -> bool:
    """Whether moves are due; one whose merchant may stand before shut gates is gone on with here.

    For the tick: workers may be busy for longer than a merchant may be closed.
    """
    for merchant_id in status.may_be_closed():
        _drive(merchant_id, None)
    return bool(status.due())


def _drive(merchant_id: str, steps: Steps | None) -> None:
    try:
        with driving(merchant_id, steps=steps) as drive:
            go_on(drive)
    except (DriverBusy, NoMove):
        return
    except psycopg.Error as failure:
        log.warning("move waits", merchant_id=merchant_id, error=_said(failure))


def go_on(drive: Drive) -> None:
    """Drive until nothing is to be done before somebody wants something.

    What stands in the way is written down. A move that cannot go on before its cut is undone.
    """
    while True:
        was = drive.move.state
        try:
            TASKS[was](drive)
        except PASSING as failure:
            _try_later(drive, failure)
            return
        except (psycopg.Error, MoveBroken) as failure:
            if drive.move.state not in BEFORE_THE_CUT:
                _try_later(drive, failure)
                return
            give_up(drive, _said(failure))
        if drive.move.state is was and was in SETTLED:
            return
        if drive.move.ended_at:
            return


def give_up(drive: Drive, error: str | None) -> None:
    """Undo what was laid out; with an error the move ends as failed."""
    drive.tell(error=error, gaveUp=error)
    drive.to(MoveState.UNDOING)


def _try_later(drive: Drive, failure: Exception) -> None:
    log.warning("move waits", merchant_id=drive.merchant_id, error=_said(failure))
    with suppress(psycopg.Error):  # home itself is away: the next driver sees the last state
        drive.tell(error=_said(failure), due_in=LOOK_S[drive.move.state in CLOSED])


def _said(failure: Exception) -> str:
    return str(failure).strip().partition("\n")[0][:300] or type(failure).__name__


# --- before the cut ---------------------------------------------------------------------------


def _prepare(drive: Drive) -> None:
    move = drive.move
    creating.make_database(move.target)
    drive.reached("gate")
    if move.target != HOME:
        servers.set_gate(drive.target, move.merchant_id, Gate.ARRIVING)
    drive.reached("control rows")
    if move.target != HOME:
        carry_control_rows(drive.source, drive.target, move.merchant_id)
    drive.reached("publication")
    servers.publish(drive.source, move.forward, move.merchant_id)
    drive.to(MoveState.COPYING)


def _copy(drive: Drive) -> None:
    """From the beginning, unless an earlier driver came as far as the subscription."""
    move = drive.move
    if not servers.has_subscription(drive.target, move.forward):
        drive.reached("copy")
        copy_all(
            drive.login(move.source),
            drive.target,
            move.forward,
            move.merchant_id,
            lambda copied, whole: drive.tell(rows=dict(copied), whole=whole),
        )
        drive.reached("subscription")
        servers.subscribe(drive.target, move.forward, drive.login(move.source))
    _require_slot(drive)
    catch_up(drive.source, drive.target, move.merchant_id, "copied", seconds=IN_STEP_S)
    drive.tell(error=None)
    drive.reached("in step")
    drive.to(MoveState.FOLLOWING)


def _follow(drive: Drive) -> None:
    """In step: say how far behind the target is, and notice when it cannot follow any more."""
    slot = drive.move.forward
    _require_slot(drive)
    servers.publish_new_tables(drive.source, drive.target, slot, drive.merchant_id)
    lag = servers.lag_bytes(drive.source, slot)
    failures = servers.apply_errors(drive.target, slot)
    drive.tell(error=None, lagBytes=lag, applyErrors=failures, due_in=SETTLED_S)


def _require_slot(drive: Drive) -> None:
    if not servers.has_slot(drive.source, drive.move.forward):
        raise MoveBroken("the source does not keep what the target has yet to get")


def _reopen_source(drive: Drive) -> None:
    """A cut without its commit: the source goes on, and the target follows it."""
    cutting.reopen(drive, cutting.forward(drive))
    cutting.drop_way_back(drive)
    drive.to(MoveState.FOLLOWING)


def _undo(drive: Drive) -> None:
    """Leave nothing, on either side; what an unreachable side has is removed when it is back."""
    move, failure = drive.move, None
    why = move.figures.get("gaveUp")
    try:
        servers.unsubscribe(drive.target, move.forward)
        cutting.drop_way_back(drive)
    except PASSING as away:
        failure = away
    servers.drop_slot(drive.source, move.forward)
    servers.unpublish(drive.source, move.forward)
    if failure:
        raise failure
    if move.target != HOME:
        servers.set_gate(drive.target, move.merchant_id, Gate.ARRIVING)
    remove_copy(drive.home, drive.target, move.target, move.merchant_id)
    if move.target != HOME:
        servers.remove_gate(drive.target, move.merchant_id)
    drive.tell(error=why)  # not what stood in the way of removing it
    drive.to(MoveState.FAILED if why else MoveState.UNDONE)


# --- after it -----------------------------------------------------------------------------------


def _feed_back(drive: Drive) -> None:
    """The target serves: end the way forward, and give the source what is written from now on."""
    move = drive.move
    cutting.open_target(drive, move.target)
    drive.reached("end forward")
    servers.unsubscribe(drive.target, move.forward)
    servers.drop_slot(drive.source, move.forward)
    servers.unpublish(drive.source, move.forward)
    audit.seal(move.merchant_id)  # counts by this cluster's transactions from here on
    drive.reached("feed back")
    feed = servers.has_slot(drive.target, move.backward)
    if feed:
        servers.subscribe(drive.source, move.backward, drive.login(move.target))
        servers.publish_new_tables(drive.target, drive.source, move.backward, move.merchant_id)
    drive.reached("moved")
    drive.tell(
        error=None if feed else "the old copy misses changes: there is no way back",
        feed="up" if feed else "lost",
        lagBytes=servers.lag_bytes(drive.target, move.backward),
        applyErrors=servers.apply_errors(drive.source, move.backward),
        due_in=MOVED_S,
    )


def _reopen_target(drive: Drive) -> None:
    """A way back without its commit: the target goes on."""
    cutting.reopen(drive, cutting.backward(drive))
    drive.to(MoveState.MOVED)


def _end_return(drive: Drive) -> None:
    """The source serves again: remove the other copy, and all that connected the two."""
    move = drive.move
    cutting.open_target(drive, move.source)
    audit.seal(move.merchant_id)
    _end_backward(drive)
    drive.reached("remove")
    remove_copy(drive.home, drive.target, move.target, move.merchant_id)
    drive.reached("ended")
    drive.to(MoveState.ROLLED_BACK)


def _end_old_copy(drive: Drive) -> None:
    """The way back is given up: remove the old copy. Its gate stays shut."""
    move = drive.move
    _end_backward(drive)
    drive.reached("remove")
    remove_copy(drive.home, drive.source, move.source, move.merchant_id)
    drive.reached("ended")
    drive.to(MoveState.FINISHED)


def _end_backward(drive: Drive) -> None:
    """A side that is away holds up the other one's end no longer than it must."""
    drive.reached("end backward")
    failure = None
    try:
        servers.unsubscribe(drive.source, drive.move.backward)
    except PASSING as away:
        failure = away
    cutting.drop_way_back(drive)
    if failure:
        raise failure


def _nothing(drive: Drive) -> None:
    """It has ended."""


TASKS: Mapping[MoveState, Callable[[Drive], None]] = {
    MoveState.PREPARING: _prepare,
    MoveState.COPYING: _copy,
    MoveState.FOLLOWING: _follow,
    MoveState.VERIFIED: _follow,
    MoveState.CUTTING: _reopen_source,
    MoveState.MOVED: _feed_back,
    MoveState.ROLLING_BACK: _reopen_target,
    MoveState.RETURNED: _end_return,
    MoveState.WAIVING: _end_old_copy,
    MoveState.UNDOING: _undo,
    MoveState.ROLLED_BACK: _nothing,
    MoveState.FINISHED: _nothing,
    MoveState.UNDONE: _nothing,
    MoveState.FAILED: _nothing,
}
