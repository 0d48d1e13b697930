"""Sign-ins of staff: each is a row, seen from anywhere and ended from anywhere.

A token names the row it comes from (`sid`). Ending the row ends that token and the console's
cookie that holds it; the epoch of the person ends all of them, also tokens minted elsewhere.
"""

from datetime import timedelta

from sqlalchemy import delete, func, select, text, tuple_, update
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core.db import platform_transaction, transaction
from mealquest.core.errors import Forbidden
from mealquest.core.ids import new_id
from mealquest.core.principal import Principal, Role
from mealquest.core.principal import Session as SignIn
from mealquest.identity import queries, team_queries, tokens
from mealquest.identity.domain import SEEN_EVERY, TOKEN_LIFE, device_of
from mealquest.identity.errors import SessionNotFound, StaffNotFound
from mealquest.identity.forms import EndSessionForm
from mealquest.identity.models import Staff, StaffSession
from mealquest.identity.queries import Person
from mealquest.identity.replies import SessionEndedView, SessionsView, SessionView

ENDED = "STAFF_SESSION_END"
KEPT = timedelta(days=30)
# Tokens of other issuers are dated in whole seconds: the next second is the first to trust.
FROM_NEXT_SECOND = func.date_trunc("second", func.now()) + text("interval '1 second'")


def open_session(
    session: Session, merchant_id: str, person: Person, user_agent: str
) -> tuple[Principal, str]:
    """Write down that somebody signed in; who they are now, and the token of this sign-in."""
    row = StaffSession(
        merchant_id=merchant_id,
        id=new_id("ses"),
        staff_id=person.id,
        device=device_of(user_agent),
    )
    session.add(row)
    principal = Principal(person.role, person.id, merchant_id, person.name, SignIn(row.id))
    return principal, tokens.mint(principal, person.validity.epoch)


def start_session(merchant_id: str, staff_id: str, user_agent: str) -> str:
    """The token of a new sign-in of somebody who has proved otherwise who they are."""
    with transaction(merchant_id) as session:
        person = queries.staff(session, merchant_id, staff_id, stays=True)
        if person is None:
            raise StaffNotFound
        return open_session(session, merchant_id, person, user_agent)[1]


def mark_seen(session: Session, principal: Principal) -> None:
    """Note that the session is in use. Waits for nobody: who holds the row notes the same."""
    if principal.session is None or principal.merchant_id is None:
        return
    free = (
        select(StaffSession.merchant_id, StaffSession.id)
        .where(
            StaffSession.merchant_id == principal.merchant_id,
            StaffSession.id == principal.session.id,
            StaffSession.last_seen_at < func.now() - SEEN_EVERY,
        )
        .with_for_update(skip_locked=True)
    )
    session.execute(
        update(StaffSession)
        .where(tuple_(StaffSession.merchant_id, StaffSession.id).in_(free))
        .values(last_seen_at=func.now())
        .execution_options(synchronize_session=False)
    )


def sessions_of(merchant_id: str, staff_id: str, by: Principal) -> SessionsView:
    """Where somebody is signed in at the moment: one's own for everybody, anybody's for the owner.

    Forbidden: the caller is neither. StaffNotFound: there is no such person.
    """
    _require_own_or_owner(staff_id, by)
    with transaction(merchant_id) as session:
        if queries.staff(session, merchant_id, staff_id) is None:
            raise StaffNotFound
        rows = team_queries.live_sessions(session, merchant_id, staff_id)
    items = [session_view(row, by) for row in rows]
    return SessionsView(merchant_id=merchant_id, staff_id=staff_id, items=items)


def end_session(merchant_id: str, form: EndSessionForm, by: Principal) -> SessionEndedView:
    """End one sign-in, one's own or, for the owner, anybody's. A session that is over is not found.

    Raises Forbidden, SessionNotFound.
    """
    _require_own_or_owner(form.staff_id, by)
    with transaction(merchant_id) as session:
        ended = session.scalar(
            update(StaffSession)
            .where(
                StaffSession.merchant_id == merchant_id,
                StaffSession.staff_id == form.staff_id,
                StaffSession.id == form.session_id,
                StaffSession.ended_at.is_(None),
            )
            .values(ended_at=func.now())
            .returning(StaffSession.id)
        )
        if ended is None:
            raise SessionNotFound
        details = {"staffId": form.staff_id, "sessionId": ended}
        audit.record(session, merchant_id, ENDED, by, details)
    return SessionEndedView(staff_id=form.staff_id, session_id=ended)


def end_everything(session: Session, merchant_id: str, staff_id: str) -> None:
    """End every token of somebody at once, whoever minted it, and every sign-in."""
    session.execute(
        update(Staff)
        .where(Staff.merchant_id == merchant_id, Staff.id == staff_id)
        .values(token_epoch=Staff.token_epoch + 1, tokens_valid_after=FROM_NEXT_SECOND)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(StaffSession)
        .where(
            StaffSession.merchant_id == merchant_id,
            StaffSession.staff_id == staff_id,
            StaffSession.ended_at.is_(None),
        )
        .values(ended_at=func.now())
        .execution_options(synchronize_session=False)
    )


def purge_sessions(limit: int = 10_000) -> int:
    """Forget sign-ins of a month ago, which are long over; returns how many."""
    with platform_transaction("sign-ins at every merchant grow old together") as session:
        old = (
            select(StaffSession.merchant_id, StaffSession.id)
            .where(StaffSession.created_at < func.now() - KEPT)
            .limit(limit)
        )
        gone = session.execute(
            delete(StaffSession)
            .where(tuple_(StaffSession.merchant_id, StaffSession.id).in_(old))
            .returning(StaffSession.id)
            .execution_options(synchronize_session=False)
        )
        return len(gone.all())


def session_view(row: StaffSession, by: Principal) -> SessionView:
    return SessionView(
        session_id=row.id,
        device=row.device,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        expires_at=row.created_at + TOKEN_LIFE,
        current=by.session is not None and by.session.id == row.id,
    )


def _require_own_or_owner(staff_id: str, by: Principal) -> None:
    if by.role is not Role.OWNER and by.subject != staff_id:
        raise Forbidden("permission denied")
