"""Rows of the strategist, each statement within one merchant."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Select, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core.paging import Keyset
from mealquest.strategy.domain import (
    LIVE,
    MOST_LISTED,
    ConfigStatus,
    ProposalStatus,
    TurnState,
)
from mealquest.strategy.models import (
    ProposalRow,
    StrategyConfig,
    StrategyMessage,
    StrategySession,
    StrategyTurn,
)

Query = TypeVar("Query", bound=Select[Any])


def _locked(found: Query) -> Query:
    """With the rows' locks, and as the rows are then: what was read before them is read again."""
    return found.with_for_update().execution_options(populate_existing=True)


# --- proposals --------------------------------------------------------------------------------


def proposal(
    session: Session, merchant_id: str, proposal_id: str, *, lock: bool = False
) -> ProposalRow | None:
    found = select(ProposalRow).where(
        ProposalRow.merchant_id == merchant_id, ProposalRow.id == proposal_id
    )
    return session.scalars(_locked(found) if lock else found).one_or_none()


def all_proposals(session: Session, merchant_id: str) -> Sequence[ProposalRow]:
    """Every proposal, as they were made."""
    found = select(ProposalRow).where(ProposalRow.merchant_id == merchant_id)
    return session.scalars(found.order_by(ProposalRow.created_at, ProposalRow.id)).all()


@dataclass(frozen=True, slots=True)
class Wanted:
    status: ProposalStatus | None = None
    template_id: str | None = None


def page(
    session: Session, merchant_id: str, wanted: Wanted, after: Keyset | None, limit: int
) -> Sequence[ProposalRow]:
    """Newest first, behind the place of `after`."""
    place = tuple_(ProposalRow.created_at, ProposalRow.id)
    found = select(ProposalRow).where(ProposalRow.merchant_id == merchant_id)
    if wanted.status:
        found = found.where(ProposalRow.status == wanted.status)
    if wanted.template_id:
        found = found.where(ProposalRow.template_id == wanted.template_id)
    if after:
        found = found.where(place < (after.moment, after.id))
    ordered = found.order_by(ProposalRow.created_at.desc(), ProposalRow.id.desc())
    return session.scalars(ordered.limit(limit)).all()


def decided(
    session: Session, merchant_id: str, status: ProposalStatus, limit: int = MOST_LISTED
) -> Sequence[ProposalRow]:
    """The last that were decided so, oldest first."""
    found = select(ProposalRow).where(
        ProposalRow.merchant_id == merchant_id, ProposalRow.status == status
    )
    newest = found.order_by(ProposalRow.decided_at.desc(), ProposalRow.id.desc()).limit(limit)
    return session.scalars(newest).all()[::-1]


def pending_of(session: Session, merchant_id: str, session_id: str) -> ProposalRow | None:
    """What the session waits for the owner with."""
    return session.scalars(
        select(ProposalRow).where(
            ProposalRow.merchant_id == merchant_id,
            ProposalRow.session_id == session_id,
            ProposalRow.status == ProposalStatus.PENDING,
        )
    ).one_or_none()


# --- configurations ---------------------------------------------------------------------------


def configs(session: Session, merchant_id: str) -> Sequence[StrategyConfig]:
    found = select(StrategyConfig).where(StrategyConfig.merchant_id == merchant_id)
    return session.scalars(found.order_by(StrategyConfig.template_id)).all()


def set_config(
    session: Session, row: ProposalRow, status: ConfigStatus, campaign_id: str | None = None
) -> None:
    """Note what became of a template; the last campaign stays known until there is another."""
    values = {
        "branch_id": row.branch_id,
        "status": status,
        "last_proposal_id": row.id,
        "updated_at": func.now(),
    }
    if campaign_id:
        values["last_campaign_id"] = campaign_id
    session.execute(
        insert(StrategyConfig)
        .values(merchant_id=row.merchant_id, template_id=row.template_id, **values)
        .on_conflict_do_update(index_elements=["merchant_id", "template_id"], set_=values)
    )


def leave_config(session: Session, row: ProposalRow, template_id: str) -> None:
    """Note that a proposal which used this template stands on another one by now."""
    session.execute(
        update(StrategyConfig)
        .where(
            StrategyConfig.merchant_id == row.merchant_id,
            StrategyConfig.template_id == template_id,
            StrategyConfig.last_proposal_id == row.id,
        )
        .values(status=ConfigStatus.DRAFT, updated_at=func.now())
    )


# --- sessions and messages --------------------------------------------------------------------


def open_session(
    session: Session, merchant_id: str, *, lock: bool = False
) -> StrategySession | None:
    found = select(StrategySession).where(
        StrategySession.merchant_id == merchant_id, StrategySession.ended_at.is_(None)
    )
    return session.scalars(_locked(found) if lock else found).one_or_none()


def end_sessions(session: Session, merchant_id: str) -> None:
    session.execute(
        update(StrategySession)
        .where(StrategySession.merchant_id == merchant_id, StrategySession.ended_at.is_(None))
        .values(ended_at=func.now())
    )


def messages(
    session: Session, merchant_id: str, session_id: str, *, before: int | None, limit: int
) -> Sequence[StrategyMessage]:
    """The newest before a number, oldest first."""
    found = select(StrategyMessage).where(
        StrategyMessage.merchant_id == merchant_id, StrategyMessage.session_id == session_id
    )
    if before is not None:
        found = found.where(StrategyMessage.seq < before)
    return session.scalars(found.order_by(StrategyMessage.seq.desc()).limit(limit)).all()[::-1]


def drop_messages(session: Session, merchant_id: str, session_id: str, *, up_to: int) -> None:
    session.execute(
        delete(StrategyMessage).where(
            StrategyMessage.merchant_id == merchant_id,
            StrategyMessage.session_id == session_id,
            StrategyMessage.seq <= up_to,
        )
    )


# --- turns ------------------------------------------------------------------------------------


def turn(
    session: Session, merchant_id: str, turn_id: str, *, lock: bool = False
) -> StrategyTurn | None:
    found = select(StrategyTurn).where(
        StrategyTurn.merchant_id == merchant_id, StrategyTurn.id == turn_id
    )
    return session.scalars(_locked(found) if lock else found).one_or_none()


def turn_of_proposal(session: Session, merchant_id: str, proposal_id: str) -> StrategyTurn | None:
    """The turn that brought a proposal."""
    return session.scalars(
        select(StrategyTurn).where(
            StrategyTurn.merchant_id == merchant_id, StrategyTurn.proposal_id == proposal_id
        )
    ).first()


def live_turn(session: Session, merchant_id: str, session_id: str) -> StrategyTurn | None:
    return session.scalars(
        select(StrategyTurn).where(
            StrategyTurn.merchant_id == merchant_id,
            StrategyTurn.session_id == session_id,
            StrategyTurn.state.in_(LIVE),
        )
    ).one_or_none()


def last_turn(session: Session, merchant_id: str, session_id: str) -> StrategyTurn | None:
    found = select(StrategyTurn).where(
        StrategyTurn.merchant_id == merchant_id,
        StrategyTurn.session_id == session_id,
        StrategyTurn.state == TurnState.DONE,
    )
    return session.scalars(found.order_by(StrategyTurn.first_seq.desc()).limit(1)).one_or_none()
