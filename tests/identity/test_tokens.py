import base64
import json
from datetime import timedelta

import jwt
import pytest
from sqlalchemy import event, func, update

from mealquest.core.clock import utc_now
from mealquest.core.db import db, transaction
from mealquest.core.errors import Unauthenticated
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.identity.errors import StaffExists, StaffNotFound, StaffPhoneTaken
from mealquest.identity.models import Customer, Staff
from tests.conftest import JWT_SECRET
from tests.identity.parallel import at_once
from tests.identity.steps import PHONE, fire, hire, open_shop

NOW_S = int(utc_now().timestamp())


def foreign(secret: str = JWT_SECRET, algorithm: str = "HS256", **claims) -> str:
    """A token of another issuer, for the owner of m_a unless told otherwise."""
    now = int(utc_now().timestamp())
    valid = {
        "role": "OWNER",
        "merchantId": "m_a",
        "operatorId": "staff_owner",
        "iat": now,
        "exp": now + 43_200,
    }
    said = {name: value for name, value in (valid | claims).items() if value is not ...}
    return jwt.encode(said, secret, algorithm=algorithm)


def own(role=Role.OWNER, subject="staff_owner", merchant_id="m_a", epoch=0, **rest) -> str:
    return identity.mint(Principal(role, subject, merchant_id), epoch, **rest)


def enter(token: str) -> Principal:
    claims = identity.read_token(token)
    merchants = (claims.merchant_id,) if claims.merchant_id else ()
    with transaction(*merchants) as session:
        return identity.principal_of(session, claims)


def part(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def add_customer(merchant_id: str = "m_a", customer_id: str = "u_1") -> None:
    with transaction(merchant_id) as session:
        identity.create_customer(
            session,
            merchant_id,
            customer_id=customer_id,
            display_name="Mei",
            tags=[],
            fragments={},
        )


# --- what a token says --------------------------------------------------------------------


def test_a_token_of_staff_says_who_where_and_how_long(shop):
    claims = jwt.decode(own(), JWT_SECRET, algorithms=["HS256"])
    assert claims.pop("exp") - claims.pop("iat") == 43_200
    assert claims == {
        "role": "OWNER",
        "merchantId": "m_a",
        "operatorId": "staff_owner",
        "ver": 0,
    }


def test_a_token_of_a_customer_names_a_user(shop):
    claims = jwt.decode(own(Role.CUSTOMER, "u_1"), JWT_SECRET, algorithms=["HS256"])
    assert claims["userId"] == "u_1"
    assert "operatorId" not in claims


def test_a_token_of_an_applicant_lasts_ten_minutes_and_opens_no_merchant(app):
    token = identity.mint(Principal(Role.APPLICANT, PHONE), 0)
    claims = jwt.decode(token, JWT_SECRET, algorithms=["HS256"])
    assert claims["role"] == "OWNER_PENDING"
    assert claims["exp"] - claims["iat"] == 600
    assert "merchantId" not in claims
    assert enter(token) == Principal(Role.APPLICANT, PHONE)


def test_a_merchant_written_into_an_applicant_s_token_counts_for_nothing(shop):
    token = foreign(role="OWNER_PENDING", phone=PHONE)
    assert enter(token) == Principal(Role.APPLICANT, PHONE)


# --- what is no token ---------------------------------------------------------------------


def test_an_expired_token(shop):
    with pytest.raises(Unauthenticated, match=r"^token expired$") as refusal:
        identity.read_token(own(ttl=timedelta(0)))
    assert refusal.value.reason == "TOKEN_EXPIRED"


def test_a_token_signed_with_another_secret(shop):
    with pytest.raises(Unauthenticated, match=r"^invalid token signature$"):
        identity.read_token(foreign(secret="another-secret-of-32-bytes-at-least"))


def test_a_token_with_changed_claims(shop):
    header, payload, signature = own(Role.CLERK).split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    changed = part(json.dumps(claims | {"role": "OWNER"}).encode())
    with pytest.raises(Unauthenticated, match=r"^invalid token signature$"):
        identity.read_token(f"{header}.{changed}.{signature}")


@pytest.mark.parametrize("algorithm", ["none", "None", "HS384", "RS256"])
def test_a_token_of_another_algorithm(shop, algorithm):
    header = part(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    _, payload, signature = own().split(".")
    for tail in ("", signature):
        with pytest.raises(Unauthenticated, match="invalid token"):
            identity.read_token(f"{header}.{payload}.{tail}")


def test_a_token_signed_by_another_algorithm_with_the_right_secret(shop):
    with pytest.raises(Unauthenticated, match=r"^invalid token$"):
        identity.read_token(foreign(secret=JWT_SECRET * 2, algorithm="HS512"))


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "....", "é.é.é", "null", part(b"{}") * 3])
def test_a_text_that_is_no_token(app, text):
    with pytest.raises(Unauthenticated, match=r"^invalid token$"):
        identity.read_token(text)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": ...},
        {"merchantId": ...},
        {"merchantId": None},
        {"merchantId": "m_a,m_noise"},
        {"merchantId": "M_A"},
        {"operatorId": ...},
        {"operatorId": ""},
        {"operatorId": 7},
        {"operatorId": "staff\x00"},
        {"operatorId": "\ud800"},
        {"operatorId": ..., "userId": "staff_owner"},
        {"role": ...},
        {"role": "OPERATOR"},
        {"role": "SYSTEM"},
        {"role": "ADMIN"},
        {"role": ["OWNER"]},
        {"role": "CUSTOMER"},
        {"role": "CUSTOMER", "userId": "u_1", "merchantId": ...},
        {"iat": "yesterday"},
        {"iat": True},
        {"iat": NOW_S + 4_000},
        {"ver": "0"},
        {"ver": 1e999},
        {"exp": "later"},
        {"role": "OWNER_PENDING"},
    ],
    ids=",".join,  # every worker collects the same names, whatever the time is
)
def test_a_token_that_does_not_say_what_it_must(shop, claims):
    with pytest.raises(Unauthenticated, match=r"^invalid token$"):
        identity.read_token(foreign(**claims))


