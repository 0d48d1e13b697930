"""The owner's hand over the team, asked of the services."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from mealquest.audit.models import AuditRow
from mealquest.core import messages
from mealquest.core.db import transaction
from mealquest.core.errors import Forbidden, Invalid, Unauthenticated
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.identity.domain import Owner, keeps_an_owner
from mealquest.identity.errors import (
    ConfirmNeeded,
    LastOwner,
    StaffNotFound,
    StaffPhoneTaken,
)
from mealquest.identity.forms import ChangeStaffForm, InviteForm, RemoveStaffForm
from mealquest.identity.models import Staff
from mealquest.tenancy.models import MerchantSettings
from tests.factories.http import minted
from tests.factories.threads import run_together, wait_until_somebody_waits_for
from tests.identity.steps import PHONE, code_for, hire, open_shop, sign_in

OWNER = Principal(Role.OWNER, "staff_owner", "m_a", "Chen")
SECOND = Principal(Role.OWNER, "staff_second", "m_a", "Wu")
PHONE_2, PHONE_3 = "+8613911110002", "+8613911110003"


@pytest.fixture
def clerk(shop) -> str:
    return hire(shop, Role.CLERK, staff_id="staff_clerk", name="Lin", phone=PHONE_2)


@pytest.fixture
def second(shop) -> str:
    return hire(shop, Role.OWNER, staff_id="staff_second", name="Wu", phone=PHONE_3)


def invite(phone=PHONE_2, role="CLERK", name="Lin", by=OWNER):
    form = InviteForm.model_validate({"phone": phone, "role": role, "name": name})
    return identity.invite(by.merchant_id, form, by)


def change(staff_id: str, by=OWNER, **what):
    form = ChangeStaffForm.model_validate({"staffId": staff_id, **what})
    return identity.change_staff(by.merchant_id, form, by)


def let_go(staff_id: str, by=OWNER, confirm=False):
    form = RemoveStaffForm(staff_id=staff_id, confirm=confirm)
    return identity.let_go(by.merchant_id, form, by)


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


def tokens_of(phone: str, role: str, staff_id: str) -> list[str]:
    """A session's token, one of ours without a session, and one of another issuer."""
    principal, epoch = identity.staff_principal("m_a", staff_id)
    return [
        sign_in(code_for(phone), phone).token,
        identity.mint(principal, epoch),
        minted(role, merchantId="m_a", operatorId=staff_id),
    ]


def audit_of(action: str, merchant_id: str = "m_a") -> list[dict]:
    with transaction(merchant_id) as session:
        rows = session.scalars(
            select(AuditRow).where(AuditRow.merchant_id == merchant_id, AuditRow.action == action)
        )
        return [row.details for row in rows]


def roles(merchant_id: str = "m_a") -> dict[str, Role]:
    return {one.staff_id: one.role for one in identity.team(merchant_id).items}


# --- invite -------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.CLERK, Role.MANAGER, Role.OWNER])
def test_somebody_invited_signs_in_by_phone_in_their_role(shop, role):
    view = invite(role=role.value)

    assert (view.role, view.name, view.phone_masked) == (role, "Lin", "****0002")
    signed_in = sign_in(code_for(PHONE_2), PHONE_2)
    assert signed_in.profile.operator_id == view.staff_id
    assert enter(signed_in.token).role is role


def test_an_invitation_names_the_shop_and_where_to_sign_in(shop, app):
    invite()

    (message,) = (stored.message for stored in messages.newest())
    assert message.to == PHONE_2
    assert "A Shop" in message.text
    assert f"{app.config['SETTINGS'].base_url}/console/sign-in" in message.text
    assert message.data["purpose"] == "STAFF_INVITE"
    assert message.data["text"] == message.text


def test_a_shop_of_another_language_can_invite(shop):
    with transaction(shop) as session:
        session.get_one(MerchantSettings, shop).locale = "zh-Hans"
    invite()
    assert "A Shop" in messages.newest()[0].message.text


def test_the_audit_of_an_invitation_names_the_role_and_no_phone(shop):
    view = invite()
    assert audit_of("STAFF_INVITE") == [{"staffId": view.staff_id, "role": "CLERK"}]


@pytest.mark.parametrize("phone", [PHONE, PHONE.removeprefix("+")])
def test_a_phone_that_is_staff_already_is_refused_and_nothing_happens(shop, phone):
    with pytest.raises(StaffPhoneTaken):
        invite(phone)
    assert list(roles()) == ["staff_owner"]
    assert messages.newest() == []
    assert audit_of("STAFF_INVITE") == []


