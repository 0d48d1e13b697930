"""The invoice routes as apps and the console meet them: who may, what they answer, lists, files."""

import csv
import io

import pytest

from mealquest.core.principal import Role
from tests.factories.customers import make_customer
from tests.factories.http import (
    assert_problem,
    bearer,
    client_of,
    customer_token,
    signed_in,
    staff_token,
)
from tests.factories.outside import ask
from tests.factories.wallet import make_wallet
from tests.invoices.conftest import issue, refund
from tests.web.shops import open_shop


@pytest.fixture
def client(app):
    return client_of(app)


@pytest.fixture
def shop(app):
    return open_shop("Alpha", 6)


@pytest.fixture
def guest(shop):
    return bearer(shop.tokens[Role.CUSTOMER])


@pytest.fixture
def clerk(shop):
    return bearer(shop.tokens[Role.CLERK])


def test_the_answer_has_what_the_contract_names(client, shop, clerk):
    answer = client.post(
        "/api/invoice/issue",
        json={"paymentTxnId": shop.payment, "merchantId": "m_other"},
        headers=clerk,
    )
    assert answer.status_code == 200
    found = answer.get_json()
    named = {
        "invoiceNo": "INV000001",
        "merchantId": shop.merchant_id,
        "userId": shop.customer,
        "paymentTxnId": shop.payment,
        "amount": 5,
        "title": "MealQuest Order",
        "taxNo": "",
        "email": "",
        "status": "ISSUED",
    }
    assert {name: found[name] for name in named} == named
    assert found["issuedAt"].endswith("Z")
    again = client.post("/api/invoice/issue", json={"paymentTxnId": shop.payment}, headers=clerk)
    assert again.get_json() == found


def test_refusals_have_the_contract_s_words(client, shop, clerk, guest):
    def post(headers, **body):
        return client.post("/api/invoice/issue", json=body, headers=headers)

    assert_problem(post(clerk, paymentTxnId="txn_none"), 404, "payment not found")
    assert_problem(post(guest, paymentTxnId=shop.payment), 403, "permission denied")
    bad = post(clerk, paymentTxnId=shop.payment, email="a@b.example, c@d.example")
    assert_problem(bad, 400, "email format invalid")
    other = {"userId": "u_same"}
    denied = client.get("/api/invoice/list", query_string=other, headers=guest)
    assert_problem(denied, 403, "user scope denied")


def test_a_customer_has_own_invoices_on_paper_and_nobody_else_s(client, shop, clerk, guest):
    client.post("/api/invoice/issue", json={"paymentTxnId": shop.payment}, headers=clerk)
    twin = bearer(customer_token(shop.merchant_id, "u_same"))

    listed = client.get("/api/invoice/list", headers=guest).get_json()
    paper = client.get("/api/invoices/INV000001/pdf?lang=zh-Hans", headers=guest)

    assert [item["invoiceNo"] for item in listed["items"]] == ["INV000001"]
    assert listed["merchantId"] == shop.merchant_id
    assert listed["pageInfo"] == {"limit": 20, "hasMore": False, "nextCursor": None}
    assert (paper.status_code, paper.mimetype) == (200, "application/pdf")
    assert paper.data.startswith(b"%PDF-")
    assert client.get("/api/invoice/list", headers=twin).get_json()["items"] == []
    for path in ("/api/invoices/INV000001", "/api/invoices/INV000001/pdf"):
        assert_problem(client.get(path, headers=twin), 404, "invoice not found")


@pytest.fixture
def row(app):
    """A shop with five invoices of two customers, and a credit note."""
    row = make_wallet(principal=10_000)
    other = make_wallet(row.merchant_id, make_customer(row.merchant_id), principal=10_000)
    paid = [ask(whose, 10, voucher_id="NONE").payment_txn_id for whose in (row, row, row, other)]
    for payment_id in paid:
        issue(row, payment_id, title="=1+1")
    refund(row, paid[0], 4)
    return row


@pytest.fixture
def owner(app, row):
    from mealquest.core.db import transaction
    from mealquest.identity import service as identity

    with transaction(row.merchant_id) as session:
        identity.add_staff(
            session,
            row.merchant_id,
            staff_id="staff_owner",
            role=Role.OWNER,
            name="Owner",
            phone="+8613600000001",
        )
    return bearer(staff_token(row.merchant_id))


def numbers(client, owner, **query) -> list[str]:
    found, cursor = [], None
    while True:
        asked = query | ({"cursor": cursor} if cursor else {})
        page = client.get("/api/invoice/list", query_string=asked, headers=owner).get_json()
        found += [item["invoiceNo"] for item in page["items"]]
        cursor = page["pageInfo"]["nextCursor"]
        assert page["pageInfo"]["hasMore"] is (cursor is not None)
        if cursor is None:
            return found


def test_pages_meet_every_invoice_once_newest_first(client, row, owner):
    every = ["CRN000001", "INV000004", "INV000003", "INV000002", "INV000001"]
    assert numbers(client, owner) == every
    assert numbers(client, owner, limit=2) == every
    assert numbers(client, owner, limit="0") == every


def test_filters_narrow_the_list(client, row, owner):
    mine = ["CRN000001", "INV000003", "INV000002", "INV000001"]
    assert numbers(client, owner, userId=row.customer_id) == mine
    assert numbers(client, owner, kind="CREDIT_NOTE") == ["CRN000001"]
    assert numbers(client, owner, kind="INVOICE", limit=3) == [
        "INV000004",
        "INV000003",
        "INV000002",
        "INV000001",
    ]
    assert numbers(client, owner, toDay="2020-01-01") == []
    assert len(numbers(client, owner, fromDay="2020-01-01")) == 5
    assert_problem(
        client.get("/api/invoice/list?cursor=x", headers=owner), 400, "cursor is not valid"
    )


def test_the_file_has_every_row_and_runs_nothing(client, row, owner):
    answer = client.get("/api/invoices.csv", headers=owner)
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))

    assert answer.mimetype == "text/csv"
    assert [line[1] for line in rows[1:]] == [
        "CRN000001",
        "INV000004",
        "INV000003",
        "INV000002",
        "INV000001",
    ]
    assert rows[1][2:4] == ["CREDIT_NOTE", "INV000001"]
    assert rows[1][-4:-1] == ["-4.00", "0.00", "-4.00"]
    assert rows[2][-4:-1] == ["10.00", "0.00", "10.00"]
    assert {line[6] for line in rows[1:]} == {"'=1+1"}


def test_the_form_keeps_what_was_typed_when_it_is_refused(app, shop):
    browser = signed_in(app, shop.phones[Role.CLERK], shop.merchant_id)
    address = f"/console/payments/{shop.payment}/invoice"
    typed = {"title": "Acme & Söhne", "email": "nonsense"}
    refused = browser.send_form(address, typed)

    assert refused.status_code == 400
    assert 'value="Acme &amp; Söhne"' in refused.text
    assert 'value="nonsense"' in refused.text

    done = browser.send_form(address, typed | {"email": ""})
    assert (done.status_code, done.location) == (303, "/console/invoices/INV000001")
    again = browser.get(address)
    assert (again.status_code, again.location) == (303, "/console/invoices/INV000001")
    mailed = browser.send_form(
        "/console/invoices/INV000001/mail", {"email": "", "idempotencyKey": "k1"}
    )
    assert mailed.status_code == 400
    assert 'role="alert"' in mailed.text
