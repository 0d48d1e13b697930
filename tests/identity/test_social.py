"""Customers sign in by WeChat and Alipay, over HTTP, against real servers of both."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any

import pytest
from sqlalchemy import func, select, update

from mealquest.audit.models import AuditRow
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.outbox import OutboxEvent
from mealquest.identity import service as identity
from mealquest.identity import social_gateway
from mealquest.identity.forms import CustomerForm
from mealquest.identity.models import Customer, SocialIdentity
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.domain import Limit, TenantPolicy
from tests.factories.http import Client, assert_problem, bearer, client_of
from tests.factories.merchants import make_merchant
from tests.factories.requests import OWNER
from tests.factories.threads import run_together
from tests.factories.throttles import count_here
from tests.fakes import alipay, wechat
from tests.fakes.alipay import Alipay
from tests.fakes.provider import Behaviour
from tests.fakes.wechat import WeChat
from tests.identity.steps import code_for, wrong

SHOP, OTHER_SHOP = "m_store_001", "m_bistro"
PHONE, OTHER_PHONE = "+8613900000001", "+8613900000009"
WECHAT, ALIPAY = "/api/auth/customer/wechat-login", "/api/auth/customer/alipay-login"


@dataclass
class Providers:
    wechat: WeChat
    alipay: Alipay

    def issue(self, url: str, who: str, phone: str | None = None) -> str:
        """A code of the provider behind `url` for somebody, with the phone it knows of them."""
        if url == WECHAT:
            return self.wechat.issue(openid=who, **({"phoneNumber": phone} if phone else {}))
        return self.alipay.issue(userId=who, **({"mobile": phone} if phone else {}))


@pytest.fixture
def configure(app, monkeypatch) -> Callable[..., None]:
    def configure(**settings: Any) -> None:
        changed = app.config["SETTINGS"].model_copy(update=settings)
        monkeypatch.setitem(app.config, "SETTINGS", changed)

    return configure


@pytest.fixture
def providers(app, configure) -> Iterator[Providers]:
    for merchant_id in (SHOP, OTHER_SHOP):
        make_merchant(merchant_id)
    with WeChat() as weixin, Alipay() as ali:
        configure(
            auth_wechat_base_url=weixin.url,
            auth_wechat_app_id=wechat.APP_ID,
            auth_wechat_app_secret=wechat.APP_SECRET,
            auth_alipay_verify_url=ali.verify_url,
            auth_alipay_app_id=alipay.APP_ID,
            auth_alipay_app_secret=alipay.APP_SECRET,
            auth_http_timeout_ms=3_000,
        )
        yield Providers(weixin, ali)


@pytest.fixture
def client(app) -> Client:
    return client_of(app)


@pytest.fixture
def enter(client, providers) -> Callable[..., Any]:
    """Sign somebody in, whose provider may know a phone of theirs; returns the answer."""

    def enter(url: str, who: str, known: str | None = None, shop: str = SHOP, **more: Any) -> Any:
        code = providers.issue(url, who, known)
        return client.post(url, json={"merchantId": shop, "code": code} | more)

    return enter


def customers(shop: str = SHOP) -> int:
    with transaction(shop) as session:
        mine = select(func.count()).select_from(Customer).where(Customer.merchant_id == shop)
        return session.scalar(mine) or 0


def freeze(shop: str = SHOP) -> None:
    with transaction(shop) as session:
        tenancy.set_policy(session, shop, TenantPolicy(write_enabled=False))


def leave(user_id: str, shop: str = SHOP) -> None:
    """As the account's end does: the row is marked, then nothing leads to it any more."""
    with transaction(shop) as session:
        mine = Customer.merchant_id == shop, Customer.id == user_id
        gone = {"deleted_at": utc_now(), "phone": None, "phone_hash": None}
        session.execute(update(Customer).where(*mine).values(gone))
        identity.forget_identities(session, shop, user_id)


# --- who signs in ---------------------------------------------------------------------------


