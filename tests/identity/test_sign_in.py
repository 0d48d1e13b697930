from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from mealquest.audit.models import AuditRow
from mealquest.core.db import platform_transaction, transaction
from mealquest.core.errors import Invalid
from mealquest.core.principal import Role
from mealquest.identity import service as identity
from mealquest.identity.errors import CodeRefused, MerchantScopeDenied
from mealquest.identity.forms import SignInForm
from mealquest.identity.models import PhoneCode
from mealquest.tenancy.service import MerchantNotFound
from tests.identity.parallel import at_once
from tests.identity.steps import (
    PHONE,
    code_for,
    fire,
    hire,
    let_time_pass,
    open_shop,
    sign_in,
    wrong,
)

OTHER_PHONE = "+8613911112222"


def audit_of(merchant_id: str) -> list[tuple[str, str, str, dict]]:
    with transaction(merchant_id) as session:
        rows = session.scalars(
            select(AuditRow).where(AuditRow.merchant_id == merchant_id).order_by(AuditRow.id)
        )
        return [(row.action, row.status, row.operator_id, row.details) for row in rows]


def principal(token: str):
    claims = identity.read_token(token)
    merchants = (claims.merchant_id,) if claims.merchant_id else ()
    with transaction(*merchants) as session:
        return identity.principal_of(session, claims)


def test_a_phone_of_one_merchant_signs_in_there(shop):
    view = sign_in(code_for())

    assert view.profile.model_dump(by_alias=True) == {
        "role": Role.OWNER,
        "merchantId": shop,
        "phone": PHONE,
        "operatorId": "staff_owner",
        "name": "Chen",
    }
    assert view.merchants is None
    who = principal(view.token)
    assert (who.role, who.subject, who.merchant_id) == (Role.OWNER, "staff_owner", shop)
    assert audit_of(shop) == [("STAFF_SIGN_IN", "SUCCESS", "staff_owner", {})]


@pytest.mark.parametrize("role", [Role.MANAGER, Role.CLERK])
def test_every_role_can_sign_in_and_stays_what_it_is(shop, role):
    hire(shop, role, phone=OTHER_PHONE)
    view = sign_in(code_for(OTHER_PHONE), OTHER_PHONE, merchant_id=shop)
    assert view.profile.role is role
    assert principal(view.token).role is role


def test_the_same_phone_written_without_its_plus_is_the_same_phone(shop):
    assert sign_in(code_for(), PHONE.removeprefix("+")).profile.merchant_id == shop


# --- the code -----------------------------------------------------------------------------


def test_a_code_nobody_asked_for(shop):
    with pytest.raises(CodeRefused, match=r"^code not requested$") as refusal:
        sign_in("123456")
    assert refusal.value.reason == "CODE_NOT_REQUESTED"


def test_a_code_is_good_for_its_own_phone_only(shop):
    hire(shop, Role.CLERK, phone=OTHER_PHONE)
    code = code_for(OTHER_PHONE)
    with pytest.raises(CodeRefused, match=r"^code not requested$"):
        sign_in(code, PHONE)


def test_a_code_is_good_for_five_minutes(shop):
    code = code_for()
    let_time_pass(expires_at=timedelta(seconds=270))
    assert sign_in(code).token

    code = code_for()
    let_time_pass(expires_at=timedelta(seconds=300))
    with pytest.raises(CodeRefused, match=r"^code expired$") as refusal:
        sign_in(code)
    assert refusal.value.reason == "CODE_EXPIRED"


def test_a_code_is_good_once(shop):
    code = code_for()
    sign_in(code)
    with pytest.raises(CodeRefused, match=r"^code not requested$"):
        sign_in(code)


def test_after_five_wrong_guesses_the_right_code_is_dead(shop):
    code = code_for()
    for _ in range(5):
        with pytest.raises(CodeRefused, match=r"^code mismatch$"):
            sign_in(wrong(code))
    with pytest.raises(CodeRefused, match=r"^code not requested$"):
        sign_in(code)


def test_the_fifth_guess_may_be_right(shop):
    code = code_for()
    for _ in range(4):
        with pytest.raises(CodeRefused):
            sign_in(wrong(code))
    assert sign_in(code).token


