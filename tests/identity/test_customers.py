import pytest
from pydantic import ValidationError
from sqlalchemy import func, select, update

from mealquest.audit.models import AuditRow
from mealquest.core.db import transaction
from mealquest.core.errors import Invalid
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.identity.errors import UserExists, UserNotFound
from mealquest.identity.forms import CustomerForm, CustomersForm
from mealquest.identity.models import Customer
from tests.identity.parallel import at_once

pytestmark = pytest.mark.usefixtures("app")

PHONE = "+8613900000001"
CLERK = Principal(Role.CLERK, "staff_clerk", "m_a", "Lin")


def come(phone: str = PHONE, name: str | None = None, *, merchant_id: str = "m_a"):
    form = CustomerForm(phone=phone, display_name=name)
    return identity.find_or_create_customer(merchant_id, form, CLERK)


def add(customer_id: str, name: str = "Mei", phone: str | None = None, merchant_id="m_a") -> None:
    with transaction(merchant_id) as session:
        identity.create_customer(
            session,
            merchant_id,
            customer_id=customer_id,
            display_name=name,
            tags=["REGULAR"],
            fragments={"spicy": 2},
            phone=phone,
        )


def found(query: str | None = None, merchant_id: str = "m_a", **form) -> list[str]:
    page = identity.customers(merchant_id, CustomersForm(query=query, **form))
    return [item.uid for item in page.items]


def facts(user_id: str, merchant_id: str = "m_a"):
    with transaction(merchant_id) as session:
        return identity.customer_facts(session, merchant_id, user_id)


# --- one customer a phone -----------------------------------------------------------------


def test_a_new_phone_is_a_new_customer():
    view, created = come()

    assert created
    assert view.display_name == "MealQuest User"
    assert view.tags == ["NEW_USER"]
    assert view.phone_masked == "****0001"
    assert facts(view.uid).fragments == {"spicy": 0, "noodle": 0}


def test_a_known_phone_is_the_customer_there_is():
    first, _ = come(name="Mei")
    second, created = come("8613900000001", name="Somebody else")

    assert not created
    assert second == first
    assert second.display_name == "Mei"


def test_the_same_phone_at_another_merchant_is_another_customer():
    ours, _ = come()
    theirs, created = come(merchant_id="m_b")
    assert created
    assert theirs.uid != ours.uid


def test_many_at_once_with_one_phone_make_one_customer(app):
    outcomes = at_once(app, *[come] * 12)

    assert len({view.uid for view, _ in outcomes}) == 1
    assert sum(created for _, created in outcomes) == 1
    assert len(found()) == 1


def test_only_a_creation_is_audited():
    view, _ = come()
    come()
    with transaction("m_a") as session:
        rows = session.scalars(select(AuditRow)).all()
    assert [(row.action, row.operator_id, row.details) for row in rows] == [
        ("CUSTOMER_CREATE", "staff_clerk", {"userId": view.uid})
    ]


def test_a_phone_is_stored_encrypted():
    view, _ = come()
    with transaction("m_a") as session:
        row = session.scalars(select(Customer)).one()
        key = identity.personal_key(session, "m_a", row.id)
    assert "13900000001" not in row.phone + row.phone_hash
    assert key.open(row.phone, "customers.phone") == PHONE
    assert "13900000001" not in view.as_json()


@pytest.mark.parametrize("sent", [{}, {"phone": "123"}, {"phone": 5}])
def test_a_phone_of_another_form_is_refused(sent):
    with pytest.raises(ValidationError, match="phone format invalid"):
        CustomerForm.model_validate(sent)


def test_an_empty_name_is_none():
    view, _ = identity.find_or_create_customer(
        "m_a", CustomerForm.model_validate({"phone": PHONE, "displayName": "  "}), CLERK
    )
    assert view.display_name == "MealQuest User"


def test_an_id_or_a_phone_is_given_once():
    add("u_1", phone=PHONE)
    with pytest.raises(UserExists):
        add("u_1")
    with pytest.raises(UserExists):
        add("u_2", phone=PHONE)
    add("u_1", phone=PHONE, merchant_id="m_b")


# --- facts --------------------------------------------------------------------------------


def test_the_facts_of_a_customer():
    add("u_1", "Mei", PHONE)
    known = facts("u_1")
    assert (known.id, known.display_name, known.phone_last4) == ("u_1", "Mei", "0001")
    assert (known.tags, known.fragments) == (["REGULAR"], {"spicy": 2})