@pytest.mark.parametrize("url", [WECHAT, ALIPAY])
def test_somebody_new_becomes_a_customer(enter, url) -> None:
    answer = enter(url, "person", PHONE, displayName="Mei")

    body = answer.get_json()
    user_id = body["profile"]["userId"]
    assert answer.status_code == 200
    assert body == {
        "token": body["token"],
        "profile": {"role": "CUSTOMER", "merchantId": SHOP, "userId": user_id, "phone": PHONE},
        "isNewUser": True,
    }
    with transaction(SHOP) as session:
        facts = identity.customer_facts(session, SHOP, user_id)
    assert (facts.display_name, facts.tags) == ("Mei", ["NEW_USER"])
    assert facts.fragments == {"spicy": 0, "noodle": 0}
    assert facts.phone_last4 == PHONE[-4:]


def test_the_token_opens_what_is_ones_own_and_nothing_more(client, enter) -> None:
    token = enter(WECHAT, "person", PHONE).get_json()["token"]

    assert client.get("/api/customer/code", headers=bearer(token)).status_code == 200
    assert_problem(client.get("/api/customers", headers=bearer(token)), 403, "permission denied")


def test_the_same_person_comes_back_to_the_same_account(enter) -> None:
    first = enter(WECHAT, "person", PHONE).get_json()
    again = enter(WECHAT, "person", PHONE).get_json()
    without_phone = enter(WECHAT, "person").get_json()

    assert again["profile"] == first["profile"] == without_phone["profile"]
    assert [b["isNewUser"] for b in (first, again, without_phone)] == [True, False, False]
    assert customers() == 1


def test_the_same_phone_is_the_same_customer_by_either_provider(enter) -> None:
    by_wechat = enter(WECHAT, "person", PHONE).get_json()
    by_alipay = enter(ALIPAY, "2088", PHONE.removeprefix("+")).get_json()
    alone = enter(ALIPAY, "2088").get_json()

    assert by_alipay["isNewUser"] is False
    assert by_alipay["profile"]["userId"] == by_wechat["profile"]["userId"]
    assert alone["profile"] == by_wechat["profile"]


def test_a_customer_whom_the_staff_added_is_found_by_phone(enter) -> None:
    known, _ = identity.find_or_create_customer(SHOP, CustomerForm(phone=PHONE), OWNER)

    body = enter(WECHAT, "person", PHONE, displayName="Own words").get_json()

    assert (body["profile"]["userId"], body["isNewUser"]) == (known.uid, False)
    with transaction(SHOP) as session:
        assert identity.customer_facts(session, SHOP, known.uid).display_name == "Own words"


def test_another_phone_of_a_known_person_leads_to_them_too(enter) -> None:
    first = enter(WECHAT, "person", PHONE).get_json()["profile"]["userId"]
    assert enter(WECHAT, "person", OTHER_PHONE).get_json()["profile"]["userId"] == first

    for who, phone in (("2088", PHONE), ("2089", OTHER_PHONE)):
        assert enter(ALIPAY, who, phone).get_json()["profile"]["userId"] == first
    view, created = identity.find_or_create_customer(SHOP, CustomerForm(phone=OTHER_PHONE), OWNER)
    assert (view.uid, created) == (first, False)
    assert customers() == 1


def test_two_customers_are_never_made_one(enter) -> None:
    enter(WECHAT, "person", PHONE)
    enter(WECHAT, "other", OTHER_PHONE)

    answer = enter(WECHAT, "person", OTHER_PHONE)

    assert_problem(answer, 409, "phone already bound to another user", "PHONE_BOUND")
    with transaction(SHOP) as session:
        rows = session.execute(select(AuditRow.status, AuditRow.details)).all()
    refused = [row.details for row in rows if row.status == "DENIED"]
    assert refused == [
        {"provider": "WECHAT_MINIAPP", "error": "phone already bound to another user"}
    ]


