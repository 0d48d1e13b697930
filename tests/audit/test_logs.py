"""`GET /api/audit/logs`: who may, what it answers, and how its pages follow each other."""

from datetime import UTC, datetime, timedelta

import pytest

from mealquest.audit.models import AuditStatus
from mealquest.core.db import transaction
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Limit, TenantPolicy
from tests.audit.conftest import MERCHANT, OTHER, write
from tests.factories.http import assert_problem

URL = "/api/audit/logs"
T0 = datetime(2026, 3, 1, 10, 0, 0, 123_000, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_an_entry_tells_who_did_what_in_which_request(client, desk):
    details = {"userId": "u_guest", "orderAmount": 13.08}
    audit_id = write(MERCHANT, T0, details=details)
    write(OTHER, T0)

    answer = client.get(URL, headers=desk.clerk)

    assert answer.get_json() == {
        "merchantId": MERCHANT,
        "items": [
            {
                "auditId": audit_id,
                "timestamp": "2026-03-01T10:00:00.123Z",
                "merchantId": MERCHANT,
                "action": "PAYMENT_VERIFY",
                "status": "SUCCESS",
                "role": "CLERK",
                "operatorId": "staff_clerk",
                "details": details,
                "requestId": "req_fixture",
            }
        ],
        "pageInfo": {"limit": 20, "hasMore": False, "nextCursor": None},
    }


def test_all_staff_may_read_and_customers_may_not(client, desk):
    for headers in (desk.owner, desk.manager, desk.clerk):
        assert client.get(URL, headers=headers).status_code == 200
    assert_problem(client.get(URL, headers=desk.customer), 403, "permission denied")
    assert_problem(client.get(URL), 401)


def test_another_merchants_rows_are_out_of_reach(client, desk):
    theirs = write(OTHER, T0)
    mine = write(MERCHANT, T0)
    assert_problem(
        client.get(f"{URL}?merchantId={OTHER}", headers=desk.owner), 403, "merchant scope denied"
    )
    assert_problem(client.get(f"{URL}/{theirs}", headers=desk.owner), 404, "audit row not found")
    assert client.get(f"{URL}/{mine}", headers=desk.owner).status_code == 200
    cursor = f"2026-03-01T10:00:00.124Z|{mine}"  # a cursor is bound to nothing
    answer = client.get(URL, query_string={"cursor": cursor}, headers=desk.neighbour)
    assert [item["auditId"] for item in answer.get_json()["items"]] == [theirs]


@pytest.mark.parametrize(
    ("sent", "taken"),
    [("5", 5), ("100", 100), ("101", 100), ("0", 20), ("-3", 20), ("x", 20), ("", 20), ("2.5", 20)],
)
def test_a_limit_that_is_none_is_twenty_and_a_hundred_is_the_most(client, desk, sent, taken):
    answer = client.get(f"{URL}?limit={sent}", headers=desk.clerk)
    assert answer.get_json()["pageInfo"]["limit"] == taken


def test_pages_lead_from_the_newest_to_the_oldest(client, desk):
    written = [write(MERCHANT, T0 + n * MINUTE) for n in range(5)]
    seen, cursor, more = [], None, []
    for _ in range(3):
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get(URL, query_string=query, headers=desk.clerk).get_json()
        seen += [item["auditId"] for item in page["items"]]
        cursor = page["pageInfo"]["nextCursor"]
        more.append(page["pageInfo"]["hasMore"])
        if cursor:
            assert cursor == f"{page['items'][-1]['timestamp']}|{seen[-1]}"
    assert seen == written[::-1]
    assert (more, cursor) == ([True, True, False], None)


def test_a_page_that_ends_with_the_last_row_is_the_last(client, desk):
    for n in range(4):
        write(MERCHANT, T0 + n * MINUTE)
    page = client.get(f"{URL}?limit=4", headers=desk.clerk).get_json()
    assert page["pageInfo"] == {"limit": 4, "hasMore": False, "nextCursor": None}


def test_a_cursor_without_an_id_skips_its_whole_millisecond(ids):
    old = write(MERCHANT, T0 - MINUTE)
    for _ in range(3):
        write(MERCHANT, T0)
    for cursor in ("2026-03-01T10:00:00.123Z", "2026-03-01T10:00:00.123Z|"):
        assert ids(f"cursor={cursor}") == [old]


@pytest.mark.parametrize(
    "cursor", ["yesterday", "|audit_1", "%00", "2026-13-01T00:00:00Z|audit_1", "-", "%F0%9F%8D%9C"]
)
def test_a_cursor_that_cannot_be_read_begins_at_the_newest(ids, cursor):
    newest = write(MERCHANT, T0)
    assert ids(f"cursor={cursor}") == [newest]


def test_a_cursor_is_not_bound_to_the_filters_it_came_from(ids):
    denied = write(MERCHANT, T0 - MINUTE, status=AuditStatus.DENIED)
    write(MERCHANT, T0 - 2 * MINUTE)
    last = write(MERCHANT, T0)
    assert ids(f"cursor=2026-03-01T10:00:00.123Z|{last}&status=denied") == [denied]


def test_times_are_inclusive_to_the_millisecond(ids):
    early, middle, late = (write(MERCHANT, T0 + n * MINUTE) for n in range(3))
    assert ids("startTime=2026-03-01T10:01:00.123Z") == [late, middle]
    assert ids("endTime=2026-03-01T10:01:00.123Z") == [middle, early]
    assert ids("startTime=2026-03-01T18:01:00.123%2B08:00&endTime=2026-03-01T10:01:00.123Z") == [
        middle
    ]
    assert ids("endTime=2026-03-01T10:01:00.122Z") == [early]


@pytest.mark.parametrize("name", ["startTime", "endTime"])
@pytest.mark.parametrize("sent", ["soon", "", "99999-01-01", "2026-02-30"])
def test_a_time_that_cannot_be_read_is_no_filter(ids, name, sent):
    row = write(MERCHANT, T0)
    assert ids(f"{name}={sent}") == [row]


def test_action_and_status_are_compared_without_regard_to_case(ids):
    payment = write(MERCHANT, T0)
    refused = write(MERCHANT, T0 + MINUTE, action="REFUND_X", status=AuditStatus.BLOCKED)
    assert ids("action=payment_verify") == [payment]
    assert ids("action=Refund_X&status=Blocked") == [refused]
    assert ids("status=success") == [payment]
    assert ids("action=PAYMENT") == []  # the whole word
    assert ids("status=nonsense") == []
    assert ids("status=&action=") == [refused, payment]


def test_a_person_and_days_of_the_merchant_narrow_the_list(ids):
    late = write(MERCHANT, datetime(2026, 3, 1, 16, 30, tzinfo=UTC), by="staff_owner")
    early = write(MERCHANT, datetime(2026, 3, 1, 15, 30, tzinfo=UTC))
    assert ids("operatorId=staff_owner") == [late]
    assert ids("fromDay=2026-03-02") == [late]  # half past midnight in Shanghai
    assert ids("toDay=2026-03-01") == [early]
    assert ids("fromDay=2026-03-01&toDay=2026-03-02") == [late, early]


def test_what_has_not_changed_is_not_sent_again(client, desk):
    write(MERCHANT, T0)
    first = client.get(URL, headers=desk.clerk)
    assert first.headers["ETag"].startswith("W/")
    again = client.get(URL, headers=desk.clerk | {"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    write(MERCHANT, T0)
    changed = client.get(URL, headers=desk.clerk | {"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


def test_the_merchants_quota_holds_and_leaves_no_row(client, desk, app, monkeypatch):
    monkeypatch.setattr(app.extensions["throttles"], "enabled", True)
    with transaction(MERCHANT) as session:
        policy = TenantPolicy(limits={"AUDIT_QUERY": Limit(1, 60_000)})
        tenancy.set_policy(session, MERCHANT, policy)
    write(MERCHANT, T0)
    assert client.get(URL, headers=desk.clerk).status_code == 200
    refused = client.get(URL, headers=desk.clerk)
    assert_problem(
        refused,
        429,
        f"AUDIT_QUERY quota exceeded for merchant {MERCHANT}",
        code="TENANT_RATE_LIMITED",
    )
    assert client.get("/console/audit", headers=desk.owner).status_code == 429
    with transaction(MERCHANT) as session:
        tenancy.set_policy(session, MERCHANT, TenantPolicy())
    assert len(client.get(URL, headers=desk.clerk).get_json()["items"]) == 1


def test_a_frozen_merchant_can_still_be_looked_at(client, desk):
    with transaction(MERCHANT) as session:
        tenancy.set_policy(session, MERCHANT, TenantPolicy(write_enabled=False))
    assert client.get(URL, headers=desk.clerk).status_code == 200
    assert client.get("/console/audit", headers=desk.clerk).status_code == 200


def test_a_row_shows_what_else_its_request_did(client, desk):
    one = write(MERCHANT, T0, request_id="req_a")
    two = write(MERCHANT, T0 + MINUTE, request_id="req_a")
    write(MERCHANT, T0, request_id="req_b")
    write(OTHER, T0, request_id="req_a")
    found = client.get(f"{URL}/{one}", headers=desk.clerk).get_json()
    assert found["entry"]["auditId"] == one
    assert [other["auditId"] for other in found["sameRequest"]] == [two]
