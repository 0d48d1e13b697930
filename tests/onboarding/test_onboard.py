from decimal import Decimal

import pytest
from sqlalchemy import select

from mealquest.audit.models import AuditRow
from mealquest.core import messages
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.errors import Forbidden
from mealquest.core.principal import Principal, Role
from mealquest.core.settings import Profile
from mealquest.identity import service as identity
from mealquest.identity.forms import CustomersForm, RequestCodeForm, SignInForm
from mealquest.identity.models import Staff
from mealquest.onboarding import service as onboarding
from mealquest.onboarding.errors import OnboardSecretInvalid
from mealquest.onboarding.forms import OnboardForm, OwnerOnboardForm
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantExists
from mealquest.wallet import service as wallet
from tests.identity.parallel import at_once

pytestmark = pytest.mark.usefixtures("app")

PHONE = "+8613800000000"
APPLICANT = Principal(Role.APPLICANT, PHONE)
SECRET = "the-onboarding-secret"


def onboard(merchant_id="m_new", *, secret=None, by=None, **sent):
    body = {"merchantId": merchant_id, "name": "New Shop"} | sent
    return onboarding.onboard(OnboardForm.model_validate(body), secret=secret, by=by)


def open_shop(name="Bistro Harbor", merchant_id=None, by=APPLICANT, **sent):
    form = OwnerOnboardForm(name=name, merchant_id=merchant_id, **sent)
    return onboarding.onboard_by_owner(form, by)


def sign_in(phone: str):
    identity.request_code(RequestCodeForm(phone=phone))
    code = messages.newest(limit=1)[0].message.data["code"]
    return identity.sign_in(SignInForm(phone=phone, code=code))


def detail(merchant_id: str, user_id: str):
    return wallet.customer_detail(merchant_id, user_id)


def users_of(merchant_id: str) -> list[str]:
    return [item.uid for item in identity.customers(merchant_id, CustomersForm()).items]


def merchants() -> list[str]:
    return [item.merchant_id for item in tenancy.catalog().items]


# --- what is answered and written ---------------------------------------------------------


def test_the_answer_tells_of_the_merchant_its_staff_and_its_alliance():
    answer = onboard(budgetCap=450, clusterId="c_1", ownerPhone=PHONE).model_dump(by_alias=True)

    merchant, alliance = answer["merchant"], answer["allianceConfig"]
    at = merchant.pop("onboardedAt")
    assert abs((utc_now() - at).total_seconds()) < 60
    assert merchant == {
        "merchantId": "m_new",
        "name": "New Shop",
        "killSwitchEnabled": False,
        "budgetCap": Decimal(450),
        "budgetUsed": Decimal(0),
        "staff": [
            {"uid": "staff_owner", "role": Role.OWNER},
            {"uid": "staff_manager", "role": Role.MANAGER},
            {"uid": "staff_clerk", "role": Role.CLERK},
        ],
        "ownerPhone": PHONE,
    }
    assert answer["seededUsers"] == ["u_demo", "u_friend"]
    assert alliance == {
        "merchantId": "m_new",
        "clusterId": "c_1",
        "stores": ["m_new"],
        "walletShared": False,
        "tierShared": False,
        "updatedAt": at,
    }


def test_an_id_says_nothing_of_its_cluster_unless_told():
    assert onboard().alliance_config.cluster_id == "cluster_m_new"


def test_the_three_of_the_staff_are_there():
    onboard()
    with transaction("m_new") as session:
        staff = session.execute(select(Staff.id, Staff.role, Staff.phone).order_by(Staff.id))
        assert [tuple(row) for row in staff] == [
            ("staff_clerk", Role.CLERK, None),
            ("staff_manager", Role.MANAGER, None),
            ("staff_owner", Role.OWNER, None),
        ]


@pytest.mark.parametrize(
    ("user_id", "balances"), [("u_demo", (120, 30, 88)), ("u_friend", (60, 12, 40))]
)
def test_demo_users_have_balances_and_a_welcome_voucher(user_id, balances):
    onboard()
    seen = detail("m_new", user_id)

    assert (seen.wallet.principal, seen.wallet.bonus, seen.wallet.silver) == balances
    assert (seen.tags, seen.fragments) == (["REGULAR"], {"spicy": 1, "noodle": 2})
    (voucher,) = seen.vouchers
    assert (voucher.id, voucher.type) == (f"voucher_welcome_{user_id}", "ITEM_WARRANT")
    assert (voucher.value, voucher.min_spend, voucher.status) == (12, 0, "ACTIVE")
    assert 23.9 < (voucher.expires_at - utc_now()).total_seconds() / 3600 <= 24


def test_without_demo_users_there_is_nobody():
    view = onboard(seedDemoUsers=False)
    assert view.seeded_users == []
    assert users_of("m_new") == []


def test_the_owner_s_phone_signs_the_owner_in():
    onboard(ownerPhone=PHONE)
    view = sign_in(PHONE)
    assert (view.profile.merchant_id, view.profile.role) == ("m_new", Role.OWNER)