def test_the_same_person_at_two_merchants_is_two_customers(client, enter) -> None:
    here = enter(WECHAT, "person", PHONE).get_json()
    there = enter(WECHAT, "person", PHONE, shop=OTHER_SHOP).get_json()

    assert there["isNewUser"] is True
    assert there["profile"]["userId"] != here["profile"]["userId"]
    assert customers(SHOP) == customers(OTHER_SHOP) == 1
    query = {"merchantId": SHOP}
    token = bearer(there["token"])
    assert_problem(client.get("/api/customer/code", query_string=query, headers=token), 403)
    hashes = []
    for shop in (SHOP, OTHER_SHOP):
        with transaction(shop) as session:
            hashes += session.scalars(select(SocialIdentity.subject_hash)).all()
    assert len(set(hashes)) == 2, "what is stored does not tell that they are one person"


def test_nothing_that_a_provider_says_is_kept_in_clear(app, enter, providers) -> None:
    code = providers.wechat.issue(openid="open-7", unionid="union-7", phoneNumber=PHONE)
    client_of(app).post(WECHAT, json={"merchantId": SHOP, "code": code})

    with transaction(SHOP) as session:
        row = session.scalars(select(SocialIdentity)).one()
        stored = f"{row.subject_hash} {row.union_hash}"
    assert row.union_hash
    assert row.union_hash != row.subject_hash
    assert "open-7" not in stored
    assert "union-7" not in stored


def test_coming_in_is_told_to_the_campaigns_and_the_audit(enter) -> None:
    user_id = enter(ALIPAY, "2088", PHONE).get_json()["profile"]["userId"]

    about = {"provider": "ALIPAY", "isNewUser": True}
    with transaction(SHOP) as session:
        event = session.execute(select(OutboxEvent.type, OutboxEvent.payload)).one()
        row = session.execute(select(AuditRow)).scalar_one()
    told = {name: value for name, value in event.payload.items() if name != "occurredAt"}
    assert (event.type, told) == ("USER_ENTER_SHOP", {"userId": user_id, **about})
    assert (row.action, row.operator_id, row.details) == ("CUSTOMER_SIGN_IN", user_id, about)


# --- phones count only when they are proved ---------------------------------------------------


def test_a_phone_that_is_merely_said_proves_nothing(enter) -> None:
    """Or anybody could take the account of anybody whose phone they know."""
    identity.find_or_create_customer(SHOP, CustomerForm(phone=PHONE), OWNER)

    alone = enter(WECHAT, "thief", None, phone=PHONE)
    beside = enter(WECHAT, "thief", OTHER_PHONE, phone=PHONE)

    assert_problem(alone, 400, "phone is required for customer login", "PHONE_REQUIRED")
    assert beside.get_json()["profile"]["phone"] == OTHER_PHONE
    assert beside.get_json()["isNewUser"] is True


def test_a_phone_counts_with_the_code_that_was_sent_to_it(enter) -> None:
    known, _ = identity.find_or_create_customer(SHOP, CustomerForm(phone=PHONE), OWNER)
    code = code_for(PHONE)

    guessed = enter(WECHAT, "person", None, phone=PHONE, phoneCode=wrong(code))
    proved = enter(WECHAT, "person", None, phone=PHONE, phoneCode=code)
    spent = enter(WECHAT, "thief", None, phone=PHONE, phoneCode=code)

    assert_problem(guessed, 400, "code mismatch", "CODE_MISMATCH")
    assert proved.get_json()["profile"] == {
        "role": "CUSTOMER",
        "merchantId": SHOP,
        "userId": known.uid,
        "phone": PHONE,
    }
    assert_problem(spent, 400, "code not requested")