def test_guesses_made_at_once_have_five_tries_together(shop, app):
    code = code_for()
    outcomes = at_once(app, *[lambda: sign_in(wrong(code))] * 16)

    said = sorted(str(outcome) for outcome in outcomes)
    assert said == ["code mismatch"] * 5 + ["code not requested"] * 11
    with transaction() as session:
        assert session.scalars(select(PhoneCode.tries_left)).one() == 0


def test_a_code_used_many_times_at_once_signs_in_once(shop, app):
    code = code_for()
    outcomes = at_once(app, *[lambda: sign_in(code)] * 12)

    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1
    assert {str(o) for o in outcomes if isinstance(o, Exception)} == {"code not requested"}


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345a", "１２３４５６", 123456, None])
def test_a_code_of_another_form_is_refused(code):
    with pytest.raises(ValidationError, match="code format invalid"):
        SignInForm.model_validate({"phone": PHONE, "code": code})


def test_the_phone_is_looked_at_before_the_code():
    with pytest.raises(ValidationError) as refusal:
        SignInForm.model_validate({"phone": "no", "code": "no"})
    assert [error["msg"] for error in refusal.value.errors()] == [
        "phone format invalid",
        "code format invalid",
    ]


# --- the merchant -------------------------------------------------------------------------


def test_a_phone_that_is_no_staff_there_is_denied_and_the_code_is_spent(shop):
    code = code_for()
    with pytest.raises(MerchantScopeDenied, match=r"^merchant scope denied$"):
        sign_in(code, merchant_id="m_noise")
    with pytest.raises(CodeRefused, match=r"^code not requested$"):
        sign_in(code, merchant_id=shop)
    assert audit_of("m_noise") == [
        ("STAFF_SIGN_IN", "DENIED", "anonymous", {"error": "merchant scope denied"})
    ]


def test_a_phone_that_nobody_knows_is_denied_at_a_merchant(shop):
    with pytest.raises(MerchantScopeDenied):
        sign_in(code_for(OTHER_PHONE), OTHER_PHONE, merchant_id=shop)


def test_a_merchant_that_is_not_there_is_not_found_and_the_code_is_spent(shop):
    code = code_for()
    with pytest.raises(MerchantNotFound, match=r"^merchant not found$"):
        sign_in(code, merchant_id="m_nobody")
    with pytest.raises(CodeRefused):
        sign_in(code)


@pytest.mark.parametrize("bad", ["1m", "m", "m_a,m_noise", "m a"])
def test_an_id_of_another_form_is_refused_after_the_code(shop, bad):
    code = code_for()
    with pytest.raises(CodeRefused, match="code mismatch"):
        sign_in(wrong(code), merchant_id=bad)
    with pytest.raises(Invalid, match=r"^merchantId format invalid$"):
        sign_in(code, merchant_id=bad)


def test_a_merchant_id_is_taken_trimmed_and_in_lower_case(shop):
    assert sign_in(code_for(), merchant_id=" M_A ").profile.merchant_id == shop


def test_an_empty_merchant_id_is_none(shop):
    assert sign_in(code_for(), merchant_id="").profile.merchant_id == shop


def test_a_phone_without_a_merchant_gets_a_token_that_may_only_onboard(shop):
    view = sign_in(code_for(OTHER_PHONE), OTHER_PHONE)

    assert view.profile.merchant_id is None
    assert view.profile.role is Role.OWNER
    who = principal(view.token)
    assert (who.role, who.subject, who.merchant_id) == (Role.APPLICANT, OTHER_PHONE, None)


def test_removed_staff_cannot_sign_in_and_their_phone_is_free(shop):
    fire(shop, "staff_owner")
    assert sign_in(code_for()).profile.merchant_id is None
    hire(shop, Role.MANAGER)
    assert sign_in(code_for()).profile.role is Role.MANAGER


def test_the_phone_of_a_removed_person_opens_nothing_at_the_old_merchant(shop):
    fire(shop, "staff_owner")
    with pytest.raises(MerchantScopeDenied):
        sign_in(code_for(), merchant_id=shop)


