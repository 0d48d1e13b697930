"""Sign-ins of staff, asked of the services."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from mealquest.audit.models import AuditRow
from mealquest.core.db import transaction
from mealquest.core.errors import Forbidden, Unauthenticated
from mealquest.core.principal import Principal, Role
from mealquest.core.principal import Session as SignIn
from mealquest.identity import service as identity
from mealquest.identity.domain import device_of
from mealquest.identity.errors import SessionNotFound, StaffNotFound
from mealquest.identity.forms import EndSessionForm, SignInForm
from mealquest.identity.models import StaffSession
from tests.factories.http import minted
from tests.factories.statements import watching
from tests.factories.threads import run_together
from tests.identity.steps import PHONE, code_for, hire, open_shop, sign_in

CLERK_PHONE = "+8613911110002"
OWNER = Principal(Role.OWNER, "staff_owner", "m_a", "Chen")
CLERK = Principal(Role.CLERK, "staff_clerk", "m_a", "Lin")
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1"
)


@pytest.fixture
def clerk(shop) -> str:
    return hire(shop, Role.CLERK, staff_id="staff_clerk", name="Lin", phone=CLERK_PHONE)


def arrive(phone: str = PHONE, user_agent: str = IPHONE) -> str:
    form = SignInForm(phone=phone, code=code_for(phone))
    return identity.sign_in(form, user_agent).token


def enter(token: str) -> Principal:
    claims = identity.read_token(token)
    with transaction(claims.merchant_id) as session:
        return identity.principal_of(session, claims)


def is_dead(token: str) -> bool:
    try:
        enter(token)
    except Unauthenticated:
        return True
    return False


def session_of(token: str) -> str:
    session_id = identity.read_token(token).session_id
    assert session_id
    return session_id


def end(token: str, by: Principal, staff_id: str) -> None:
    form = EndSessionForm(staff_id=staff_id, session_id=session_of(token))
    identity.end_session(by.merchant_id, form, by)


def rows() -> list[StaffSession]:
    with transaction("m_a") as session:
        return list(session.scalars(select(StaffSession).order_by(StaffSession.id)))


def grow_old(**columns) -> None:
    with transaction("m_a") as session:
        values = {name: getattr(StaffSession, name) - delta for name, delta in columns.items()}
        session.execute(update(StaffSession).values(values))


# --- a sign-in is a row -------------------------------------------------------------------


def test_a_sign_in_writes_a_row_that_its_token_names(shop):
    token = arrive()

    (row,) = rows()
    assert (row.id, row.staff_id, row.device) == (
        session_of(token),
        "staff_owner",
        "Safari, iPhone",
    )
    assert row.ended_at is None
    assert enter(token).session == SignIn(row.id)


def test_a_refused_sign_in_writes_none(shop):
    code = code_for()
    with pytest.raises(Exception, match="code mismatch"):
        sign_in("100000" if code != "100000" else "100001")
    assert rows() == []


def test_an_applicant_has_no_session(app):
    token = sign_in(code_for(CLERK_PHONE), CLERK_PHONE).token
    assert identity.read_token(token).session_id is None


def test_a_token_with_a_session_is_proved_by_one_statement_too(shop):
    claims = identity.read_token(arrive())
    with transaction("m_a") as session, watching() as seen:
        identity.principal_of(session, claims)
    assert len(seen.statements) == 1


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (IPHONE, "Safari, iPhone"),
        (
            "Mozilla/5.0 (Linux; Android 15; K) AppleWebKit/537.36 (KHTML, like Gecko)"
            " Chrome/142.0.0.0 Mobile Safari/537.36",
            "Chrome, Android",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/130.0 Mobile"
            " Safari/537.36 MicroMessenger/8.0.50",
            "WeChat, Android",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
            " Chrome/142.0 Safari/537.36 Edg/142.0",
            "Edge, Windows",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:144.0) Gecko/20100101 Firefox/144.0",
            "Firefox, Mac",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64) Something", "Linux"),
        ("okhttp/5.1.0", "okhttp"),
        ("python-httpx/0.28", "python-httpx"),
        ("Mozilla/5.0", ""),
        ("", ""),
        ("<script>alert(1)</script>", ""),
        ("x" * 500, "x" * 40),
    ],
)
def test_a_device_is_told_by_families_only(user_agent, device):
    assert device_of(user_agent) == device


# --- a session ends -----------------------------------------------------------------------


def test_the_token_of_an_ended_session_dies_while_the_others_live(shop):
    lost, kept = arrive(), arrive()
    elsewhere = minted(merchantId="m_a", operatorId="staff_owner")

    end(lost, OWNER, "staff_owner")

    with pytest.raises(Unauthenticated, match=r"^invalid token$"):
        enter(lost)
    assert enter(kept).subject == enter(elsewhere).subject == "staff_owner"
    assert enter(elsewhere).session is None


def test_a_session_counts_for_the_person_it_belongs_to_only(shop, clerk):
    """Who can mint tokens cannot borrow the session of a colleague, nor make one up."""
    open_shop("m_b")
    hire("m_b", staff_id="staff_owner", phone="+8613911118888")
    theirs = sign_in(code_for("+8613911118888"), "+8613911118888").token
    colleague = arrive(CLERK_PHONE)
    for session_id in (session_of(theirs), session_of(colleague), "ses_made_up"):
        assert is_dead(minted(merchantId="m_a", operatorId="staff_owner", sid=session_id))
    assert not is_dead(minted(merchantId="m_a", operatorId="staff_owner", sid=session_of(arrive())))


@pytest.mark.parametrize("sid", ["", 7, ["ses"], True, "ses\x00"])
def test_a_session_that_is_no_text_is_no_session(shop, sid):
    with pytest.raises(Unauthenticated, match=r"^invalid token$"):
        identity.read_token(minted(merchantId="m_a", operatorId="staff_owner", sid=sid))


def test_signing_out_ends_all_sessions(shop, clerk):
    tokens, colleague = [arrive(), arrive()], arrive(CLERK_PHONE)

    identity.sign_out(enter(tokens[0]))

    assert all(is_dead(token) for token in tokens)
    assert identity.sessions_of("m_a", "staff_owner", OWNER).items == []
    assert not is_dead(colleague)


def test_an_ended_session_is_not_found_again(shop):
    token = arrive()
    end(token, OWNER, "staff_owner")
    (ended_at,) = (row.ended_at for row in rows())
    with pytest.raises(SessionNotFound):
        end(token, OWNER, "staff_owner")
    assert [row.ended_at for row in rows()] == [ended_at]


def test_the_end_of_a_session_is_audited(shop, clerk):
    token = arrive(CLERK_PHONE)
    end(token, OWNER, "staff_clerk")
    with transaction("m_a") as session:
        row = session.scalars(select(AuditRow).where(AuditRow.action == "STAFF_SESSION_END")).one()
    assert row.operator_id == "staff_owner"
    assert row.details == {"staffId": "staff_clerk", "sessionId": session_of(token)}


# --- who may see and end ------------------------------------------------------------------


def test_everybody_sees_their_own_sessions_newest_first_and_knows_this_one(shop, clerk):
    tokens = [arrive(CLERK_PHONE, "okhttp/5"), arrive(CLERK_PHONE)]
    arrive()

    items = identity.sessions_of("m_a", "staff_clerk", enter(tokens[0])).items

    assert [(one.session_id, one.device, one.current) for one in items] == [
        (session_of(tokens[1]), "Safari, iPhone", False),
        (session_of(tokens[0]), "okhttp", True),
    ]
    assert items[0].expires_at - items[0].created_at == timedelta(hours=12)


def test_only_the_owner_sees_and_ends_those_of_others(shop, clerk):
    owners = arrive()
    hire(shop, Role.MANAGER, staff_id="staff_manager", phone=None)
    manager = Principal(Role.MANAGER, "staff_manager", "m_a")
    for by in (CLERK, manager):
        with pytest.raises(Forbidden):
            identity.sessions_of("m_a", "staff_owner", by)
        with pytest.raises(Forbidden):
            end(owners, by, "staff_owner")
    assert not is_dead(owners)

    clerks = arrive(CLERK_PHONE)
    assert len(identity.sessions_of("m_a", "staff_clerk", OWNER).items) == 1
    end(clerks, OWNER, "staff_clerk")
    assert is_dead(clerks)


def test_a_session_is_not_ended_under_the_name_of_another_person(shop, clerk):
    """Otherwise a clerk could end the owner's session by calling it their own."""
    owners = arrive()
    with pytest.raises(SessionNotFound):
        end(owners, CLERK, "staff_clerk")
    assert not is_dead(owners)


