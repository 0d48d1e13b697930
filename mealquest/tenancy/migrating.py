"""Migration as the owner sees it: every act of a move, answered with where that leaves it."""

from mealquest.core.db import transaction
from mealquest.core.errors import Unavailable
from mealquest.core.money import Currency
from mealquest.core.principal import Principal
from mealquest.tenancy import policy, queries
from mealquest.tenancy.errors import MerchantNotFound
from mealquest.tenancy.move_replies import (
    CutoverView,
    MigrationStepView,
    MigrationView,
    MoveDoneView,
    MoveView,
    PreflightView,
    ReportView,
    RequirementView,
    RollbackView,
    StatusView,
)
from mealquest.tenancy.moves import acts, owner
from mealquest.tenancy.moves.domain import Move, Report
from mealquest.tenancy.moves.records import report_from
from mealquest.tenancy.moves.status import migration_status, past_moves
from mealquest.tenancy.replies import PolicyView


def status(merchant_id: str) -> StatusView:
    """Where the merchant lies and how its latest move is. MerchantNotFound."""
    found = migration_status(merchant_id)
    return StatusView.of(found, _policy_if_reached(merchant_id), _report(found.move))


def history(merchant_id: str) -> list[MoveView]:
    """The merchant's moves, the latest first."""
    return [MoveView.of(move, _report(move)) for move in past_moves(merchant_id)]


def preflight(merchant_id: str) -> PreflightView:
    """Everything that must be so before the merchant moves, met or not."""
    found = acts.requirements(merchant_id)
    return PreflightView(
        merchant_id=merchant_id,
        ok=all(one.ok for one in found),
        items=[RequirementView.of(one) for one in found],
    )


def step(merchant_id: str, name: str, note: str, by: Principal) -> MigrationStepView:
    """See `moves.owner.step`."""
    migration = owner.step(merchant_id, name, note, by)
    return MigrationStepView(
        merchant_id=merchant_id,
        dedicated_db_attached=migration_status(merchant_id).is_apart,
        migration=MigrationView.of(migration),
        policy=_policy(merchant_id),
    )


def prepare(merchant_id: str, by: Principal) -> MoveDoneView:
    """Begin to copy, and keep the copy in step. MoveBlocked, DriverBusy."""
    return _done(merchant_id, acts.prepare(merchant_id, by))


def verify(merchant_id: str) -> ReportView:
    """Compare both sides row by row. MoveNotReady, NoMove."""
    return ReportView.of(acts.verify_move(merchant_id))


def cutover(merchant_id: str, note: str, by: Principal) -> CutoverView:
    """See `moves.owner.cutover`."""
    done = owner.cutover(merchant_id, note, by)
    return CutoverView.of(merchant_id, done, _policy(merchant_id), _currency(merchant_id))


def rollback(merchant_id: str, note: str, by: Principal) -> RollbackView:
    """See `moves.owner.rollback`."""
    done = owner.rollback(merchant_id, by, note)
    return RollbackView.of(merchant_id, done, _policy(merchant_id), _currency(merchant_id))


def waive(merchant_id: str, by: Principal) -> MoveDoneView:
    """Give up the way back. NoMove."""
    return _done(merchant_id, owner.waive_rollback(merchant_id, by))


def abandon(merchant_id: str, by: Principal) -> MoveDoneView:
    """Give up a move before its switch. NoMove."""
    return _done(merchant_id, owner.abandon(merchant_id, by))


def _done(merchant_id: str, move: Move) -> MoveDoneView:
    return MoveDoneView(merchant_id=merchant_id, move=MoveView.of(move, _report(move)))


def _report(move: Move | None) -> Report | None:
    return None if move is None or move.report is None else report_from(move.report)


def _policy_if_reached(merchant_id: str) -> PolicyView | None:
    """The status is there to be read also while the merchant's database is not."""
    try:
        return _policy(merchant_id)
    except Unavailable:
        return None


def _policy(merchant_id: str) -> PolicyView:
    return policy.merchant_policy(merchant_id).policy


def _currency(merchant_id: str) -> Currency:
    with transaction(merchant_id) as session:
        found = queries.facts(session, merchant_id)
    if found is None:
        raise MerchantNotFound
    return found.currency
