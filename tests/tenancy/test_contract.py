"""The application for a contract: the contract's words, and nothing readable where it is kept."""

import pytest
from sqlalchemy import select, text

from mealquest.audit.models import AuditRow
from mealquest.core.db import transaction
from mealquest.core.errors import Forbidden
from mealquest.core.principal import Role
from mealquest.identity import service as identity
from mealquest.identity.forms import SignInForm
from mealquest.tenancy import contract
from tests.factories.http import assert_problem, bearer, signed_in
from tests.web.conftest import *  # noqa: F403 - client, shop, stranger, owner

APPLY, STATUS = "/api/merchant/contract/apply", "/api/merchant/contract/status"
LICENSE, ACCOUNT, PHONE = "91310000MA1K00001X", "6222020200112233", "+8613911111111"
GOOD = {
    "companyName": "Noodle Ltd.",
    "licenseNo": LICENSE,
    "settlementAccount": ACCOUNT,
    "contactPhone": PHONE,
    "notes": "Call in the morning",
}


def audited(merchant_id: str) -> list[tuple]:
    with transaction(merchant_id) as session:
        rows = session.execute(
            select(AuditRow.status, AuditRow.details)
            .where(AuditRow.merchant_id == merchant_id, AuditRow.action == "CONTRACT_APPLY")
            .order_by(AuditRow.id)
        )
        return [(row.status.value, row.details) for row in rows]


def test_it_is_sent_shown_and_replaced(client, shop, owner):
    nothing = client.get(STATUS, headers=owner).get_json()
    assert nothing == {
        "merchantId": shop.merchant_id,
        "status": "NOT_SUBMITTED",
        "application": None,
    }

    sent = client.post(APPLY, json=GOOD | {"merchantId": "m_other"}, headers=owner)

    assert sent.status_code == 200, sent.text
    body = sent.get_json()
    submitted = body["application"].pop("submittedAt")
    about = {"merchantId": shop.merchant_id, "status": "PENDING_REVIEW"}
    assert body == about | {"application": GOOD | about}
    shown = client.get(STATUS, headers=owner).get_json()
    assert shown["application"].pop("submittedAt") == submitted
    assert shown == body
    older = {
        "company": "Other Ltd.",
        "businessLicenseNo": "L-2",
        "settlementAccount": "A-2",
        "phone": "8613911111112",
    }
    again = client.post(APPLY, json=older, headers=owner).get_json()["application"]
    assert (again["companyName"], again["licenseNo"]) == ("Other Ltd.", "L-2")
    assert (again["contactPhone"], again["notes"]) == ("8613911111112", "")
    assert [details["companyName"] for _, details in audited(shop.merchant_id)] == [
        "Noodle Ltd.",
        "Other Ltd.",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"companyName": None}, "companyName must be text"),
        ({"companyName": ""}, "companyName is required"),
        ({"companyName": "x" * 65}, "companyName is too long"),
        ({"licenseNo": " "}, "licenseNo is required"),
        ({"settlementAccount": ""}, "settlementAccount is required"),
        ({"contactPhone": "12345"}, "phone format invalid"),
        ({"contactPhone": None}, "phone format invalid"),
    ],
)
def test_what_is_missing_or_wrong_is_named(client, shop, owner, change, words):
    assert_problem(client.post(APPLY, json=GOOD | change, headers=owner), 400, words)
    [name] = change
    left_out = {key: value for key, value in GOOD.items() if key != name}
    expected = "phone format invalid" if name == "contactPhone" else f"{name} is required"
    assert_problem(client.post(APPLY, json=left_out, headers=owner), 400, expected)
    assert client.get(STATUS, headers=owner).get_json()["status"] == "NOT_SUBMITTED"


def test_who_may(client, shop, stranger, owner):
    client.post(APPLY, json=GOOD, headers=owner)
    for role in (Role.CLERK, Role.CUSTOMER):
        answer = client.get(STATUS, headers=bearer(shop.tokens[role]))
        assert_problem(answer, 403, "permission denied")
    manager = bearer(shop.tokens[Role.MANAGER])
    assert_problem(client.post(APPLY, json=GOOD, headers=manager), 403, "permission denied")
    theirs = bearer(stranger.tokens[Role.OWNER])
    assert client.get(STATUS, headers=theirs).get_json()["status"] == "NOT_SUBMITTED"
    foreign = client.get(f"{STATUS}?merchantId={shop.merchant_id}", headers=theirs)
    assert_problem(foreign, 403, "merchant scope denied")
    masked = client.get(STATUS, headers=manager).get_json()["application"]
    assert masked["licenseNo"] == "••••001X"
    assert masked["settlementAccount"] == "••••2233"
    assert masked["contactPhone"] == "••••1111"
    assert masked["companyName"] == "Noodle Ltd."


def test_numbers_stand_nowhere_in_the_clear(client, shop, owner):
    client.post(APPLY, json=GOOD, headers=owner)
    with transaction(shop.merchant_id) as session:
        for table in ("contract_applications", "audit_log", "idempotency_keys", "outbox_events"):
            rows = session.execute(text(f"SELECT t::text FROM {table} t")).scalars()
            kept = "".join(rows)
            for secret in (LICENSE, ACCOUNT, PHONE, PHONE[1:]):
                assert secret not in kept, table
    [(status, details)] = audited(shop.merchant_id)
    assert status == "SUCCESS"
    assert details == {
        "companyName": "Noodle Ltd.",
        "licenseNo": "••••001X",
        "settlementAccount": "••••2233",
        "contactPhone": "••••1111",
    }
    assert contract.masked("1234567") == "••••"


def test_a_contact_phone_opens_nothing(client, shop, owner):
    client.post(APPLY, json=GOOD, headers=owner)
    client.post("/api/auth/merchant/request-code", json={"phone": PHONE})
    from mealquest.core import messages

    code = messages.newest(limit=1)[0].message.data["code"]
    with pytest.raises(Forbidden, match="merchant scope denied"):
        identity.sign_in(SignInForm(phone=PHONE, code=code, merchant_id=shop.merchant_id))


def test_the_page_keeps_what_was_typed_and_then_shows_it(app, shop):
    browser = signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)

    refused = browser.send_form("/console/contract", GOOD | {"contactPhone": "1"})
    assert refused.status_code == 400
    assert f'value="{LICENSE}"' in refused.text
    sent = browser.send_form("/console/contract", GOOD)
    assert (sent.status_code, sent.location) == (303, "/console/contract")
    assert LICENSE in browser.get("/console/contract").text
    manager = signed_in(app, shop.phones[Role.MANAGER], shop.merchant_id)
    page = manager.get("/console/contract").text
    assert "••••001X" in page
    assert LICENSE not in page
    assert "Send the application" not in page