def test_the_providers_phone_wins_and_the_code_is_not_spent(enter) -> None:
    code = code_for(OTHER_PHONE)

    first = enter(WECHAT, "person", PHONE, phone=OTHER_PHONE, phoneCode=code)

    assert first.get_json()["profile"]["phone"] == PHONE
    assert enter(ALIPAY, "x", None, phone=OTHER_PHONE, phoneCode=code).status_code == 200


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("url", [WECHAT, ALIPAY])
@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({}, 400, "merchantId is required"),
        ({"merchantId": " ", "code": "c"}, 400, "merchantId is required"),
        ({"merchantId": "!", "code": "c"}, 400, "merchantId format invalid"),
        ({"merchantId": SHOP}, 400, "code is required"),
        ({"merchantId": SHOP, "code": " "}, 400, "code is required"),
        ({"merchantId": SHOP, "code": "c", "phone": "12"}, 400, "phone format invalid"),
        ({"merchantId": "m_nowhere", "code": "c"}, 404, "merchant not found"),
    ],
)
def test_what_is_asked_wrongly_never_reaches_a_provider(
    client, providers, url, body, status, error
) -> None:
    assert_problem(client.post(url, json=body), status, error)
    assert not providers.wechat.asked
    assert not providers.alipay.asked


def test_a_shop_may_be_called_a_store(client, providers) -> None:
    code = providers.issue(WECHAT, "person", PHONE)
    answer = client.post(WECHAT, json={"storeId": SHOP.upper(), "code": code})
    assert answer.get_json()["profile"]["merchantId"] == SHOP


@pytest.mark.parametrize(
    ("url", "error"),
    [(WECHAT, "WeChat Mini App auth is not configured"), (ALIPAY, "Alipay auth is not configured")],
)
def test_without_a_provider_nobody_signs_in(app, client, url, error) -> None:
    make_merchant(SHOP)
    assert_problem(client.post(url, json={"merchantId": SHOP, "code": "c"}), 503, error)


@pytest.mark.parametrize(
    ("url", "error"), [(WECHAT, "invalid wechat identity"), (ALIPAY, "invalid alipay identity")]
)
def test_a_code_is_good_for_one_sign_in(client, providers, url, error) -> None:
    body = {"merchantId": SHOP, "code": providers.issue(url, "person", PHONE)}

    assert client.post(url, json=body).status_code == 200
    assert_problem(client.post(url, json=body), 401, error)
    assert_problem(client.post(url, json=body | {"code": "made up"}), 401, error)
    assert customers() == 1


def test_a_phone_without_its_country_is_the_same_phone(enter) -> None:
    first = enter(WECHAT, "one", PHONE.removeprefix("+86")).get_json()
    second = enter(ALIPAY, "two", PHONE).get_json()

    assert (first["isNewUser"], second["isNewUser"]) == (True, False)
    assert first["profile"]["userId"] == second["profile"]["userId"]
    assert first["profile"]["phone"] == PHONE


BAD_DAYS = {
    (WECHAT, Behaviour.BROKEN): (502, "WeChat Mini App auth service is not available"),
    (WECHAT, Behaviour.REDIRECTS): (502, "WeChat Mini App auth service is not available"),
    (WECHAT, Behaviour.GARBAGE): (502, "WeChat Mini App auth service did not answer in JSON"),
    (WECHAT, Behaviour.FLOODS): (502, "WeChat Mini App auth service is not available"),
    (WECHAT, Behaviour.DROPS): (502, "WeChat Mini App auth service is not available"),
    (WECHAT, Behaviour.HANGS): (504, "WeChat Mini App auth service timed out"),
    (WECHAT, Behaviour.TRICKLES): (504, "WeChat Mini App auth service timed out"),
    (WECHAT, Behaviour.LIST): (401, "invalid wechat identity"),
    (WECHAT, Behaviour.EMPTY): (401, "invalid wechat identity"),
    (ALIPAY, Behaviour.BROKEN): (401, "invalid alipay identity"),
    (ALIPAY, Behaviour.REDIRECTS): (401, "invalid alipay identity"),
    (ALIPAY, Behaviour.GARBAGE): (502, "Alipay auth service did not answer in JSON"),
    (ALIPAY, Behaviour.FLOODS): (503, "Alipay auth service is not available"),
    (ALIPAY, Behaviour.DROPS): (503, "Alipay auth service is not available"),
    (ALIPAY, Behaviour.HANGS): (504, "Alipay auth service timed out"),
    (ALIPAY, Behaviour.TRICKLES): (504, "Alipay auth service timed out"),
    (ALIPAY, Behaviour.EMPTY): (401, "invalid alipay identity"),
}


