"""The audit's page: filters in the address, pages, one entry, and the CSV file."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from mealquest.audit import service as audit
from mealquest.audit import words
from mealquest.audit.models import AuditStatus
from mealquest.core.db import transaction
from mealquest.tenancy.domain import READS, Operation
from tests.audit.conftest import MERCHANT, OTHER, seal_all, write

T0 = datetime(2026, 3, 1, 16, 30, 5, 7_000, tzinfo=UTC)  # 00:30:05.007 on 2 March in Shanghai


def rows_of(answer) -> list[list[str]]:
    assert answer.data.startswith(b"\xef\xbb\xbf")  # spreadsheets take it for UTF-8 then
    return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))


def csv_of(client, headers, query=""):
    return client.get(f"/console/audit.csv?{query}", headers=headers, buffered=True)


def links_of(page: str) -> dict[str, str]:
    """Addresses of the list's links by `rel` or by label."""
    found = re.findall(r'<a class="[^"]*"(?: rel="(\w+)")? href="([^"]+)"[^>]*>(.*?)</a>', page)
    named = {rel or re.sub("<[^>]+>", "", face): url for rel, url, face in found}
    return {name: url.replace("&amp;", "&") for name, url in named.items()}


def test_the_page_shows_names_outcomes_and_local_times(client, desk):
    write(MERCHANT, T0, details={"userId": "u_guest", "orderAmount": 13.08})
    write(MERCHANT, T0, status=AuditStatus.DENIED, by="bootstrap", details={"error": "no"})
    page = client.get("/console/audit", headers=desk.clerk).text
    assert "2 Mar 2026, 00:30" in page
    for shown_text in (
        "Carl",
        "Gerda",
        "CNY 13.08",
        "Denied",
        "Opening of the shop",
        "2 entries shown.",
    ):
        assert shown_text in page, shown_text
    assert 'data-announce="2 entries shown."' in page


def test_pages_keep_their_filters_and_lead_back(client, desk):
    for n in range(25):
        write(MERCHANT, T0 - timedelta(minutes=n))
    write(MERCHANT, T0, action="WALLET_TOP_UP")
    first = client.get("/console/audit?action=payment_verify&status=", headers=desk.clerk)
    assert 'value="PAYMENT_VERIFY" selected' in first.text
    assert "20 entries shown." in first.text
    second = client.get(links_of(first.text)["next"], headers=desk.clerk)
    assert "5 entries shown." in second.text
    links = links_of(second.text)
    assert "next" not in links
    assert links["first"] == "/console/audit?action=PAYMENT_VERIFY"
    assert links["Clear filters"] == "/console/audit"


def test_a_changed_filter_answers_the_rows_alone(client, desk):
    write(MERCHANT, T0)
    headers = desk.clerk | {"HX-Request": "true", "HX-Target": "list"}
    fragment = client.get("/console/audit?action=payment_verify", headers=headers).text
    assert "<html" not in fragment
    assert "1 entry shown." in fragment


def test_an_empty_list_says_why(client, desk):
    assert "Nothing here yet" in client.get("/console/audit", headers=desk.clerk).text
    nothing = client.get("/console/audit?fromDay=2030-01-01", headers=desk.clerk).text
    assert "No entry fits these filters." in nothing


def test_one_entry_is_readable_and_leads_on(client, desk):
    audit_id = write(
        MERCHANT,
        T0,
        details={
            "userId": "u_guest",
            "error": "permission denied",
            "enabled": False,
            "changed": {"timeZone": {"from": "UTC", "to": "Asia/Tokyo"}},
            "paymentTxnId": "txn_1",
            "<b>odd</b>": "<i>value</i>",
        },
    )
    other = write(MERCHANT, T0, action="WALLET_TOP_UP")
    page = client.get(f"/console/audit/{audit_id}", headers=desk.clerk).text
    assert "2 Mar 2026, 00:30:05" in page
    for shown_text in (
        "Carl",
        "Gerda",
        "req_fixture",
        "Your role does not allow this.",
        "Asia/Tokyo",
    ):
        assert shown_text in page, shown_text
    for url in ("/console/customers/u_guest", "/console/payments/txn_1", f"/console/audit/{other}"):
        assert f'href="{url}"' in page
    assert "<i>value</i>" not in page
    assert "<b>odd</b>" not in page


