"""Ledger, top-ups, vouchers and wallets as lists: whose rows, which rows, in order, as a file."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert

from mealquest.core.clock import iso_millis, utc_now
from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.payments import service as payments
from mealquest.payments.forms import VerifyForm
from mealquest.wallet import service as wallets
from mealquest.wallet.domain import VoucherStatus, VoucherType
from mealquest.wallet.forms import TopUpForm
from mealquest.wallet.models import EntryKind, LedgerEntry, LedgerPosting, TopUpMethod
from tests.factories.http import assert_problem, bearer, client_of, customer_token, staff_token
from tests.factories.merchants import make_merchant
from tests.factories.requests import OWNER, keyed
from tests.factories.wallet import make_voucher, make_wallet
from tests.web.shops import open_shop

MIDNIGHT = datetime(2026, 3, 1, 16, tzinfo=UTC)  # the first day in Shanghai begins here
LISTS = {
    "/api/payment/ledger": "txnId",
    "/api/wallet/top-ups": "topUpId",
    "/api/vouchers": "voucher",
    "/api/wallets": "userId",
}


@pytest.fixture
def client(app):
    return client_of(app)


@pytest.fixture
def shop(app):
    return open_shop("Alpha", 6)


@pytest.fixture
def owner(shop):
    return bearer(shop.tokens[Role.OWNER])


def ask(client, headers, url, **query):
    answer = client.get(url, query_string=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def following(found):
    return found["pageInfo"]["nextCursor"] if "pageInfo" in found else found["nextCursor"]


def top_up(shop, amount, method=TopUpMethod.CASH, *, by=None, user_id=None, bonus=0):
    form = TopUpForm(
        user_id=user_id or shop.customer,
        amount=Decimal(amount),
        method=method,
        bonus=Decimal(bonus),
    )
    by = by or Principal(Role.OWNER, "staff_owner", shop.merchant_id)
    request = keyed(form, f"{amount}{method}{user_id}", by)
    return wallets.top_up(shop.merchant_id, form, by, request)


def entry_at(shop, moment, *, user_id, postings):
    """An entry of another day; the ledger lets nobody change those that are there."""
    entry_id = new_id("txn")
    with transaction(shop.merchant_id) as session:
        session.execute(
            insert(LedgerEntry).values(
                merchant_id=shop.merchant_id,
                id=entry_id,
                kind=EntryKind.TOP_UP,
                reference=entry_id,
                customer_id=user_id,
                amount_minor=100,
                currency="CNY",
                details={},
                created_at=moment,
            )
        )
        row = {"merchant_id": shop.merchant_id, "entry_id": entry_id, "amount_minor": 100}
        for line, (source, destination) in enumerate(postings):
            ends = {"line": line, "source": source, "destination": destination}
            session.execute(insert(LedgerPosting).values(row | ends))
    return entry_id


def test_an_entry_of_each_kind_has_the_contracts_details(client, shop, owner):
    order = VerifyForm(user_id=shop.customer, order_amount=Decimal(5000), voucher_id="NONE")
    waits = payments.verify(shop.merchant_id, order, OWNER, keyed(order, "waits"))
    rows = ask(client, owner, "/api/payment/ledger")["items"]
    by_kind = {row["type"]: row for row in rows}
    assert rows == sorted(rows, key=lambda row: row["timestamp"], reverse=True)
    assert by_kind["PAYMENT"]["txnId"] == shop.payment
    assert by_kind["PAYMENT"]["details"].keys() == {"quote"}
    pending = by_kind["PAYMENT_PENDING"]
    assert pending["txnId"] != waits.payment_txn_id
    assert pending["details"]["paymentTxnId"] == waits.payment_txn_id
    assert pending["details"].keys() >= {"quote", "externalPayment"}
    assert pending["postings"] == []
    assert by_kind["TOP_UP"]["amount"] == 50
    assert {"txnId", "merchantId", "userId", "type", "amount", "details", "timestamp"} <= set(
        pending
    )


def test_customers_see_their_own_rows_and_nobody_elses(client, shop):
    guest = bearer(shop.tokens[Role.CUSTOMER])
    for url in ("/api/payment/ledger", "/api/vouchers"):
        found = ask(client, guest, url, status="ALL")
        assert found == ask(client, guest, url, status="ALL", userId=shop.customer)
        assert {row["userId"] for row in found["items"]} == {shop.customer}
        foreign = client.get(f"{url}?userId=u_same", headers=guest)
        assert_problem(foreign, 403, code="USER_SCOPE_DENIED")
        assert foreign.get_json()["error"] == "user scope denied"
    own = ask(client, guest, "/api/payment/ledger")
    assert own["userId"] == shop.customer
    assert all(row["postings"] is None for row in own["items"])
    twin = bearer(customer_token(shop.merchant_id, "u_same"))
    assert client.get(f"/api/payment/ledger/{shop.payment}", headers=twin).status_code == 404
    assert client.get(f"/api/payment/ledger/{shop.payment}", headers=guest).status_code == 200
    for url in ("/api/wallet/top-ups", "/api/wallets", "/api/payment/ledger.csv"):
        assert client.get(url, headers=guest).status_code == 403


@pytest.mark.parametrize("url", LISTS)
def test_pages_meet_every_row_once_in_either_order(client, shop, owner, url):
    for n in range(5):
        top_up(shop, n + 1)
        make_voucher(shop.merchant_id, shop.customer, expires_at=utc_now() + timedelta(hours=n % 2))
        make_wallet(shop.merchant_id, principal=n + 1)
    orders = {"/api/vouchers": ("soonest", "latest"), "/api/wallets": ("",)}
    for order in orders.get(url, ("newest", "oldest")):
        query = {"order": order, "status": "ALL"}
        whole = [row[LISTS[url]] for row in ask(client, owner, url, limit=100, **query)["items"]]
        seen, cursor = [], ""
        while cursor is not None:
            found = ask(client, owner, url, limit=2, cursor=cursor, **query)
            seen += [row[LISTS[url]] for row in found["items"]]
            cursor = following(found)
        assert seen == whole
        assert len(whole) > 5
    assert_problem(client.get(f"{url}?cursor=x", headers=owner), 400, code="CURSOR_INVALID")


def test_the_ledger_is_narrowed_by_kind_customer_day_and_bucket(client, shop, owner):
    gift = [("merchant:gifts", f"wallet:{shop.customer}:bonus")]
    cash = [("outside:cash", "wallet:u_same:principal")]
    day = timedelta(hours=23, minutes=59)
    late = entry_at(shop, MIDNIGHT + day, user_id=shop.customer, postings=gift)
    soon = entry_at(shop, MIDNIGHT, user_id="u_same", postings=cash)

    def found(**query):
        return [row["txnId"] for row in ask(client, owner, "/api/payment/ledger", **query)["items"]]

    assert found(fromDay="2026-03-02", toDay="2026-03-02") == [late, soon]
    assert found(fromDay="2026-03-02", toDay="2026-03-02", userId="u_same") == [soon]
    assert found(since=iso_millis(MIDNIGHT), until="2026-03-02T00:00:00Z") == [soon]
    assert found(type="PAYMENT") == [shop.payment]
    assert found(type="TOP_UP", toDay="2026-03-02", order="oldest") == [soon, late]
    assert late in found(userId=shop.customer, bucket="bonus")
    assert shop.payment not in found(userId=shop.customer, bucket="silver")
    assert client.get("/api/payment/ledger?bucket=bonus", headers=owner).status_code == 400
    assert client.get("/api/payment/ledger?type=GIFT", headers=owner).status_code == 400


def test_top_ups_are_narrowed_and_summed_by_method(client, shop, owner):
    clerk = Principal(Role.CLERK, "staff_clerk", shop.merchant_id)
    card = top_up(shop, "20.50", TopUpMethod.CARD, by=clerk).top_up_id
    cash = top_up(shop, 30, user_id="u_same", bonus=3).top_up_id

    def found(**query):
        rows = ask(client, owner, "/api/wallet/top-ups", **query)["items"]
        return [row["topUpId"] for row in rows]

    assert found(method="CARD") == found(takenBy="staff_clerk") == [card]
    assert found(takenBy="staff_clerk", method="CASH") == []
    assert found(userId="u_same") == [cash]
    page = client.get("/console/top-ups?userId=u_same", headers=owner).text
    assert "CNY 30.00" in page
    assert "CNY 3.00 bonus" in page
    assert "20.50" not in page


def test_vouchers_are_narrowed_by_state_as_the_clock_has_it(client, shop, owner):
    now, ids = utc_now(), {}
    for name, status, hours in (
        ("soon", "ACTIVE", 1),
        ("stale", "ACTIVE", -1),  # no job has looked at it yet
        ("expired", "EXPIRED", -2),
        ("used", "USED", 5),
        ("held", "HELD", 6),
    ):
        ids[name] = make_voucher(
            shop.merchant_id,
            "u_same",
            kind=VoucherType.NO_THRESHOLD_VOUCHER,
            status=VoucherStatus(status),
            expires_at=now + timedelta(hours=hours),
        )

    def found(**query):
        rows = ask(client, owner, "/api/vouchers", **query)["items"]
        for row in rows:
            assert query.get("status", "ACTIVE") in {row["voucher"]["status"], "ALL"}
        return [row["voucher"]["id"] for row in rows]

    for whose in ({"userId": "u_same"}, {"type": "NO_THRESHOLD_VOUCHER"}):
        assert found(**whose) == [ids["soon"]]
        assert found(status="EXPIRED", **whose) == [ids["expired"], ids["stale"]]
        assert found(status="EXPIRED", order="latest", **whose) == [ids["stale"], ids["expired"]]
        assert found(status="USED", **whose) == [ids["used"]]
        assert found(status="HELD", **whose) == [ids["held"]]
        assert found(status="ALL", until=iso_millis(now), **whose) == [ids["expired"], ids["stale"]]
        assert len(found(status="ALL", **whose)) == 5
    assert shop.voucher in found()
    assert shop.voucher not in found(type="DISCOUNT_CARD")


@pytest.mark.parametrize(
    ("name", "column"), [("ledger", 1), ("top-ups", 1), ("vouchers", 3), ("wallets", 1)]
)
def test_a_file_holds_the_whole_list_and_is_for_managers(client, shop, owner, name, column):
    stranger = open_shop("Beta", 8)
    for n in range(25):
        top_up(shop, n + 1, bonus=1)
        make_voucher(shop.merchant_id, shop.customer, name="=SUM(A1)")
    url = {"ledger": "/api/payment/ledger", "top-ups": "/api/wallet/top-ups"}.get(
        name, f"/api/{name}"
    )
    answer = client.get(f"/console/{name}.csv?limit=2", headers=owner, buffered=True)
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))[1:]
    listed = ask(client, owner, url, limit=100)["items"]
    keys = [row[LISTS[url]] for row in listed]
    assert [row[column] for row in rows] == [
        key["id"] if name == "vouchers" else key for key in keys
    ]
    assert not any(secret in answer.text for secret in stranger.secrets)
    if name == "vouchers":
        assert any(row[2] == "'=SUM(A1)" for row in rows)
    clerk = bearer(shop.tokens[Role.CLERK])
    assert client.get(f"{url}.csv", headers=clerk).status_code == 403


def test_the_entries_behind_a_balance_sum_to_it(client, shop, owner):
    order = VerifyForm(user_id=shop.customer, order_amount=Decimal(9), voucher_id="NONE")
    payments.verify(shop.merchant_id, order, OWNER, keyed(order, "one more"))
    top_up(shop, 30, bonus=3)
    header = ["Principal", "Bonus", "Change"]
    for row in ask(client, owner, "/api/wallets")["items"]:
        for bucket, name in zip(("principal", "bonus", "silver"), header, strict=True):
            url = f"/console/ledger.csv?userId={row['userId']}&bucket={bucket}"
            answer = client.get(url, headers=owner, buffered=True)
            lines = csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig")))
            assert sum(Decimal(line[name]) for line in lines) == Decimal(str(row["wallet"][bucket]))
    page = client.get(f"/console/ledger?userId={shop.customer}&bucket=bonus", headers=owner).text
    assert "these entries sum to CNY" in page


def test_an_entry_shows_what_moved_and_what_it_is_about(client, shop, owner):
    page = client.get(f"/console/ledger/{shop.payment}", headers=owner).text
    assert f"/console/payments/{shop.payment}" in page
    assert "Bonus of the customer" in page
    assert "Sales" in page
    missing = client.get("/api/payment/ledger/txn_none", headers=owner)
    assert_problem(missing, 404, code="LEDGER_ENTRY_NOT_FOUND")


def test_an_empty_list_says_so_and_a_filtered_one_why(client, app):
    merchant_id = make_merchant()
    with transaction(merchant_id) as session:
        identity.add_staff(session, merchant_id, staff_id="staff_9", role=Role.OWNER, name="Nine")
    headers = bearer(staff_token(merchant_id, "staff_9"))
    assert "No top-ups yet" in client.get("/console/top-ups", headers=headers).text
    page = client.get("/console/top-ups?method=CARD", headers=headers).text
    assert "No top-up fits these filters." in page
    assert "Clear filters" in page
