"""The contract's words around a move: steps by hand, cut-over and rollback, policy and audit."""

from datetime import timedelta

from mealquest.audit import service as audit
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import AppError
from mealquest.core.principal import SYSTEM, Principal
from mealquest.tenancy.moves import acts
from mealquest.tenancy.moves.domain import (
    SERVED_BY_TARGET,
    Migration,
    Move,
    Outcome,
    Phase,
    Report,
    Status,
    Step,
)
from mealquest.tenancy.moves.drive import Steps
from mealquest.tenancy.moves.errors import (
    AlreadyApart,
    MoveBlocked,
    MoveNotReady,
    NoMove,
    StepRefused,
    UnknownStep,
)
from mealquest.tenancy.moves.records import report_from
from mealquest.tenancy.moves.status import (
    migration_of,
    migration_status,
    note_migration,
    switched_before,
)
from mealquest.tenancy.policy import set_switches

LATE = timedelta(minutes=2)  # far longer than a request may take
KEPT = frozenset({Phase.CUTOVER, Phase.ROLLBACK})
_SWITCHES = {
    Step.FREEZE_WRITE: {"write_enabled": False},
    Step.UNFREEZE_WRITE: {"write_enabled": True},
    Step.DISABLE_WS: {"ws_enabled": False},
    Step.ENABLE_WS: {"ws_enabled": True},
}
_PHASES = {
    Step.FREEZE_WRITE: Phase.FROZEN,
    Step.MARK_VERIFYING: Phase.VERIFYING,
    Step.MARK_CUTOVER: Phase.CUTOVER,
    Step.MARK_ROLLBACK: Phase.ROLLBACK,
}


def step(merchant_id: str, name: str, note: str, by: Principal) -> Migration:
    """One of the contract's seven steps. It sets switches and the phase; it moves nothing.

    MerchantNotFound. UnknownStep. StepRefused: the phase would say what is not so.
    """
    wanted = Step.__members__.get(name.upper())
    if wanted is None:
        raise UnknownStep(name)
    status = migration_status(merchant_id)
    _require_true(wanted, status)
    phase = _phase_after(wanted, status.migration.phase)
    with transaction(merchant_id) as session:
        if wanted in _SWITCHES:
            set_switches(session, merchant_id, by=by.subject, **_SWITCHES[wanted])
        details = {"step": wanted.value, "phase": phase.value, "note": note}
        audit.record(session, merchant_id, "MIGRATION_STEP", by, details)
    with transaction() as session:
        return note_migration(session, merchant_id, phase, wanted.value, note)


def cutover(merchant_id: str, note: str, by: Principal, *, steps: Steps | None = None) -> Outcome:
    """Move the merchant to its own database, all at once, while it works.

    Writers wait for the switch alone. What fails leaves the merchant where it was, writable.
    Raises what `acts.switch_over` does, after the phase says so; where a requirement is not met
    nothing has begun, and nothing is noted.
    """
    try:
        report = acts.switch_over(merchant_id, by, steps=steps)
    except (MoveBlocked, AlreadyApart):
        raise
    except AppError as failure:
        arrived = _arrived(merchant_id, wanted=True)
        if arrived is None:
            _take_back(merchant_id, failure, by)
            raise
        report = arrived
    return _done(merchant_id, "MIGRATION_CUTOVER", Phase.CUTOVER, note, by, report)


def rollback(
    merchant_id: str, by: Principal, note: str = "", *, steps: Steps | None = None
) -> Outcome:
    """Bring the merchant back to where it was, with every write since, and remove its copy.

    Raises what `acts.switch_back` does; the merchant then works where it worked.
    """
    before = migration_status(merchant_id)
    try:
        report = acts.switch_back(merchant_id, steps=steps)
    except AppError:
        arrived = _arrived(merchant_id, wanted=False) if before.is_apart else None
        if arrived is None:
            raise
        report = arrived
    done = _done(merchant_id, "MIGRATION_ROLLBACK", Phase.ROLLBACK, note, by, report)
    return Outcome(done.move, done.migration, before.address or "", report)


def bring_home(merchant_id: str, by: Principal, *, steps: Steps | None = None) -> Outcome:
    """As `rollback`, of a merchant whose way back was waived: everything is copied once more."""
    before = migration_status(merchant_id)
    report = acts.bring_home(merchant_id, by, steps=steps)
    done = _done(merchant_id, "MIGRATION_ROLLBACK", Phase.ROLLBACK, "", by, report)
    return Outcome(done.move, done.migration, before.address or "", report)