def test_a_person_of_an_address_is_offered_though_no_staff(client, desk):
    write(MERCHANT, T0, by="u_guest")
    page = client.get("/console/audit?operatorId=u_guest", headers=desk.clerk).text
    assert 'value="u_guest" selected>Gerda' in page


def test_strangers_are_sent_to_sign_in_and_other_shops_rows_are_not_found(client, desk):
    theirs = write(OTHER, T0)
    assert client.get("/console/audit").status_code == 303
    assert client.get("/console/audit.csv").status_code == 303
    assert client.get(f"/console/audit/{theirs}", headers=desk.owner).status_code == 404


def test_the_file_holds_all_pages_of_the_filter_and_no_others_rows(client, desk):
    for n in range(130):
        write(MERCHANT, T0 - timedelta(minutes=n), details={"n": n})
    write(MERCHANT, T0, action="WALLET_TOP_UP")
    write(OTHER, T0)
    answer = csv_of(client, desk.manager, "action=payment_verify&limit=3")
    assert answer.mimetype == "text/csv"
    assert re.fullmatch(
        r'attachment; filename="audit-\d{4}-\d\d-\d\d.csv"', answer.headers["Content-Disposition"]
    )
    header, *rows = rows_of(answer)
    assert header[0] == "Time (Asia/Shanghai)"
    assert len(rows) == 130
    assert rows[0][:6] == [
        "2026-03-02 00:30:05.007",
        "PAYMENT_VERIFY",
        "SUCCESS",
        "CLERK",
        "staff_clerk",
        "n: 0",
    ]


def test_taking_a_file_leaves_a_row_of_its_own(client, desk):
    csv_of(client, desk.owner, "status=denied")
    [entry] = client.get("/api/audit/logs?action=list_export", headers=desk.owner).json["items"]
    assert entry["details"] == {"list": "audit", "filters": {"status": "DENIED"}}
    assert entry["operatorId"] == "staff_owner"


def test_a_clerk_reads_but_takes_no_file_along(client, desk):
    write(MERCHANT, T0)
    assert csv_of(client, desk.clerk).status_code == 403
    assert client.get("/api/audit/logs.csv", headers=desk.clerk).status_code == 403
    assert "audit.csv" not in client.get("/console/audit", headers=desk.clerk).text
    assert "audit.csv" in client.get("/console/audit", headers=desk.manager).text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "＝1"])
def test_no_cell_is_run_as_a_formula(client, desk, text):
    write(MERCHANT, T0, by=text)
    _header, row = rows_of(csv_of(client, desk.owner))[:2]
    assert row[4] == f"'{text}"


def test_every_act_that_can_be_named_has_a_name():
    gates = {operation.value for operation in Operation if operation not in READS}
    assert gates <= words.ACTIONS.keys()
    assert set(words.STATUSES) == {status.value for status in AuditStatus}


def test_who_closed_their_account_goes_by_another_id(client, desk):
    write(MERCHANT, T0, by="u_guest", details={"userId": "u_guest", "list": ["u_guest"]})
    with transaction(MERCHANT) as session:
        session.execute(text("UPDATE customers SET cancelled_at = now(), deleted_at = now()"))
    shown = f"DELETED_{MERCHANT}_u_guest"

    (entry,) = client.get("/api/audit/logs", headers=desk.owner).get_json()["items"]

    assert (entry["operatorId"], entry["details"]["userId"]) == (shown, shown)
    one = client.get(f"/api/audit/logs/{entry['auditId']}", headers=desk.owner).get_json()["entry"]
    assert one["operatorId"] == shown
    page = client.get(f"/console/audit/{entry['auditId']}", headers=desk.owner).text
    assert "/console/customers/" not in page.split("<main", 1)[1]
    assert shown in rows_of(csv_of(client, desk.owner))[1][4]
    seal_all()
    assert audit.check_chain(MERCHANT).holds