def test_a_stranger_s_customer_is_not_found():
    add("u_1")
    with pytest.raises(UserNotFound, match=r"^user not found$"):
        facts("u_1", "m_b")
    with transaction("m_a", "m_b") as session, pytest.raises(UserNotFound):
        identity.customer_facts(session, "m_b", "u_1")


def test_a_customer_who_left_is_not_found_nor_listed():
    add("u_1")
    with transaction("m_a") as session:
        session.execute(update(Customer).values(deleted_at=func.now()))
    with pytest.raises(UserNotFound):
        facts("u_1")
    assert found() == []


# --- finding ------------------------------------------------------------------------------


@pytest.fixture
def people():
    add("u_mei", "Mei Lin", "+8613900000001")
    add("u_tom", "Tom 100%", "+8613900000002")
    add("u_ana", "ANA_maria", "+8613911110001")
    add("u_noname", "李小龙")
    add("u_other", "Mei Lin", "+8613900000001", merchant_id="m_b")


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("mei", {"u_mei"}),
        ("MARIA", {"u_ana"}),
        ("小龙", {"u_noname"}),
        ("+8613900000002", {"u_tom"}),
        ("8613900000002", {"u_tom"}),
        ("0001", {"u_mei", "u_ana"}),
        ("u_noname", {"u_noname"}),
        ("u_non", set()),
        ("100%", {"u_tom"}),
        ("tom 1", {"u_tom"}),
        ("%", set()),
        ("_", set()),
        ("in", set()),
        ("龙", {"u_noname"}),
        ("小李", set()),
        ("ＭＥＩ", {"u_mei"}),
        ("a_m", {"u_ana"}),
        ("\\", set()),
        ("/", set()),
        ("u_other", set()),
        ("1390000", set()),
        ("' OR 1=1", set()),
        ("  mei  ", {"u_mei"}),
        ("", {"u_mei", "u_tom", "u_ana", "u_noname"}),
        (None, {"u_mei", "u_tom", "u_ana", "u_noname"}),
    ],
)
def test_a_query_finds_by_name_phone_last_digits_or_id(people, query, ids):
    assert set(found(query)) == ids


def test_pages_go_from_the_newest_to_the_oldest_without_a_gap():
    ids = [f"u_{number:02d}" for number in range(7)]
    for customer_id in ids:
        add(customer_id)

    seen, cursor = [], None
    while True:
        page = identity.customers("m_a", CustomersForm(limit=3, cursor=cursor))
        seen += [item.uid for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ids[::-1]


def test_customers_of_one_moment_are_not_lost_between_pages():
    with transaction("m_a") as session:
        for number in range(5):
            identity.create_customer(
                session,
                "m_a",
                customer_id=f"u_{number}",
                display_name="Same moment",
                tags=[],
                fragments={},
            )
    first = identity.customers("m_a", CustomersForm(limit=2))
    second = identity.customers("m_a", CustomersForm(limit=3, cursor=first.next_cursor))
    assert [item.uid for item in [*first.items, *second.items]] == [
        f"u_{n}" for n in (4, 3, 2, 1, 0)
    ]
    assert second.next_cursor is None


def test_a_cursor_of_another_merchant_shows_nothing_of_it():
    add("u_1", merchant_id="m_b")
    add("u_2", merchant_id="m_b")
    theirs = identity.customers("m_b", CustomersForm(limit=1)).next_cursor
    assert found(cursor=theirs) == []


@pytest.mark.parametrize("cursor", ["x", "AAAA", "MjAyNi0wMS0wMQ==", "é", "bm90LWEtZGF0ZXx1XzE="])
def test_a_cursor_that_is_none_is_refused(cursor):
    with pytest.raises(Invalid, match="cursor is not valid") as refusal:
        found(cursor=cursor)
    assert refusal.value.reason == "CURSOR_INVALID"


@pytest.mark.parametrize(
    ("sent", "limit"), [(None, 20), ("", 20), ("x", 20), (0, 20), (-1, 20), ("7", 7), (500, 100)]
)
def test_a_limit_is_between_one_and_a_hundred(sent, limit):
    assert CustomersForm.model_validate({"limit": sent}).limit == limit
    assert CustomersForm.model_validate({}).limit == 20


def test_the_page_says_whose_it_is():
    come()
    page = identity.customers("m_a", CustomersForm())
    assert page.merchant_id == "m_a"
    assert set(page.items[0].model_dump(by_alias=True)) == {
        "uid",
        "displayName",
        "phoneMasked",
        "tags",
        "createdAt",
    }
