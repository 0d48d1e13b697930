"""What is told of a merchant's place and of its move, read at home while it may be moving."""

from dataclasses import fields
from datetime import datetime, timedelta

from sqlalchemy import and_, func, not_, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core.clock import utc_now
from mealquest.core.db import databases, directory_transaction, transaction
from mealquest.core.placements import Placement
from mealquest.core.places import HOME
from mealquest.tenancy import queries
from mealquest.tenancy.errors import MerchantNotFound
from mealquest.tenancy.models import MerchantMigration, TenantMove
from mealquest.tenancy.moves.domain import Migration, Move, MoveState, Phase, Status


def migration_status(merchant_id: str) -> Status:
    """Where the merchant lies, its phase, and its latest move. MerchantNotFound."""
    require_merchant(merchant_id)
    with transaction() as session:
        place = session.scalar(select(Placement.place).where(Placement.merchant_id == merchant_id))
        migration = migration_of(session, merchant_id)
        move = _latest(session, merchant_id)
    is_apart = place not in (None, HOME)
    address = databases().named(str(place)).address if is_apart else None
    return Status(merchant_id, is_apart, address, migration, move)


def moves_under_way() -> list[Move]:
    """Every move that has not ended, the oldest first."""
    statement = select(TenantMove).where(TenantMove.ended_at.is_(None))
    with transaction() as session:
        rows = session.scalars(statement.order_by(TenantMove.started_at)).all()
        return [_move(row) for row in rows]


def switched_before(moment: datetime) -> list[Move]:
    """Moves that were switched before a moment, or came back before it, within the last day."""
    came_back = TenantMove.ended_at.between(moment - timedelta(days=1), moment)
    statement = select(TenantMove).where(
        TenantMove.moved_at < moment, or_(TenantMove.ended_at.is_(None), came_back)
    )
    with transaction() as session:
        return [_move(row) for row in session.scalars(statement.order_by(TenantMove.started_at))]


def past_moves(merchant_id: str, limit: int = 20) -> list[Move]:
    """The merchant's moves, the latest first."""
    statement = select(TenantMove).where(TenantMove.merchant_id == merchant_id)
    with transaction() as session:
        rows = session.scalars(statement.order_by(TenantMove.started_at.desc()).limit(limit))
        return [_move(row) for row in rows]


def due() -> list[str]:
    """Merchants whose move is to be looked at, the longest overdue first."""
    statement = select(TenantMove.merchant_id).where(
        TenantMove.ended_at.is_(None), TenantMove.due_at <= func.now()
    )
    with transaction() as session:
        return list(session.scalars(statement.order_by(TenantMove.due_at)))


def may_be_closed() -> list[str]:
    """Merchants whom no place lets in, if their driver died right there."""
    in_between = or_(
        TenantMove.state == MoveState.ROLLING_BACK,
        and_(TenantMove.state == MoveState.CUTTING, TenantMove.source != HOME),
        and_(TenantMove.state == MoveState.MOVED, not_(TenantMove.figures.has_key("feed"))),
    )
    statement = select(TenantMove.merchant_id).where(TenantMove.ended_at.is_(None), in_between)
    with transaction() as session:
        return list(session.scalars(statement))


def require_merchant(merchant_id: str) -> None:
    """MerchantNotFound. Home's directory answers, wherever the merchant is."""
    with directory_transaction("a merchant that is moving is found at home") as session:
        if not queries.is_there(session, merchant_id):
            raise MerchantNotFound


def migration_of(session: Session, merchant_id: str) -> Migration:
    row = session.get(MerchantMigration, merchant_id)
    if row is None:
        return Migration()
    return Migration(row.phase, row.step, row.note, row.updated_at)


def note_migration(
    session: Session, merchant_id: str, phase: Phase, step: str, note: str = ""
) -> Migration:
    """Write down what the owner is told. The session is one at home."""
    now = utc_now()
    values = {"phase": phase, "step": step, "note": note, "updated_at": now}
    session.execute(
        insert(MerchantMigration)
        .values(merchant_id=merchant_id, **values)
        .on_conflict_do_update(index_elements=["merchant_id"], set_=values)
    )
    return Migration(phase, step, note, now)


def _latest(session: Session, merchant_id: str) -> Move | None:
    statement = select(TenantMove).where(TenantMove.merchant_id == merchant_id)
    row = session.scalars(statement.order_by(TenantMove.started_at.desc()).limit(1)).first()
    return None if row is None else _move(row)


def _move(row: TenantMove) -> Move:
    return Move(**{field.name: getattr(row, field.name) for field in fields(Move)})