def waive_rollback(merchant_id: str, by: Principal, *, steps: Steps | None = None) -> Move:
    """Remove the old copy, for good. NoMove: there is none."""
    move = acts.give_up_way_back(merchant_id, steps=steps)
    _record(merchant_id, by, "MIGRATION_STEP", {"step": "WAIVE_ROLLBACK", "phase": "CUTOVER"})
    return move


def abandon(merchant_id: str, by: Principal, *, steps: Steps | None = None) -> Move:
    """Give up a move before its switch. NoMove: there is none, or it is past that."""
    move = acts.abandon(merchant_id, steps=steps)
    _tell(merchant_id, Phase.ROLLBACK, "ABANDON")
    _record(merchant_id, by, "MIGRATION_STEP", {"step": "ABANDON", "phase": "ROLLBACK"})
    return move


def note_ends() -> int:
    """Say of switches whose request died before it could: the phase, and the audit's row.

    Returns how many there were. A switch is left to its request for `LATE`.
    """
    told = 0
    for move in switched_before(utc_now() - LATE):
        there = move.state in SERVED_BY_TARGET
        if not there and move.ended_at is None:
            continue  # on its way back
        unsaid = Phase.RUNNING if there else Phase.CUTOVER
        status = migration_status(move.merchant_id)
        report = _arrived(move.merchant_id, wanted=there)
        if status.migration.phase is unsaid and report is not None:
            action = "MIGRATION_CUTOVER" if there else "MIGRATION_ROLLBACK"
            phase = Phase.CUTOVER if there else Phase.ROLLBACK
            _done(move.merchant_id, action, phase, "", SYSTEM, report)
            told += 1
    return told


def _require_true(step: Step, status: Status) -> None:
    under_way = status.move is not None and status.move.ended_at is None
    phase = status.migration.phase
    if step is Step.MARK_CUTOVER and not status.is_apart:
        raise StepRefused("merchant has no dedicated route: cut over first")
    if step is Step.MARK_ROLLBACK and status.is_apart:
        raise StepRefused("merchant has its own database: roll back first")
    if step is Step.MARK_VERIFYING and phase is Phase.IDLE and not under_way:
        raise StepRefused("no migration is under way")


def _phase_after(step: Step, phase: Phase) -> Phase:
    if step is Step.UNFREEZE_WRITE:
        return phase if phase in KEPT else Phase.RUNNING
    return _PHASES.get(step, phase)


def _take_back(merchant_id: str, failure: AppError, by: Principal) -> None:
    """Writing is on again, and the phase says why it is not done."""
    goes_on = isinstance(failure, MoveNotReady)
    phase = Phase.RUNNING if goes_on else Phase.ROLLBACK
    with transaction(merchant_id) as session:
        set_switches(session, merchant_id, write_enabled=True, by=by.subject)
    _tell(merchant_id, phase, Step.UNFREEZE_WRITE.value, failure.message[:500])


def _done(
    merchant_id: str, action: str, phase: Phase, note: str, by: Principal, report: Report
) -> Outcome:
    """Writing is on again at the new place, and its audit tells of the move."""
    status = migration_status(merchant_id)
    details = {"phase": phase.value}
    if phase is Phase.CUTOVER:
        details["dedicatedDbFilePath"] = status.address or ""
    with transaction(merchant_id) as session:
        set_switches(session, merchant_id, write_enabled=True, by=by.subject)
        audit.record(session, merchant_id, action, by, details)
    migration = _tell(merchant_id, phase, Step.UNFREEZE_WRITE.value, note)
    if status.move is None:
        raise NoMove
    return Outcome(status.move, migration, status.address or "", report)


def _arrived(merchant_id: str, *, wanted: bool) -> Report | None:
    """The comparison at the switch, when it happened although its driver broke after it."""
    status = migration_status(merchant_id)
    if status.is_apart is not wanted or status.move is None or status.move.report is None:
        return None
    return report_from(status.move.report)


def _tell(merchant_id: str, phase: Phase, step: str, note: str = "") -> Migration:
    with transaction() as session:
        kept = migration_of(session, merchant_id).note if phase is Phase.RUNNING else ""
        return note_migration(session, merchant_id, phase, step, note or kept)


def _record(merchant_id: str, by: Principal, action: str, details: dict[str, str]) -> None:
    with transaction(merchant_id) as session:
        audit.record(session, merchant_id, action, by, details | {"note": ""})
