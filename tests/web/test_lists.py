"""What the lists of payments and customers share: filters, order, pages, CSV."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text, update

from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.identity.models import Customer
from mealquest.payments import service as payments
from mealquest.payments.forms import VerifyForm
from tests.factories.customers import make_customer
from tests.factories.http import assert_problem, bearer
from tests.factories.requests import CLERK, keyed
from tests.factories.wallet import make_wallet

# The first day in Shanghai begins here.
MIDNIGHT = datetime(2026, 3, 1, 16, tzinfo=UTC)
LISTS = ["payments", "customers"]
IDS = {"payments": "paymentTxnId", "customers": "uid"}


@pytest.fixture
def owner(shop):
    return bearer(shop.tokens[Role.OWNER])


def ask(client, headers, what: str, **query):
    answer = client.get(f"/api/{what}", query_string=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def ids(found: dict, what: str = "payments") -> list[str]:
    return [item[IDS[what]] for item in found["items"]]


def pay(merchant_id: str, customer_id: str, at: datetime) -> str:
    form = VerifyForm(user_id=customer_id, order_amount=Decimal(1), voucher_id="NONE")
    request = keyed(form, f"k{at.isoformat()}{customer_id}")
    payment_id = payments.verify(merchant_id, form, CLERK, request).payment_txn_id
    with transaction(merchant_id) as session:
        session.execute(
            text("UPDATE payments SET created_at = :at WHERE merchant_id = :m AND id = :id"),
            {"at": at, "m": merchant_id, "id": payment_id},
        )
    return payment_id


def join(merchant_id: str, at: datetime, **details) -> str:
    customer_id = make_customer(merchant_id, **details)
    with transaction(merchant_id) as session:
        session.execute(
            update(Customer)
            .where(Customer.merchant_id == merchant_id, Customer.id == customer_id)
            .values(created_at=at)
        )
    return customer_id


def csv_of(answer) -> list[list[str]]:
    assert answer.status_code == 200, answer.text
    assert answer.data.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))


@pytest.mark.parametrize("what", LISTS)
def test_the_json_has_no_words_for_the_page(client, shop, owner, what):
    found = ask(client, owner, what)
    assert found.keys() == {"items", "nextCursor"} | ({"merchantId"} & found.keys())
    assert ("merchantId" in found) is (what == "customers")


@pytest.mark.parametrize("what", LISTS)
@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_pages_in_either_order_meet_every_row_once(client, shop, owner, what, order):
    wallet = make_wallet(shop.merchant_id, principal=5_000)
    for n in range(7):
        at = MIDNIGHT - timedelta(days=n // 2)  # two at the very same time
        if what == "payments":
            pay(shop.merchant_id, wallet.customer_id, at + timedelta(microseconds=n % 2))
        else:
            join(shop.merchant_id, at)
    whole = ids(ask(client, owner, what, limit=100), what)
    seen, cursor = [], None
    while True:
        query = {"limit": 2, "order": order} | ({"cursor": cursor} if cursor else {})
        page = ask(client, owner, what, **query)
        seen += ids(page, what)
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert seen == (whole if order == "newest" else whole[::-1])


@pytest.mark.parametrize("what", LISTS)
def test_a_cursor_of_somebody_elses_making_is_refused(client, shop, owner, what):
    for url in (f"/api/{what}?cursor=x", f"/api/{what}?order=upwards"):
        assert client.get(url, headers=owner).status_code == 400
    assert_problem(client.get(f"/api/{what}?cursor=x", headers=owner), 400, code="CURSOR_INVALID")


def test_payments_are_found_by_state_customer_and_the_shops_days(client, shop, owner):
    other = make_wallet(shop.merchant_id, principal=5_000).customer_id
    before = pay(shop.merchant_id, other, MIDNIGHT - timedelta(seconds=1))
    first = pay(shop.merchant_id, other, MIDNIGHT)
    mine = pay(shop.merchant_id, shop.customer, MIDNIGHT + timedelta(hours=23, minutes=59))
    after = pay(shop.merchant_id, other, MIDNIGHT + timedelta(days=1))

    def found(**query) -> list[str]:
        return ids(ask(client, owner, "payments", **query))

    assert found(fromDay="2026-03-02", toDay="2026-03-02") == [mine, first]
    assert found(toDay="2026-03-01") == [before]
    assert found(userId=other) == [after, first, before]
    assert found(userId=other, fromDay="2026-03-03", toDay="2026-03-03") == [after]
    assert found(status="PAID", userId=other, order="oldest") == [before, first, after]
    assert found(status="PENDING_EXTERNAL") == []
    assert found(status="", fromDay="", toDay="", userId="", order="")[0] == shop.payment
    assert client.get("/api/payments?status=LOST", headers=owner).status_code == 400
    assert client.get("/api/payments?fromDay=today", headers=owner).status_code == 400


def test_the_payments_page_names_whose_they_are_and_keeps_its_filters(client, shop, owner):
    page = client.get(
        f"/console/payments?userId={shop.customer}&status=PAID&limit=50", headers=owner
    ).text
    assert "Of Alpha Guest" in page
    assert 'value="PAID" selected' in page
    assert f'name="userId" value="{shop.customer}"' in page
    assert "1 payment shown." in page
    [url] = re.findall(r'href="(/console/payments\.csv[^"]*)"', page)
    assert sorted(url.partition("?")[2].replace("&amp;", "&").split("&")) == [
        "status=PAID",
        f"userId={shop.customer}",
    ]


@pytest.mark.parametrize("what", LISTS)
def test_a_file_holds_the_whole_list_of_this_shop_only(client, shop, stranger, owner, what):
    wallet = make_wallet(shop.merchant_id, principal=50_000)
    for n in range(25):
        pay(shop.merchant_id, wallet.customer_id, MIDNIGHT + timedelta(minutes=n))
        make_customer(shop.merchant_id, display_name=f"=Guest {n}")
    answer = client.get(f"/console/{what}.csv?limit=2", headers=owner, buffered=True)
    _header, *rows = csv_of(answer)
    whole = ids(ask(client, owner, what, limit=100), what)
    column = 1 if what == "payments" else 4
    assert [row[column] for row in rows] == whole
    for secret in stranger.secrets:
        assert secret not in answer.text
    if what == "customers":
        assert any(row[0] == "'=Guest 3" for row in rows)
        assert shop.customer_phone not in answer.text


def test_a_payments_line_sums_up(client, shop, owner):
    url = f"/console/payments.csv?userId={shop.customer}"
    header, row = csv_of(client.get(url, headers=owner, buffered=True))
    line = dict(zip(header, row, strict=True))
    assert line["State"] == "PAID"
    assert line["Currency"] == "CNY"
    parts = ("Voucher", "Bonus", "Principal", "Change", "Paid outside")
    assert sum(Decimal(line[part]) for part in parts) == Decimal(line["Amount"]) == 5


@pytest.mark.parametrize("what", LISTS)
def test_clerks_and_strangers_take_no_file(client, shop, stranger, what):
    for face in ("api", "console"):
        url = f"/{face}/{what}.csv"
        clerk = client.get(url, headers=bearer(shop.tokens[Role.CLERK]))
        assert clerk.status_code == 403
        foreign = client.get(
            f"{url}?merchantId={stranger.merchant_id}", headers=bearer(shop.tokens[Role.OWNER])
        )
        assert foreign.status_code == 403
    assert client.get(f"/api/{what}.csv").status_code == 401
    guest = client.get(f"/api/{what}.csv", headers=bearer(shop.tokens[Role.CUSTOMER]))
    assert guest.status_code == 403


def test_a_file_that_is_refused_is_refused_before_it_begins(client, shop, owner):
    assert_problem(client.get("/api/payments.csv?status=LOST", headers=owner), 400)


def test_searching_while_typing_answers_the_rows_alone(client, shop, owner):
    headers = owner | {"HX-Request": "true", "HX-Target": "list"}
    rows = client.get("/console/customers?query=Guest&order=&limit=20", headers=headers).text
    assert "<html" not in rows
    assert 'data-announce="1 customer shown."' in rows


def test_customers_are_found_by_the_shops_days_of_joining(client, shop, owner):
    before = join(shop.merchant_id, MIDNIGHT - timedelta(microseconds=1))
    first = join(shop.merchant_id, MIDNIGHT)
    last = join(shop.merchant_id, MIDNIGHT + timedelta(hours=23, minutes=59))
    join(shop.merchant_id, MIDNIGHT + timedelta(days=1))

    def found(**query) -> list[str]:
        return ids(ask(client, owner, "customers", **query), "customers")

    day = {"fromDay": "2026-03-02", "toDay": "2026-03-02"}
    assert found(**day) == [last, first]
    assert found(**day, order="oldest") == [first, last]
    assert found(toDay="2026-03-02", order="oldest") == [before, first, last]
    page = ask(client, owner, "customers", **day, limit=1)
    assert found(**day, limit=1, cursor=page["nextCursor"]) == [first]
    url = "/console/customers.csv?fromDay=2026-03-02&toDay=2026-03-02"
    rows = csv_of(client.get(url, headers=owner, buffered=True))[1:]
    assert [row[4] for row in rows] == [last, first]
    empty = client.get("/console/customers?fromDay=2020-01-01&toDay=2020-01-01", headers=owner)
    assert "Nobody joined on these days." in empty.text
