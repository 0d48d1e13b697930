"""Statements on exports, inside the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.orm import Session

from mealquest.core.paging import Keyset
from mealquest.privacy.domain import LEASE, MAX_ATTEMPTS, UNFINISHED, ExportState
from mealquest.privacy.models import PrivacyExport, PrivacyExportChunk


def one(session: Session, merchant_id: str, export_id: str) -> PrivacyExport | None:
    """Also one whose days are over counts as gone."""
    return session.scalar(
        select(PrivacyExport).where(
            PrivacyExport.merchant_id == merchant_id,
            PrivacyExport.id == export_id,
            PrivacyExport.expires_at > func.now(),
        )
    )


def page(
    session: Session, merchant_id: str, user_id: str | None, after: Keyset | None, limit: int
) -> Sequence[PrivacyExport]:
    wanted = select(PrivacyExport).where(
        PrivacyExport.merchant_id == merchant_id, PrivacyExport.expires_at > func.now()
    )
    if user_id:
        wanted = wanted.where(PrivacyExport.customer_id == user_id)
    place = tuple_(PrivacyExport.created_at, PrivacyExport.id)
    if after:
        wanted = wanted.where(place < (after.moment, after.id))
    newest = (PrivacyExport.created_at.desc(), PrivacyExport.id.desc())
    return session.scalars(wanted.order_by(*newest).limit(limit)).all()


def due(session: Session) -> tuple[str, str] | None:
    """Merchant and id of an export that nobody works on; needs a session that crosses merchants."""
    row = session.execute(
        select(PrivacyExport.merchant_id, PrivacyExport.id)
        .where(PrivacyExport.state.in_(UNFINISHED), PrivacyExport.run_at <= func.now())
        .order_by(PrivacyExport.run_at)
        .limit(1)
    ).first()
    return (row[0], row[1]) if row else None


def claim(session: Session, merchant_id: str, export_id: str) -> PrivacyExport | None:
    """Take a due export for this worker; None: somebody else has it, or it is given up by this."""
    row = session.scalar(
        update(PrivacyExport)
        .where(
            PrivacyExport.merchant_id == merchant_id,
            PrivacyExport.id == export_id,
            PrivacyExport.state.in_(UNFINISHED),
            PrivacyExport.run_at <= func.now(),
        )
        .values(
            state=ExportState.RUNNING,
            attempts=PrivacyExport.attempts + 1,
            run_at=func.now() + LEASE,
        )
        .returning(PrivacyExport)
    )
    if row is not None and row.attempts > MAX_ATTEMPTS:
        row.state = ExportState.FAILED
        _drop_chunks(session, merchant_id, [export_id])
        return None
    return row


def get_on(
    session: Session, before: PrivacyExport, *, step: int, after: list[Any] | None, rows: int
) -> bool:
    """Note how far an export is. False: somebody else got on with it, or it is gone."""
    moved = session.scalar(
        update(PrivacyExport)
        .where(
            PrivacyExport.merchant_id == before.merchant_id,
            PrivacyExport.id == before.id,
            PrivacyExport.state == ExportState.RUNNING,
            PrivacyExport.step == before.step,
            PrivacyExport.rows_done == before.rows_done,
        )
        .values(
            step=step,
            after=after,
            rows_done=PrivacyExport.rows_done + rows,
            attempts=0,
            run_at=func.now() + LEASE,
        )
        .returning(PrivacyExport.id)
        .execution_options(synchronize_session=False)
    )
    return moved is not None


def add_chunk(
    session: Session, merchant_id: str, export_id: str, entry: str, sealed: bytes
) -> None:
    mine = (
        PrivacyExportChunk.merchant_id == merchant_id,
        PrivacyExportChunk.export_id == export_id,
        PrivacyExportChunk.entry == entry,
    )
    last = session.scalar(select(func.max(PrivacyExportChunk.seq)).where(*mine))
    session.add(
        PrivacyExportChunk(
            merchant_id=merchant_id,
            export_id=export_id,
            entry=entry,
            seq=0 if last is None else last + 1,
            sealed=sealed,
        )
    )
    session.flush()


def finish(session: Session, merchant_id: str, export_id: str) -> None:
    session.execute(
        update(PrivacyExport)
        .where(PrivacyExport.merchant_id == merchant_id, PrivacyExport.id == export_id)
        .values(state=ExportState.READY, ready_at=func.now())
        .execution_options(synchronize_session=False)
    )


def put_back(session: Session, merchant_id: str, export_id: str) -> None:
    """Let the next worker take it at once."""
    session.execute(
        update(PrivacyExport)
        .where(PrivacyExport.merchant_id == merchant_id, PrivacyExport.id == export_id)
        .values(run_at=func.now())
        .execution_options(synchronize_session=False)
    )


def chunk_after(
    session: Session, merchant_id: str, export_id: str, place: tuple[str, int]
) -> PrivacyExportChunk | None:
    """The next piece of the files, in the order of their names."""
    chunk = PrivacyExportChunk
    return session.scalar(
        select(chunk)
        .where(
            chunk.merchant_id == merchant_id,
            chunk.export_id == export_id,
            tuple_(chunk.entry, chunk.seq) > place,
        )
        .order_by(chunk.entry, chunk.seq)
        .limit(1)
    )


def forget_customer(session: Session, merchant_id: str, customer_id: str) -> None:
    """Every export of a customer."""
    ids = session.scalars(
        select(PrivacyExport.id)
        .where(PrivacyExport.merchant_id == merchant_id, PrivacyExport.customer_id == customer_id)
        .with_for_update()
    ).all()
    _drop(session, merchant_id, ids)


def expired(session: Session, limit: int) -> list[tuple[str, str]]:
    """Merchant and id of exports past their days; needs a session that crosses merchants."""
    rows = session.execute(
        select(PrivacyExport.merchant_id, PrivacyExport.id)
        .where(PrivacyExport.expires_at <= func.now())
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def drop(session: Session, merchant_id: str, export_id: str) -> None:
    _drop(session, merchant_id, [export_id])


def _drop(session: Session, merchant_id: str, ids: Sequence[str]) -> None:
    _drop_chunks(session, merchant_id, ids)
    session.execute(
        delete(PrivacyExport)
        .where(PrivacyExport.merchant_id == merchant_id, PrivacyExport.id.in_(ids))
        .execution_options(synchronize_session=False)
    )


def _drop_chunks(session: Session, merchant_id: str, ids: Sequence[str]) -> None:
    session.execute(
        delete(PrivacyExportChunk)
        .where(PrivacyExportChunk.merchant_id == merchant_id, PrivacyExportChunk.export_id.in_(ids))
        .execution_options(synchronize_session=False)
    )


def moment(session: Session) -> datetime:
    """The database's time."""
    now: datetime = session.execute(select(func.now())).scalar_one()
    return now