# --- whom it stands for -------------------------------------------------------------------


def test_a_token_of_another_issuer_is_as_good(shop):
    who = enter(foreign())
    assert (who.role, who.subject, who.merchant_id) == (Role.OWNER, "staff_owner", "m_a")


def test_a_token_is_proved_by_one_statement(shop):
    claims = identity.read_token(own())
    statements = []

    def note(*_):
        statements.append(1)

    with transaction("m_a") as session:
        event.listen(db.engine, "before_cursor_execute", note)
        try:
            identity.principal_of(session, claims)
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
    assert len(statements) == 1


def test_the_staff_of_another_merchant_is_nobody_here(shop):
    open_shop("m_b")
    hire("m_b", staff_id="staff_b", phone=None)
    with pytest.raises(Unauthenticated, match=r"^invalid token$"):
        enter(own(subject="staff_b"))
    with pytest.raises(Unauthenticated):
        enter(own(merchant_id="m_b"))
    with pytest.raises(Unauthenticated):
        enter(own(merchant_id="m_nobody"))


def test_even_a_transaction_that_sees_both_merchants_keeps_them_apart(shop):
    open_shop("m_b")
    hire("m_b", staff_id="staff_b", phone=None)
    claims = identity.read_token(own(subject="staff_b"))
    with transaction("m_a", "m_b") as session, pytest.raises(Unauthenticated):
        identity.principal_of(session, claims)


@pytest.mark.parametrize("minted", [own, foreign], ids=["ours", "another issuer's"])
def test_removed_staff(shop, minted):
    token = minted()
    assert enter(token)
    fire("m_a", "staff_owner")
    with pytest.raises(Unauthenticated, match=r"^invalid token$"):
        enter(token)


