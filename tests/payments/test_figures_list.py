"""Every figure of the desk: the list behind its link is fetched, and its rows sum to it."""

import html
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from mealquest.audit.service import AuditStatus, record_alone
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.identity import service as identity
from mealquest.payments.desk_replies import DeskView
from tests.factories.http import bearer, client_of, staff_token
from tests.factories.merchants import make_merchant
from tests.factories.requests import CLERK
from tests.factories.wallet import make_fixture_customer, make_voucher

PAGES = {
    "/console/payments": "/api/payments",
    "/console/refunds": "/api/refunds",
    "/console/wallets": "/api/wallets",
    "/console/vouchers": "/api/vouchers",
    "/console/audit": "/api/audit/logs",
}
PARTS = ("voucher", "bonus", "principal", "silver", "external")


class Desk:
    """A shop's desk as its owner has it on the screen, and the lists its links lead to."""

    def __init__(self, app, merchant_id, headers):
        self.client, self.headers = client_of(app), headers
        page = self.client.get("/console/", headers=headers)
        assert page.status_code == 200, page.text
        inside = page.text.split('id="desk"')[1]
        found = re.findall(r'href="(/console/[a-z]+\?[^"]*|/console/wallets)"', inside)
        self.links = [html.unescape(url) for url in found]
        answer = self.client.get("/api/desk", headers=headers).get_json()["desk"]
        self.view = DeskView.model_validate(answer)

    def rows(self, page, *marks, without=None):
        """All rows of the one list that a link with these marks leads to."""
        [url] = {
            url
            for url in self.links
            if url.partition("?")[0] == page
            and all(mark in url for mark in marks)
            and not (without and without in url)
        }
        return self.rows_at(url)

    def rows_at(self, url):
        page = url.partition("?")[0]
        answer = self.client.get(url.replace(page, PAGES[page], 1), headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.get_json()["items"]


@pytest.fixture
def shop(app):
    """Payments of several kinds, one of them refunded in part, and what needs attention."""
    merchant_id = make_merchant()
    row = make_fixture_customer(merchant_id)
    with transaction(merchant_id) as session:
        identity.add_staff(session, merchant_id, staff_id="s_9", role=Role.OWNER, name="Nine")
    headers = bearer(staff_token(merchant_id, "s_9"))
    client, taken = client_of(app), []
    for n, amount in enumerate((52, 10.05, 120, 7, 500, 400, 300)):
        body = {"userId": row.customer_id, "orderAmount": amount}
        key = {"Idempotency-Key": f"k{n}"}
        answer = client.post("/api/payment/verify", json=body, headers=headers | key)
        assert answer.status_code == 200, answer.text
        taken.append(answer.get_json()["paymentTxnId"])
    back = {"paymentTxnId": taken[0], "refundAmount": 20}
    key = {"Idempotency-Key": "back"}
    assert client.post("/api/payment/refund", json=back, headers=headers | key).status_code == 200
    set_row(merchant_id, taken[4], status="EXTERNAL_FAILED")
    set_row(merchant_id, taken[5], status="EXTERNAL_EXPIRED")
    set_row(merchant_id, taken[3], created_at=utc_now() - timedelta(days=7))
    for days in (1, 4):
        expires_at = utc_now() + timedelta(days=days)
        make_voucher(merchant_id, row.customer_id, expires_at=expires_at)
    record_alone(merchant_id, "PAYMENT_VERIFY", CLERK, {}, AuditStatus.BLOCKED)
    return merchant_id, headers


def set_row(merchant_id, payment_id, **values):
    [(column, value)] = values.items()
    with transaction(merchant_id) as session:
        session.execute(
            text(f"UPDATE payments SET {column} = :value WHERE merchant_id = :m AND id = :id"),
            {"value": value, "m": merchant_id, "id": payment_id},
        )


def amounts(rows, name="orderAmount"):
    return sum(Decimal(str(row[name])) for row in rows)


def test_the_takings_are_the_rows_behind_them(app, shop):
    desk = Desk(app, *shop)
    today = f"?status=PAID&fromDay={desk.view.today.day}&toDay={desk.view.today.day}"
    paid = desk.rows("/console/payments", today, without="part=")
    assert amounts(paid) == desk.view.today.taken > 0
    assert len(paid) == desk.view.today.count == 3
    back = desk.rows("/console/refunds", f"fromDay={desk.view.today.day}")
    assert amounts(back, "refundedAmount") == desk.view.today.refunded == 20
    assert desk.view.today.net == amounts(paid) - 20
    for part in PARTS:
        if not getattr(desk.view.sources, part):
            continue
        rows = desk.rows("/console/payments", today, f"part={part}")
        assert amounts([row["deduction"] for row in rows], part) == getattr(desk.view.sources, part)
    assert sum(getattr(desk.view.sources, part) for part in PARTS) == desk.view.today.taken


def test_each_hour_and_last_week_are_the_rows_behind_them(app, shop):
    desk = Desk(app, *shop)
    spans = [url for url in desk.links if "since=" in url and "until=" in url]
    figures = [sum_ for hour in desk.view.hours for sum_ in (hour.taken, hour.before) if sum_]
    assert [amounts(desk.rows_at(url)) for url in spans] == figures
    assert len(figures) >= 2
    before = desk.rows("/console/payments", f"fromDay={desk.view.before.day}", "until=")
    assert amounts(before) == desk.view.before.taken == 7
    assert len(before) == desk.view.before.count == 1


def test_what_is_owed_and_what_needs_attention_are_the_rows_behind_them(app, shop):
    desk = Desk(app, *shop)
    owed, attention = desk.view.owed, desk.view.attention
    wallets = [row["wallet"] for row in desk.rows("/console/wallets")]
    for bucket in ("principal", "bonus", "silver"):
        assert amounts(wallets, bucket) == getattr(owed, bucket)
    assert len(wallets) == owed.wallets
    for count, page, mark in (
        (attention.waiting, "/console/payments", "status=PENDING_EXTERNAL"),
        (attention.failed, "/console/payments", "status=EXTERNAL_FAILED"),
        (attention.expired, "/console/payments", "status=EXTERNAL_EXPIRED"),
        (attention.expiring_vouchers, "/console/vouchers", "until="),
        (attention.blocked, "/console/audit", "status=BLOCKED"),
    ):
        assert len(desk.rows(page, mark)) == count > 0, mark
