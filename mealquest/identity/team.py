"""The owner's hand over the team: invite, give another role, name or phone, let go."""

from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core.db import transaction
from mealquest.core.errors import Forbidden, Invalid
from mealquest.core.principal import Principal, Role
from mealquest.identity import invitations, phones, team_queries
from mealquest.identity.domain import Owner, digits_of, keeps_an_owner, last4_of, masked
from mealquest.identity.errors import ConfirmNeeded, LastOwner, StaffNotFound
from mealquest.identity.forms import ChangeStaffForm, InviteForm, RemoveStaffForm
from mealquest.identity.models import Staff
from mealquest.identity.replies import PersonView, StaffListView, StaffRemovedView, StaffView
from mealquest.identity.sessions import end_everything, session_view
from mealquest.identity.staff import add_staff, bind_phone, remove_staff, unbind_phone
from mealquest.identity.team_queries import Member

INVITE, ROLE_SET, DETAILS_SET, REMOVE = (
    "STAFF_INVITE",
    "STAFF_ROLE_SET",
    "STAFF_DETAILS_SET",
    "STAFF_REMOVE",
)
_RANK = {Role.OWNER: 0, Role.MANAGER: 1, Role.CLERK: 2}


def team(merchant_id: str) -> StaffListView:
    """Everybody who works there, owners first."""
    with transaction(merchant_id) as session:
        members = team_queries.team(session, merchant_id)
    members.sort(key=lambda one: (_RANK[one.role], one.name, one.id))
    items = [_view(merchant_id, one) for one in members]
    return StaffListView(merchant_id=merchant_id, items=items)


def team_member(merchant_id: str, staff_id: str, by: Principal) -> PersonView:
    """Somebody of the team and where they are signed in. StaffNotFound."""
    with transaction(merchant_id) as session:
        view = _read(session, merchant_id, staff_id)
        rows = team_queries.live_sessions(session, merchant_id, staff_id)
    signed_in = [session_view(row, by) for row in rows]
    return PersonView(**dict(view), signed_in=signed_in, is_self=staff_id == by.subject)


def invite(merchant_id: str, form: InviteForm, by: Principal) -> StaffView:
    """Add somebody to the team and tell them by SMS where to sign in.

    Raises:
        StaffPhoneTaken: the phone belongs to somebody of this merchant's staff.
        Forbidden: the caller is no owner any more.
    """
    with transaction(merchant_id) as session:
        _lock(session, merchant_id, by)
        staff_id = add_staff(session, merchant_id, role=form.role, name=form.name, phone=form.phone)
        invitations.send(session, merchant_id, form.phone)
        audit.record(
            session, merchant_id, INVITE, by, {"staffId": staff_id, "role": form.role.value}
        )
        return _read(session, merchant_id, staff_id)


def change_staff(merchant_id: str, form: ChangeStaffForm, by: Principal) -> StaffView:
    """Give somebody another role, name or phone; what is already so changes nothing.

    Another role ends all tokens and sign-ins of the person, and so does another phone that the
    owner gives to somebody else.

    Raises:
        StaffNotFound, StaffPhoneTaken, LastOwner, Forbidden (the caller is no owner any more).
        ConfirmNeeded: it is the caller's own role or phone, and `confirm` is not set.
        Invalid: nothing is named that should change.
    """
    if not (form.role or form.name or form.phone):
        raise Invalid("role, name or phone is required")
    with transaction(merchant_id) as session:
        staff = _lock(session, merchant_id, by, form.staff_id)
        person = _of(staff, form.staff_id)
        if form.role and form.role is not person.role:
            _set_role(session, staff, person, form, by)
        changed = _set_name(person, form) + _set_phone(session, person, form, by)
        if changed:
            details = {"staffId": person.id, "changed": changed}
            audit.record(session, merchant_id, DETAILS_SET, by, details)
        session.flush()
        return _read(session, merchant_id, person.id)