@pytest.mark.parametrize(("url", "behaviour"), BAD_DAYS)
def test_a_provider_with_a_bad_day_lets_nobody_in(
    client, providers, configure, url, behaviour
) -> None:
    waits = behaviour in {Behaviour.HANGS, Behaviour.TRICKLES}
    configure(auth_http_timeout_ms=200 if waits else 10_000)
    providers.wechat.behaviour = providers.alipay.behaviour = behaviour
    code = providers.issue(url, "person", PHONE)

    answer = client.post(url, json={"merchantId": SHOP, "code": code})

    status, error = BAD_DAYS[url, behaviour]
    shown = assert_problem(answer, status, error)
    assert wechat.APP_SECRET not in str(shown)
    assert len(providers.wechat.asked + providers.alipay.asked) == 1, "a code is never tried twice"
    assert customers() == 0


def test_a_provider_that_hangs_does_not_take_every_thread(app, providers, monkeypatch) -> None:
    monkeypatch.setattr(social_gateway, "_places", BoundedSemaphore(2))
    providers.wechat.behaviour = Behaviour.HANGS
    body = {"merchantId": SHOP, "code": "c"}

    def sign_in() -> int:
        return client_of(app).post(WECHAT, json=body).status_code

    assert sorted(run_together(app, [sign_in] * 6)) == [503] * 4 + [504] * 2
    providers.wechat.behaviour = Behaviour.EMPTY
    assert sign_in() == 401, "the places are free again"


def test_a_provider_whom_nobody_reaches_is_told(client, providers, configure) -> None:
    configure(auth_wechat_base_url="http://127.0.0.1:1", auth_alipay_verify_url="http://[::bad")
    body = {"merchantId": SHOP, "code": "c"}
    assert_problem(client.post(WECHAT, json=body), 502, code="SOCIAL_PROVIDER_FAILED")
    assert_problem(client.post(ALIPAY, json=body), 503, code="SOCIAL_PROVIDER_AWAY")


def test_wrong_credentials_of_ours_let_nobody_in(client, providers, configure) -> None:
    configure(auth_wechat_app_secret="another", auth_alipay_app_secret="another")
    for url in (WECHAT, ALIPAY):
        body = {"merchantId": SHOP, "code": providers.issue(url, "person", PHONE)}
        assert client.post(url, json=body).status_code == 401


@pytest.mark.parametrize("phone", ["139****0001", "n/a"])
def test_a_phone_that_is_none_is_refused(enter, phone) -> None:
    assert_problem(enter(WECHAT, "person", phone), 400, "phone format invalid")


# --- freeze, end of an account, many at once --------------------------------------------------


def test_a_freeze_lets_known_people_in_and_nobody_new(enter) -> None:
    known = enter(WECHAT, "person", PHONE).get_json()["profile"]
    freeze()

    assert enter(WECHAT, "person", PHONE, displayName="Mei").get_json()["profile"] == known
    assert enter(ALIPAY, "2088", PHONE).get_json()["profile"] == known
    refused = enter(WECHAT, "new", OTHER_PHONE)

    assert_problem(refused, 403, code="TENANT_WRITE_DISABLED")
    assert customers() == 1
    with transaction(SHOP) as session:
        rows = session.execute(select(AuditRow.details).where(AuditRow.status == "BLOCKED")).all()
    assert [row.details["policyCode"] for row in rows] == ["TENANT_WRITE_DISABLED"]