def test_the_owner_of_another_shop_sees_and_ends_nothing(shop, clerk):
    token = arrive(CLERK_PHONE)
    open_shop("m_b")
    hire("m_b", staff_id="staff_theirs", phone=None)
    theirs = Principal(Role.OWNER, "staff_theirs", "m_b")
    with pytest.raises(StaffNotFound):
        identity.sessions_of("m_b", "staff_clerk", theirs)
    with pytest.raises(SessionNotFound):
        end(token, theirs, "staff_clerk")
    assert not is_dead(token)


def test_a_session_whose_tokens_have_expired_is_not_shown(shop):
    arrive()
    grow_old(created_at=timedelta(hours=12))
    assert identity.sessions_of("m_a", "staff_owner", OWNER).items == []


# --- last seen ----------------------------------------------------------------------------


def mark(token: str) -> None:
    claims = identity.read_token(token)
    with transaction("m_a") as session:
        identity.mark_seen(session, identity.principal_of(session, claims))


def age() -> timedelta:
    with transaction("m_a") as session:
        return session.scalars(select(func.now() - StaffSession.last_seen_at)).one()


def test_a_session_is_stale_after_five_minutes_and_fresh_when_seen(shop):
    token = arrive()
    grow_old(last_seen_at=timedelta(minutes=4))
    assert not enter(token).session.is_stale
    mark(token)
    assert age() >= timedelta(minutes=4)

    grow_old(last_seen_at=timedelta(minutes=2))
    assert enter(token).session.is_stale
    mark(token)
    assert age() < timedelta(minutes=1)
    assert not enter(token).session.is_stale


def test_noting_it_waits_for_nobody(shop, app):
    token = arrive()
    grow_old(last_seen_at=timedelta(hours=1))
    with transaction("m_a") as session:
        session.scalars(select(StaffSession).with_for_update()).one()
        assert run_together(app, [lambda: mark(token)]) == [None]
    assert age() > timedelta(minutes=59)


# --- housekeeping -------------------------------------------------------------------------


def test_sessions_are_forgotten_after_a_month(shop):
    arrive()
    grow_old(created_at=timedelta(days=29))
    assert identity.purge_sessions() == 0
    grow_old(created_at=timedelta(days=2))
    arrive()
    assert identity.purge_sessions() == 1
    assert len(rows()) == 1
    assert identity.purge_sessions() == 0
