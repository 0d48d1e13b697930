"""The team and its sign-ins: who works here, in what role, and where they are signed in."""

from flask import url_for

from mealquest.core.principal import MANAGEMENT, MERCHANT, Principal, Role
from mealquest.core.wire import Input, NoInput
from mealquest.identity import service
from mealquest.identity.forms import (
    ChangeStaffForm,
    EndSessionForm,
    InviteForm,
    RemoveStaffForm,
    StaffForm,
)
from mealquest.identity.replies import (
    PersonView,
    SessionEndedView,
    SessionsView,
    StaffListView,
    StaffRemovedView,
    StaffView,
)
from mealquest.tenancy.service import Operation
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import name_of, principal
from mealquest.web.look import translate as _
from mealquest.web.throttle import Throttle

feature = Feature("staff")
OWNER = frozenset({Role.OWNER})
SESSION_END = "STAFF_SESSION_END"


def _shop(form: Input) -> str:
    who = principal()
    return (who.merchant_id if who else None) or ""


# An invitation is an SMS to whatever phone was typed.
CHANGES = Throttle("staff-changes", ("60/hour",), _shop)


@feature.word
def staff_name(view: StaffView) -> str:
    return name_of(Principal(view.role, view.staff_id, name=view.name))


@feature.get(
    api="/api/staff",
    page="/console/staff",
    roles=MANAGEMENT,
    scope=Scope.QUERY,
    template="identity/staff",
)
def staff(call: Call, form: NoInput) -> StaffListView:
    """Everybody who works here, owners first."""
    return service.team(call.merchant_id)


@feature.post(
    api="/api/staff",
    page="/console/staff",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.STAFF_INVITE,
    throttles=(CHANGES,),
    again="staff.staff",
    see_other=lambda view: url_for("staff.staff.page"),
    flash=lambda view: _("%(name)s can sign in with the phone now.", name=staff_name(view)),
    status=201,
)
def invite(call: Call, form: InviteForm) -> StaffView:
    """Add somebody by phone; an SMS tells them where to sign in."""
    return service.invite(call.merchant_id, form, call.principal)


@feature.get(
    api="/api/staff/<staff_id>",
    page="/console/staff/<staff_id>",
    roles=OWNER,
    scope=Scope.QUERY,
    template="identity/staff_member",
)
def person(call: Call, form: StaffForm) -> PersonView:
    """One of the team, with their sign-ins."""
    return service.team_member(call.merchant_id, form.staff_id, call.principal)


def _person_page(view: StaffView) -> str:
    return url_for("staff.person.page", staff_id=view.staff_id)


@feature.patch(
    api="/api/staff/<staff_id>",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.STAFF_ROLE_SET,
    throttles=(CHANGES,),
)
def change(call: Call, form: ChangeStaffForm) -> StaffView:
    """Give somebody another role, name or phone; one's own role or phone needs `confirm`."""
    return service.change_staff(call.merchant_id, form, call.principal)


@feature.post(
    page="/console/staff/<staff_id>/role",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.STAFF_ROLE_SET,
    throttles=(CHANGES,),
    again="staff.person",
    see_other=_person_page,
    flash=lambda view: _("%(name)s has the new role.", name=staff_name(view)),
)
def set_role(call: Call, form: ChangeStaffForm) -> StaffView:
    """Give somebody another role."""
    return service.change_staff(call.merchant_id, form, call.principal)


@feature.post(
    page="/console/staff/<staff_id>/details",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.STAFF_ROLE_SET,
    throttles=(CHANGES,),
    again="staff.person",
    see_other=_person_page,
    flash=lambda view: _("Saved."),
)
def set_details(call: Call, form: ChangeStaffForm) -> StaffView:
    """Give somebody another name or phone."""
    return service.change_staff(call.merchant_id, form, call.principal)


@feature.delete(
    api="/api/staff/<staff_id>",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.STAFF_REMOVE,
)
def remove(call: Call, form: RemoveStaffForm) -> StaffRemovedView:
    """Remove somebody; their tokens and sign-ins end at once. Oneself needs `confirm`."""
    return service.let_go(call.merchant_id, form, call.principal)


@feature.post(
    page="/console/staff/<staff_id>/remove",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.STAFF_REMOVE,
    again="staff.person",
    see_other=lambda view: url_for("staff.staff.page"),
    flash=lambda view: _("Removed. Their sign-ins have ended."),
)
def remove_by_page(call: Call, form: RemoveStaffForm) -> StaffRemovedView:
    """Remove somebody from the team."""
    return service.let_go(call.merchant_id, form, call.principal)


# --- sign-ins -----------------------------------------------------------------------------


@feature.get(api="/api/staff/<staff_id>/sessions", roles=MERCHANT, scope=Scope.QUERY)
def sessions(call: Call, form: StaffForm) -> SessionsView:
    """Where somebody is signed in: oneself, or anybody for the owner."""
    return service.sessions_of(call.merchant_id, form.staff_id, call.principal)


@feature.get(page="/console/sessions", roles=MERCHANT, template="identity/sessions")
def own_sessions(call: Call, form: NoInput) -> SessionsView:
    """Where the caller is signed in."""
    return service.sessions_of(call.merchant_id, call.principal.subject, call.principal)


@feature.delete(
    api="/api/staff/<staff_id>/sessions/<session_id>",
    roles=MERCHANT,
    ungated="ending a sign-in passes a freeze, as leaving does",
    action=SESSION_END,
)
def end_session(call: Call, form: EndSessionForm) -> SessionEndedView:
    """End one sign-in; its tokens and cookies count no more."""
    return service.end_session(call.merchant_id, form, call.principal)


@feature.post(
    page="/console/staff/<staff_id>/sessions/<session_id>/end",
    roles=MERCHANT,
    ungated="ending a sign-in passes a freeze, as leaving does",
    action=SESSION_END,
    see_other=lambda view: _sessions_page(view.staff_id),
    flash=lambda view: _("That sign-in has ended."),
)
def end_session_by_page(call: Call, form: EndSessionForm) -> SessionEndedView:
    """End one sign-in."""
    return service.end_session(call.merchant_id, form, call.principal)


def _sessions_page(staff_id: str) -> str:
    """Back to where the button stood: one's own list, or the person's page."""
    who = principal()
    if who is not None and who.subject == staff_id:
        return url_for("staff.own_sessions.page")
    return url_for("staff.person.page", staff_id=staff_id)