@pytest.mark.parametrize(("seed", "count"), [(True, 2), (False, 0)])
def test_onboarding_is_audited_as_the_platform_s_act(seed, count):
    onboard(seedDemoUsers=seed)
    with transaction("m_new") as session:
        (row,) = session.scalars(select(AuditRow)).all()
    assert (row.action, row.status, row.role, row.operator_id, row.details) == (
        "MERCHANT_ONBOARD",
        "SUCCESS",
        "SYSTEM",
        "bootstrap",
        {"seededUsers": count},
    )


def test_an_id_is_given_once_and_the_second_changes_nothing():
    onboard(ownerPhone=PHONE)
    with pytest.raises(MerchantExists, match=r"^merchant already exists$"):
        onboard(name="Thief", ownerPhone="+8613811111111", budgetCap=9_999)

    assert tenancy.settings("m_new").name == "New Shop"
    assert not identity.works_at("m_new", "+8613811111111")


def test_of_many_who_onboard_one_id_one_succeeds(app):
    outcomes = at_once(app, *[lambda: onboard(ownerPhone=PHONE)] * 6)
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, MerchantExists) for outcome in outcomes) == 5
    assert sorted(users_of("m_new")) == ["u_demo", "u_friend"]


def test_a_failure_in_the_middle_leaves_nothing(monkeypatch):
    broken = onboarding.DEMO_USERS[0]
    monkeypatch.setattr(onboarding, "DEMO_USERS", (broken, broken))
    with pytest.raises(identity.UserExists):
        onboard()
    assert merchants() == []


# --- who may ------------------------------------------------------------------------------


def test_without_a_configured_secret_development_is_open(change_settings):
    change_settings(onboard_secret="")
    assert onboard(secret="anything").merchant.merchant_id == "m_new"


@pytest.mark.parametrize("profile", [Profile.STAGING, Profile.PROD])
def test_without_a_configured_secret_production_is_closed(change_settings, profile):
    change_settings(profile=profile, onboard_secret="")
    for sent in (None, "", "anything"):
        with pytest.raises(OnboardSecretInvalid, match=r"^onboard secret invalid$"):
            onboard(secret=sent)
    assert merchants() == []


@pytest.mark.parametrize("profile", [Profile.TEST, Profile.PROD])
def test_a_configured_secret_is_asked_for(change_settings, profile):
    change_settings(profile=profile, onboard_secret=SECRET)
    for sent in (None, "", SECRET[:-1], f"{SECRET} ", "пароль"):
        with pytest.raises(OnboardSecretInvalid):
            onboard(secret=sent)
    assert onboard(secret=SECRET).merchant.merchant_id == "m_new"


def test_an_owner_of_another_merchant_needs_the_secret_too(change_settings):
    change_settings(onboard_secret=SECRET)
    with pytest.raises(OnboardSecretInvalid):
        onboard(by=Principal(Role.OWNER, "staff_owner", "m_a"))


# --- an applicant -------------------------------------------------------------------------


def test_an_applicant_needs_no_secret_and_becomes_the_owner(change_settings):
    change_settings(profile=Profile.PROD, onboard_secret=SECRET)
    view = onboard(by=APPLICANT, ownerPhone="+8613811111111")

    assert view.merchant.owner_phone == PHONE
    assert view.seeded_users == []
    assert identity.works_at("m_new", PHONE)
    assert not identity.works_at("m_new", "+8613811111111")


def test_an_applicant_gets_demo_users_when_asking_for_them():
    assert onboard(by=APPLICANT, seedDemoUsers=True).seeded_users == ["u_demo", "u_friend"]
    assert open_shop(seed_demo_users=True).seeded_users == ["u_demo", "u_friend"]


def test_a_new_owner_gets_an_id_made_of_the_name():
    view = open_shop("Bistro Harbor")

    assert view.merchant.merchant_id == "bistro_harbor"
    assert view.merchant.name == "Bistro Harbor"
    assert view.seeded_users == []
    principal, epoch = identity.staff_principal("bistro_harbor", "staff_owner")
    assert (principal.role, epoch) == (Role.OWNER, 0)


def test_a_name_that_somebody_has_gets_another_id():
    open_shop("Bistro Harbor", by=Principal(Role.APPLICANT, "+8613811111111"))
    view = open_shop("Bistro Harbor")
    assert view.merchant.merchant_id.startswith("bistro_harbor_")
    assert len(merchants()) == 2


def test_a_form_sent_twice_opens_one_shop(app):
    outcomes = at_once(app, *[open_shop] * 4)
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1
    assert merchants() == ["bistro_harbor"]


def test_an_id_of_one_s_own_choice_is_not_replaced():
    open_shop(merchant_id="m_mine", by=Principal(Role.APPLICANT, "+8613811111111"))
    with pytest.raises(MerchantExists):
        open_shop(merchant_id="m_mine")
    assert merchants() == ["m_mine"]


@pytest.mark.parametrize("role", [Role.OWNER, Role.CUSTOMER, Role.OPERATOR])
def test_only_an_applicant_is_a_new_owner(role):
    with pytest.raises(Forbidden, match=r"^permission denied$"):
        open_shop(by=Principal(role, "somebody", "m_a"))


def test_after_onboarding_the_phone_signs_in_as_owner():
    assert sign_in(PHONE).profile.merchant_id is None
    open_shop()
    view = sign_in(PHONE)
    assert (view.profile.merchant_id, view.profile.operator_id) == ("bistro_harbor", "staff_owner")