@pytest.mark.parametrize("minted", [own, foreign], ids=["ours", "another issuer's"])
def test_a_role_that_is_not_the_person_s(shop, minted):
    token = minted()
    with transaction("m_a") as session:
        session.execute(
            update(Staff)
            .where(Staff.merchant_id == "m_a", Staff.id == "staff_owner")
            .values(role=Role.CLERK)
        )
    with pytest.raises(Unauthenticated, match=r"^invalid token$"):
        enter(token)


def test_a_customer_and_a_staff_member_of_one_id_are_two(shop):
    add_customer(customer_id="staff_owner")
    assert enter(own()).name == "Chen"
    assert enter(own(Role.CUSTOMER, "staff_owner")).name == "Mei"
    with pytest.raises(Unauthenticated):
        enter(own(Role.CUSTOMER, "u_nobody"))


def test_a_customer_who_left(shop):
    add_customer()
    token = own(Role.CUSTOMER, "u_1")
    assert enter(token).role is Role.CUSTOMER
    with transaction("m_a") as session:
        session.execute(update(Customer).values(deleted_at=func.now()))
    with pytest.raises(Unauthenticated):
        enter(token)


def test_a_token_of_another_issuer_from_before_the_person_came(shop):
    with pytest.raises(Unauthenticated):
        enter(foreign(iat=NOW_S - 86_400))
    with pytest.raises(Unauthenticated):
        enter(foreign(iat=...))


# --- signing out --------------------------------------------------------------------------


def test_signing_out_ends_every_token_of_the_person_at_once(shop):
    hire("m_a", Role.CLERK, staff_id="staff_clerk", phone=None)
    tokens = [own(), own(), foreign()]
    colleague = own(Role.CLERK, "staff_clerk")

    identity.sign_out(enter(tokens[0]))

    for token in tokens:
        with pytest.raises(Unauthenticated, match=r"^invalid token$"):
            enter(token)
    assert enter(colleague)


def test_after_signing_out_one_can_sign_in_again(shop):
    identity.sign_out(enter(own()))
    principal, epoch = identity.staff_principal("m_a", "staff_owner")
    assert enter(identity.mint(principal, epoch)) == principal


def test_a_customer_signs_out_without_the_staff_of_that_id(shop):
    add_customer(customer_id="staff_owner")
    token = own(Role.CUSTOMER, "staff_owner")
    identity.sign_out(enter(token))
    with pytest.raises(Unauthenticated):
        enter(token)
    assert enter(own())


def test_an_applicant_signs_out_without_a_trace(app):
    identity.sign_out(Principal(Role.APPLICANT, PHONE))


def test_signing_out_many_times_at_once_is_signing_out(shop, app):
    who = enter(own())
    assert at_once(app, *[lambda: identity.sign_out(who)] * 6) == [None] * 6
    with pytest.raises(Unauthenticated):
        enter(own())


# --- staff --------------------------------------------------------------------------------


def test_a_phone_belongs_to_one_person_of_a_merchant(shop):
    with pytest.raises(StaffPhoneTaken):
        hire("m_a", Role.CLERK, phone=PHONE.removeprefix("+"))
    with pytest.raises(StaffNotFound):
        identity.staff_principal("m_a", "staff_clerk")


def test_an_id_belongs_to_one_person_even_after_they_left(shop):
    fire("m_a", "staff_owner")
    with pytest.raises(StaffExists):
        hire("m_a", staff_id="staff_owner", phone=None)


def test_who_is_not_there_cannot_be_removed(shop):
    with pytest.raises(StaffNotFound, match=r"^staff not found$"):
        fire("m_noise", "staff_owner")
    fire("m_a", "staff_owner")
    with pytest.raises(StaffNotFound):
        fire("m_a", "staff_owner")


def test_only_staff_have_a_place_among_the_staff(shop):
    with pytest.raises(ValueError, match="CUSTOMER"):
        hire("m_a", Role.CUSTOMER)


def test_where_a_phone_works(shop):
    assert identity.works_at("m_a", PHONE)
    assert not identity.works_at("m_noise", PHONE)
    assert not identity.works_at("m_a", "+8613911112222")