def test_the_same_phone_may_work_at_another_shop_too(shop):
    open_shop("m_b")
    hire("m_b", Role.CLERK, phone=PHONE_2)
    invite(PHONE_2)
    assert len(roles()) == 2


def test_one_phone_invited_many_times_at_once_is_one_person(shop, app):
    outcomes = run_together(app, [invite] * 6)
    assert sum(isinstance(outcome, StaffPhoneTaken) for outcome in outcomes) == 5
    assert len(roles()) == 2


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"role": "CLERK"}, "phone format invalid"),
        ({"phone": "12", "role": "CLERK"}, "phone format invalid"),
        ({"phone": PHONE_2}, "role is required"),
        ({"phone": PHONE_2, "role": ""}, "role is required"),
        ({"phone": PHONE_2, "role": "CUSTOMER"}, "role is not one of the allowed values"),
        ({"phone": PHONE_2, "role": "OPERATOR"}, "role is not one of the allowed values"),
        ({"phone": PHONE_2, "role": "SYSTEM"}, "role is not one of the allowed values"),
        ({"phone": PHONE_2, "role": "OWNER_PENDING"}, "role is not one of the allowed values"),
        ({"phone": PHONE_2, "role": ["OWNER"]}, "role is not one of the allowed values"),
        ({"phone": PHONE_2, "role": "CLERK", "name": "x" * 65}, "64"),
    ],
)
def test_an_invitation_of_another_form_is_refused(sent, words):
    with pytest.raises(ValidationError, match=words):
        InviteForm.model_validate(sent)


# --- roles --------------------------------------------------------------------------------


def test_another_role_ends_every_token_of_the_person_at_once(clerk):
    tokens = tokens_of(PHONE_2, "CLERK", clerk)
    owner = minted(merchantId="m_a", operatorId="staff_owner")
    assert all(enter(token).role is Role.CLERK for token in tokens)

    view = change(clerk, role="MANAGER")

    assert view.role is Role.MANAGER
    assert view.sessions == 0
    assert all(is_dead(token) for token in tokens)
    assert enter(owner).subject == "staff_owner"
    assert enter(sign_in(code_for(PHONE_2), PHONE_2).token).role is Role.MANAGER


def test_the_audit_of_a_role_tells_what_it_was(clerk):
    change(clerk, role="manager")
    assert audit_of("STAFF_ROLE_SET") == [
        {"staffId": clerk, "role": "MANAGER", "previousRole": "CLERK"}
    ]


def test_the_same_role_again_changes_nothing(clerk):
    token = sign_in(code_for(PHONE_2), PHONE_2).token
    assert change(clerk, role="CLERK").role is Role.CLERK
    assert not is_dead(token)
    assert audit_of("STAFF_ROLE_SET") == []


def test_one_s_own_role_changes_only_when_it_is_meant(second):
    token = minted(merchantId="m_a", operatorId="staff_owner")
    with pytest.raises(ConfirmNeeded, match=r"^changing your own role needs confirm$"):
        change("staff_owner", role="CLERK")
    assert roles()["staff_owner"] is Role.OWNER
    assert not is_dead(token)

    assert change("staff_owner", role="CLERK", confirm=True).role is Role.CLERK
    assert is_dead(token)


def test_to_change_nothing_is_refused(clerk):
    with pytest.raises(Invalid, match=r"^role, name or phone is required$"):
        change(clerk, name=" ", phone="", role="")


def test_who_is_no_owner_any_more_changes_nothing(clerk, second):
    """The caller was an owner when the request came in, and is none when it is carried out."""
    change("staff_second", role="MANAGER")
    for act in (
        lambda: invite("+8613911119999", by=SECOND),
        lambda: change(clerk, by=SECOND, role="MANAGER"),
        lambda: let_go(clerk, by=SECOND),
    ):
        with pytest.raises(Forbidden):
            act()
    assert roles() == {
        "staff_owner": Role.OWNER,
        "staff_second": Role.MANAGER,
        "staff_clerk": Role.CLERK,
    }


# --- the last owner -----------------------------------------------------------------------

PHONED, PHONELESS = Owner("a", can_sign_in=True), Owner("b", can_sign_in=False)


@pytest.mark.parametrize(
    ("owners", "leaving", "acting", "kept"),
    [
        ([PHONED], "a", "a", False),
        ([PHONED, Owner("c", can_sign_in=True)], "a", "a", True),
        ([PHONED, PHONELESS], "b", "a", True),
        ([PHONED, PHONELESS], "a", "a", False),  # nobody could sign in as the other one
        ([PHONED, PHONELESS], "a", "b", True),  # who proves by acting that they can
        ([PHONELESS], "b", "b", False),
        ([PHONELESS, Owner("c", can_sign_in=False)], "b", "b", True),
    ],
)
def test_somebody_who_can_act_as_the_owner_is_left(owners, leaving, acting, kept):
    assert keeps_an_owner(owners, leaving, acting=acting) is kept