def test_a_shop_can_limit_how_often_customers_sign_in(enter) -> None:
    with transaction(SHOP) as session:
        limits = {"CUSTOMER_SIGN_IN": Limit(1)}
        tenancy.set_policy(session, SHOP, TenantPolicy(limits=limits))
    for _ in range(2):
        assert enter(WECHAT, "person", "n/a").status_code == 400  # which does not count
    assert enter(WECHAT, "person", PHONE).status_code == 200
    words = f"CUSTOMER_SIGN_IN quota exceeded for merchant {SHOP}"
    assert_problem(enter(ALIPAY, "2088", PHONE), 429, words, "TENANT_RATE_LIMITED")
    assert enter(WECHAT, "person", PHONE, shop=OTHER_SHOP).status_code == 200


def test_whoever_left_is_never_found_again(client, enter) -> None:
    gone = enter(WECHAT, "person", PHONE).get_json()
    assert enter(ALIPAY, "2088", PHONE).status_code == 200
    own = bearer(gone["token"])
    assert client.get("/api/customer/code", headers=own).status_code == 200

    leave(gone["profile"]["userId"])

    assert_problem(client.get("/api/customer/code", headers=own), 401)
    with transaction(SHOP) as session:
        assert identity.identities_of(session, SHOP, gone["profile"]["userId"]) == []
    fresh = enter(WECHAT, "person", PHONE).get_json()
    assert fresh["isNewUser"] is True
    assert fresh["profile"]["userId"] != gone["profile"]["userId"]
    assert_problem(client.get("/api/customer/code", headers=own), 401)


def test_a_phone_left_behind_stops_nobody(enter) -> None:
    """Should a phone or a link ever outlive its account, both go to whoever proves them next."""
    gone = enter(WECHAT, "person", PHONE).get_json()["profile"]["userId"]
    with transaction(SHOP) as session:
        session.execute(
            update(Customer).where(Customer.merchant_id == SHOP).values(deleted_at=utc_now())
        )

    fresh = enter(WECHAT, "person", PHONE).get_json()

    assert fresh["isNewUser"] is True
    assert enter(WECHAT, "person").get_json()["profile"] == fresh["profile"]
    assert fresh["profile"]["userId"] != gone


def test_many_sign_ins_of_somebody_new_make_one_customer(app, providers) -> None:
    urls = [WECHAT, ALIPAY] * 4
    codes = [providers.issue(url, "person", PHONE) for url in urls]

    def sign_in(url: str, code: str) -> Callable[[], Any]:
        body = {"merchantId": SHOP, "code": code}
        return lambda: client_of(app).post(url, json=body).get_json()

    bodies = run_together(app, [sign_in(*pair) for pair in zip(urls, codes, strict=True)])

    assert len({body["profile"]["userId"] for body in bodies}) == 1, bodies
    assert sum(body["isNewUser"] for body in bodies) == 1
    assert customers() == 1


def test_a_sign_in_that_meets_the_end_of_the_account_leaves_no_trace(app, providers) -> None:
    """Whoever comes second: the old account is gone for good, and nothing leads to it."""
    for number in range(6):
        phone = f"+861390000010{number}"
        person, _ = identity.find_or_create_customer(SHOP, CustomerForm(phone=phone), OWNER)
        code = providers.issue(WECHAT, f"person-{number}", phone)
        body = {"merchantId": SHOP, "code": code}

        def sign_in(body: dict[str, str] = body) -> Any:
            return client_of(app).post(WECHAT, json=body).get_json()

        def end(user_id: str = person.uid) -> None:
            with transaction(SHOP) as session:
                identity.erase_customer(session, SHOP, user_id, cancelled=True)

        entered, ended = run_together(app, [sign_in, end])

        assert ended is None
        is_old = entered["profile"]["userId"] == person.uid
        assert entered["isNewUser"] is not is_old
        with transaction(SHOP) as session:
            assert identity.identities_of(session, SHOP, person.uid) == []


def test_sign_ins_are_counted_by_address(app, client, providers, monkeypatch) -> None:
    count_here(app, monkeypatch)
    body = {"merchantId": SHOP, "code": "made up"}
    statuses = [client.post(WECHAT, json=body).status_code for _ in range(31)]
    assert statuses == [401] * 30 + [429]