# --- several merchants --------------------------------------------------------------------


@pytest.fixture
def two_shops(shop) -> str:
    open_shop("m_b", "Bistro")
    hire("m_b", Role.MANAGER, staff_id="staff_manager", name="Chen too")
    return shop


def test_a_phone_of_several_merchants_chooses_with_the_same_code(two_shops):
    code = code_for()
    view = sign_in(code)

    assert view.token is None
    assert view.profile.merchant_id is None
    assert [choice.model_dump(mode="json", by_alias=True) for choice in view.merchants] == [
        {"merchantId": "m_a", "name": "A Shop", "role": "OWNER"},
        {"merchantId": "m_b", "name": "Bistro", "role": "MANAGER"},
    ]
    chosen = sign_in(code, merchant_id="m_b")
    assert chosen.profile.operator_id == "staff_manager"
    assert principal(chosen.token).merchant_id == "m_b"


def test_who_names_the_merchant_at_once_has_nothing_left_to_choose(two_shops):
    code = code_for()
    assert sign_in(code, merchant_id="m_a").token
    with pytest.raises(CodeRefused, match=r"^code not requested$"):
        sign_in(code, merchant_id="m_b")


def test_a_choice_is_made_once_and_within_two_minutes(two_shops):
    code = code_for()
    sign_in(code)
    let_time_pass(choice_until=timedelta(seconds=120))
    with pytest.raises(CodeRefused, match=r"^code expired$"):
        sign_in(code, merchant_id="m_a")

    code = code_for()
    sign_in(code)
    sign_in(code, merchant_id="m_a")
    with pytest.raises(CodeRefused, match=r"^code not requested$"):
        sign_in(code, merchant_id="m_b")


def test_a_choice_outlives_the_five_minutes_of_the_code(two_shops):
    code = code_for()
    sign_in(code)
    let_time_pass(expires_at=timedelta(seconds=400))
    assert sign_in(code, merchant_id="m_a").token


def test_a_used_code_shows_the_list_once(two_shops):
    code = code_for()
    sign_in(code)
    with pytest.raises(CodeRefused, match=r"^code not requested$"):
        sign_in(code)


def test_choices_made_at_once_give_one_token(two_shops, app):
    code = code_for()
    sign_in(code)
    choices = [lambda m=m: sign_in(code, merchant_id=m) for m in ("m_a", "m_b") * 4]
    outcomes = at_once(app, *choices)
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1


def test_wrong_guesses_at_a_choice_cost_tries_too(two_shops):
    code = code_for()
    sign_in(code)
    for _ in range(5):
        with pytest.raises(CodeRefused, match=r"^code mismatch$"):
            sign_in(wrong(code), merchant_id="m_a")
    with pytest.raises(CodeRefused, match=r"^code not requested$"):
        sign_in(code, merchant_id="m_a")


# --- the audit ----------------------------------------------------------------------------


def test_every_merchant_of_the_phone_learns_of_a_wrong_guess_and_no_other(two_shops):
    code = code_for()
    with pytest.raises(CodeRefused):
        sign_in(wrong(code), merchant_id="m_noise")

    details = {"error": "code mismatch"}
    assert audit_of("m_a") == [("STAFF_SIGN_IN", "DENIED", "staff_owner", details)]
    assert audit_of("m_b") == [("STAFF_SIGN_IN", "DENIED", "staff_manager", details)]
    assert audit_of("m_noise") == []


def test_guesses_that_cost_nothing_do_not_fill_the_audit(shop):
    for _ in range(3):
        with pytest.raises(CodeRefused):
            sign_in("123456")
    assert audit_of(shop) == []


def test_no_phone_and_no_code_is_in_the_audit(two_shops):
    code = code_for()
    with pytest.raises(CodeRefused):
        sign_in(wrong(code))
    sign_in(code, merchant_id="m_a")
    with platform_transaction("a test reads every audit row") as session:
        written = str([row.details for row in session.scalars(select(AuditRow))])
    assert code not in written
    assert PHONE.removeprefix("+") not in written