def test_the_last_owner_stays(shop, clerk):
    with pytest.raises(LastOwner):
        change("staff_owner", role="MANAGER", confirm=True)
    with pytest.raises(LastOwner):
        let_go("staff_owner", confirm=True)
    assert roles() == {"staff_owner": Role.OWNER, "staff_clerk": Role.CLERK}


def test_an_owner_who_left_or_works_elsewhere_is_no_other_owner(second):
    open_shop("m_b")
    hire("m_b", Role.OWNER, staff_id="staff_theirs", phone=None)
    let_go("staff_second")
    with pytest.raises(LastOwner):
        let_go("staff_owner", confirm=True)


def test_with_a_second_owner_the_first_one_may_go(second):
    change("staff_owner", by=SECOND, role="CLERK")
    assert roles() == {"staff_second": Role.OWNER, "staff_owner": Role.CLERK}


@pytest.mark.parametrize("round_number", range(4))
@pytest.mark.parametrize("act", ["demote each other", "remove each other", "leave together"])
def test_two_owners_at_the_same_moment_never_leave_none(second, app, act, round_number):
    calls = {
        "demote each other": [
            lambda: change("staff_second", by=OWNER, role="CLERK"),
            lambda: change("staff_owner", by=SECOND, role="CLERK"),
        ],
        "remove each other": [
            lambda: let_go("staff_second", by=OWNER),
            lambda: let_go("staff_owner", by=SECOND),
        ],
        "leave together": [
            lambda: let_go("staff_owner", by=OWNER, confirm=True),
            lambda: change("staff_second", by=SECOND, role="CLERK", confirm=True),
        ],
    }[act]

    outcomes = run_together(app, calls)

    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert [type(one) for one in refused] in ([LastOwner], [Forbidden])
    assert list(roles().values()).count(Role.OWNER) == 1


def test_eight_owners_who_all_leave_at_once_leave_one(shop, app):
    ids = ["staff_owner"] + [
        hire(shop, Role.OWNER, phone=f"+86139222200{number:02d}") for number in range(7)
    ]
    people = [Principal(Role.OWNER, staff_id, shop) for staff_id in ids]

    run_together(app, [roles] * len(people))  # so that nobody has to wait for a connection

    outcomes = run_together(
        app, [lambda who=who: let_go(who.subject, by=who, confirm=True) for who in people]
    )

    assert sum(isinstance(outcome, LastOwner) for outcome in outcomes) == 1
    assert list(roles().values()) == [Role.OWNER]


def test_a_sign_in_waits_for_a_change_of_role_and_gets_the_new_one(clerk, app):
    """Otherwise a session opened meanwhile would outlive the role it was opened in."""
    code = code_for(PHONE_2)

    def arrive() -> str:
        with app.app_context():
            return sign_in(code, PHONE_2).token

    with ThreadPoolExecutor(1) as pool:
        with transaction("m_a") as session:
            row = session.get_one(Staff, ("m_a", clerk), with_for_update={"key_share": True})
            row.role = Role.MANAGER
            session.flush()
            waiting = pool.submit(arrive)
            wait_until_somebody_waits_for(session)
        assert enter(waiting.result(10)).role is Role.MANAGER


# --- name and phone -----------------------------------------------------------------------


def test_a_name_is_changed_without_signing_anybody_out(clerk):
    token = sign_in(code_for(PHONE_2), PHONE_2).token
    assert change(clerk, name=" Lin Xiaomei ").name == "Lin Xiaomei"
    assert enter(token).name == "Lin Xiaomei"
    assert audit_of("STAFF_DETAILS_SET") == [{"staffId": clerk, "changed": ["name"]}]


def test_a_record_without_a_phone_gets_one_and_can_sign_in(shop):
    hire(shop, Role.MANAGER, staff_id="staff_manager", phone=None)

    view = change("staff_manager", phone=PHONE_2)

    assert view.phone_masked == "****0002"
    assert messages.newest()[0].message.to == PHONE_2
    assert sign_in(code_for(PHONE_2), PHONE_2).profile.operator_id == "staff_manager"
    assert audit_of("STAFF_DETAILS_SET") == [{"staffId": "staff_manager", "changed": ["phone"]}]