def let_go(merchant_id: str, form: RemoveStaffForm, by: Principal) -> StaffRemovedView:
    """Remove somebody from the team: tokens and sign-ins end at once, the phone is free.

    Raises StaffNotFound, LastOwner, Forbidden; ConfirmNeeded when the caller leaves.
    """
    with transaction(merchant_id) as session:
        staff = _lock(session, merchant_id, by, form.staff_id)
        person = _of(staff, form.staff_id)
        _require_other_owner(staff, person, by)
        if person.id == by.subject and not form.confirm:
            raise ConfirmNeeded("removing yourself needs confirm")
        remove_staff(session, merchant_id, person.id)
        details = {"staffId": person.id, "role": person.role.value}
        audit.record(session, merchant_id, REMOVE, by, details)
    return StaffRemovedView(staff_id=person.id)


def _lock(session: Session, merchant_id: str, by: Principal, *others: str) -> dict[str, Staff]:
    """The owners and the others, locked. Forbidden: meanwhile the caller is no owner any more."""
    staff = team_queries.lock_owners(session, merchant_id, *others)
    if by.subject not in staff or staff[by.subject].role is not Role.OWNER:
        raise Forbidden("permission denied")
    return staff


def _of(staff: dict[str, Staff], staff_id: str) -> Staff:
    if staff_id not in staff:
        raise StaffNotFound
    return staff[staff_id]


def _require_other_owner(staff: dict[str, Staff], person: Staff, by: Principal) -> None:
    owners = [
        Owner(one.id, can_sign_in=one.phone is not None)
        for one in staff.values()
        if one.role is Role.OWNER
    ]
    if person.role is Role.OWNER and not keeps_an_owner(owners, person.id, acting=by.subject):
        raise LastOwner


def _set_role(
    session: Session,
    staff: dict[str, Staff],
    person: Staff,
    form: ChangeStaffForm,
    by: Principal,
) -> None:
    role = form.role or person.role
    _require_other_owner(staff, person, by)
    if person.id == by.subject and not form.confirm:
        raise ConfirmNeeded("changing your own role needs confirm")
    details = {"staffId": person.id, "role": role.value, "previousRole": person.role.value}
    person.role = role
    end_everything(session, person.merchant_id, person.id)
    audit.record(session, person.merchant_id, ROLE_SET, by, details)


def _set_name(person: Staff, form: ChangeStaffForm) -> list[str]:
    if form.name is None or form.name == person.name:
        return []
    person.name = form.name
    return ["name"]


def _set_phone(session: Session, person: Staff, form: ChangeStaffForm, by: Principal) -> list[str]:
    """Bind another phone and tell it. What signed in by the old one is not trusted any more."""
    merchant_id, old = person.merchant_id, _phone(person.merchant_id, person.phone)
    if form.phone is None or (old and digits_of(old) == digits_of(form.phone)):
        return []
    if person.id == by.subject and not form.confirm:
        raise ConfirmNeeded("changing your own phone needs confirm")
    unbind_phone(session, merchant_id, person.id)
    bind_phone(session, merchant_id, person.id, form.phone)
    person.phone = phones.sealed_staff_phone(merchant_id, form.phone)
    if old and person.id != by.subject:
        end_everything(session, merchant_id, person.id)
    invitations.send(session, merchant_id, form.phone)
    return ["phone"]


def _read(session: Session, merchant_id: str, staff_id: str) -> StaffView:
    found = team_queries.member(session, merchant_id, staff_id)
    if found is None:
        raise StaffNotFound
    return _view(merchant_id, found)


def _view(merchant_id: str, member: Member) -> StaffView:
    phone = _phone(merchant_id, member.phone)
    return StaffView(
        staff_id=member.id,
        role=member.role,
        name=member.name,
        phone_masked=masked(last4_of(phone)) if phone else None,
        created_at=member.created_at,
        last_seen_at=member.last_seen_at,
        sessions=member.sessions,
    )


def _phone(merchant_id: str, sealed: str | None) -> str | None:
    return phones.opened_staff_phone(merchant_id, sealed) if sealed else None