def test_another_phone_ends_what_the_old_one_signed_in(clerk):
    tokens = tokens_of(PHONE_2, "CLERK", clerk)

    change(clerk, phone=PHONE_3)

    assert all(is_dead(token) for token in tokens)
    assert sign_in(code_for(PHONE_2), PHONE_2).profile.merchant_id is None
    assert sign_in(code_for(PHONE_3), PHONE_3).profile.operator_id == clerk


def test_the_same_phone_again_changes_nothing(clerk):
    token = sign_in(code_for(PHONE_2), PHONE_2).token
    change(clerk, phone=PHONE_2.removeprefix("+"))
    assert not is_dead(token)
    assert audit_of("STAFF_DETAILS_SET") == []


def test_the_phone_of_a_colleague_is_refused_and_the_old_one_stays(clerk):
    with pytest.raises(StaffPhoneTaken):
        change(clerk, phone=PHONE, name="Somebody", role="MANAGER")
    assert roles()[clerk] is Role.CLERK
    assert sign_in(code_for(PHONE_2), PHONE_2).profile.name == "Lin"


def test_one_s_own_phone_changes_only_when_it_is_meant_and_one_stays_signed_in(shop):
    token = sign_in(code_for()).token
    with pytest.raises(ConfirmNeeded, match=r"^changing your own phone needs confirm$"):
        change("staff_owner", phone=PHONE_3)
    change("staff_owner", phone=PHONE_3, confirm=True)
    assert not is_dead(token)
    assert sign_in(code_for(PHONE_3), PHONE_3).profile.operator_id == "staff_owner"


# --- remove -------------------------------------------------------------------------------


def test_somebody_removed_is_out_at_once_and_their_phone_is_free(clerk):
    tokens = tokens_of(PHONE_2, "CLERK", clerk)

    assert let_go(clerk).removed

    assert all(is_dead(token) for token in tokens)
    assert clerk not in roles()
    assert audit_of("STAFF_REMOVE") == [{"staffId": clerk, "role": "CLERK"}]
    assert sign_in(code_for(PHONE_2), PHONE_2).profile.merchant_id is None
    assert invite(PHONE_2).staff_id != clerk


def test_one_leaves_oneself_only_when_it_is_meant(second):
    with pytest.raises(ConfirmNeeded, match=r"^removing yourself needs confirm$"):
        let_go("staff_owner")
    let_go("staff_owner", confirm=True)
    assert list(roles()) == ["staff_second"]


def test_who_is_gone_or_never_was_is_not_found(clerk):
    let_go(clerk)
    for staff_id in (clerk, "staff_nobody"):
        with pytest.raises(StaffNotFound):
            let_go(staff_id)
        with pytest.raises(StaffNotFound):
            change(staff_id, role="MANAGER")
        with pytest.raises(StaffNotFound):
            identity.team_member("m_a", staff_id, OWNER)


# --- the list and the stranger ------------------------------------------------------------


def test_owners_come_first_then_managers_then_clerks_by_name(shop, clerk, second):
    hire(shop, Role.MANAGER, staff_id="staff_m", name="Ann", phone=None)
    hire(shop, Role.CLERK, staff_id="staff_c", name="Bo", phone=None)
    items = identity.team(shop).items
    assert [one.name for one in items] == ["Chen", "Wu", "Ann", "Bo", "Lin"]
    assert [one.phone_masked for one in items] == ["****0000", "****0003", None, None, "****0002"]


def test_the_list_tells_where_people_are_signed_in(shop, clerk):
    sign_in(code_for(PHONE_2), PHONE_2)
    sign_in(code_for(PHONE_2), PHONE_2)
    seen = {one.staff_id: (one.sessions, one.last_seen_at) for one in identity.team(shop).items}
    assert seen["staff_owner"] == (0, None)
    assert seen[clerk][0] == 2
    assert seen[clerk][1] is not None


def test_the_owner_of_another_shop_touches_nobody_here(clerk):
    open_shop("m_b")
    hire("m_b", Role.OWNER, staff_id="staff_theirs", phone="+8613911118888")
    theirs = Principal(Role.OWNER, "staff_theirs", "m_b")

    for act in (
        lambda: change(clerk, by=theirs, role="OWNER", phone=PHONE_3, name="Stolen"),
        lambda: let_go(clerk, by=theirs),
        lambda: identity.team_member("m_b", clerk, theirs),
    ):
        with pytest.raises(StaffNotFound):
            act()

    assert list(roles("m_b")) == ["staff_theirs"]
    assert roles() == {"staff_owner": Role.OWNER, clerk: Role.CLERK}
