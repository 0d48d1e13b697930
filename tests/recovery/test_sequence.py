"""The sequence of reminders and a merchant's own words: who may, what is taken, how it reads."""

from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from mealquest.audit.models import AuditRow
from mealquest.core import messages
from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.recovery import own_words
from mealquest.recovery.case_models import DunningSettings, EmailTemplate
from mealquest.recovery.own_words import Words
from mealquest.tenancy import service as tenancy
from tests.factories.http import Client, assert_problem, bearer, client_of, csrf_in, signed_in
from tests.web.shops import Shop, open_shop

SEQUENCE, WORDS = "/api/recovery/sequence", "/api/email-templates"
PAGE, GONE = "/console/recovery/sequence", "/console/recovery/suppressions"
EVIL = "<script>alert(1)</script>"
VALUES = {
    "customer_name": "valued customer",
    "amount": "US$1",
    "update_url": "https://pay.example/",
}


@pytest.fixture
def shop(app: Flask) -> Shop:
    return open_shop("Alpha", 6)


@pytest.fixture
def client(app: Flask) -> Client:
    return client_of(app)


@pytest.fixture
def owner(shop: Shop) -> dict[str, str]:
    return bearer(shop.tokens[Role.OWNER])


@pytest.fixture
def browser(app: Flask, shop: Shop) -> Client:
    return signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)


def audited(shop: Shop, action: str) -> list[dict[str, Any]]:
    with transaction(shop.merchant_id) as session:
        rows = select(AuditRow.details).where(
            AuditRow.merchant_id == shop.merchant_id,
            AuditRow.action == action,
            AuditRow.status == "SUCCESS",
        )
        return list(session.scalars(rows))


# --- timing -------------------------------------------------------------------------------


def test_without_settings_the_sequence_is_the_product_s(client: Client, owner: Any) -> None:
    said = client.get(SEQUENCE, headers=owner).get_json()

    assert [step["delayS"] for step in said["steps"]] == [259_200, 432_000, 604_800]
    assert (said["gapHours"], said["mostMails"], said["isOwn"]) == (24, 4, False)


def test_what_is_named_changes_and_the_rest_stays(client: Client, shop: Shop, owner: Any) -> None:
    steps = [{"attempt": 2, "delayS": 7200}, {"attempt": 1, "delayS": 60, "isEnabled": False}]
    said = client.patch(SEQUENCE, json={"steps": steps, "gapHours": 48}, headers=owner).get_json()

    assert [(s["delayS"], s["isEnabled"]) for s in said["steps"]] == [
        (60, False),
        (7200, True),
        (7200, True),
    ]
    again = client.patch(SEQUENCE, json={"isPaused": True}, headers=owner).get_json()
    assert (again["gapHours"], again["isPaused"], again["steps"]) == (48, True, said["steps"])
    changed = audited(shop, "RECOVERY_SEQUENCE_SET")
    assert {"gapHours": {"from": 24, "to": 48}}.items() <= changed[0]["changed"].items()

    assert client.post(f"{SEQUENCE}/reset", headers=owner).get_json()["isOwn"] is False
    with transaction(shop.merchant_id) as session:
        assert session.scalars(select(DunningSettings)).all() == []


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"gapHours": 23}, "gapHours must be between 24 and 720"),
        ({"gapHours": 24.5}, "gapHours must be a whole number"),
        ({"mostMails": 5}, "mostMails must be between 1 and 4"),
        ({"mostMails": True}, "mostMails must be a whole number"),
        ({"holdoutPercent": 21}, "holdoutPercent must be between 0 and 20"),
        ({"quietFrom": 24, "quietUntil": 7}, "quietFrom must be between 0 and 23"),
        ({"quietFrom": 22}, "quiet hours need a beginning and an end"),
        ({"steps": [{"attempt": 2, "delayS": 1}]}, "steps must name the attempts"),
        ({"steps": [{"attempt": 4, "delayS": 1}]}, "retryAttempt must be 1, 2 or 3"),
        ({"steps": [{"attempt": 1, "delayS": -1}]}, "delayS must be between 0 and 2592000"),
        ({"isPaused": "false"}, "isPaused must be true or false"),
        ({"speed": 1}, "speed is not known here"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(
    client: Client, owner: Any, sent: dict[str, Any], error: str
) -> None:
    problem = assert_problem(client.patch(SEQUENCE, json=sent, headers=owner), 400)
    assert problem["error"].startswith(error), problem["error"]


def test_managers_read_and_clerks_see_nothing(client: Client, shop: Shop) -> None:
    manager, clerk = (bearer(shop.tokens[role]) for role in (Role.MANAGER, Role.CLERK))
    assert client.get(SEQUENCE, headers=manager).status_code == 200
    assert client.get(WORDS, headers=manager).get_json() == []
    assert_problem(client.patch(SEQUENCE, json={"gapHours": 48}, headers=manager), 403)
    assert_problem(client.post(WORDS, json={"retryAttempt": 1}, headers=manager), 403)
    assert_problem(client.get(SEQUENCE, headers=clerk), 403)


def test_the_page_saves_what_its_form_says_without_script(browser: Client, shop: Shop) -> None:
    page = browser.get(PAGE)
    fields = {
        "days1": "0.5", "on1": "1", "days2": "2", "days3": "7", "on3": "1",
        "quietFrom": "22", "quietUntil": "8", "gapHours": "36", "mostMails": "3",
        "holdoutPercent": "5", "csrf_token": csrf_in(page),
    }  # fmt: skip
    assert browser.post(PAGE, data=fields).status_code == 303
    with transaction(shop.merchant_id) as session:
        row = session.scalars(select(DunningSettings)).one()
    assert [(s["delayS"], s["isEnabled"]) for s in row.steps] == [
        (43_200, True),
        (172_800, False),
        (604_800, True),
    ]
    assert (row.quiet_from, row.quiet_until, row.gap_hours, row.is_paused) == (22, 8, 36, False)

    refused = browser.post(PAGE, data=fields | {"days1": "three", "gapHours": "1"})
    assert refused.status_code == 400
    assert "Enter a number of days" in refused.text
    assert 'value="three"' in refused.text


# --- words --------------------------------------------------------------------------------


def test_words_are_written_cut_cleaned_and_written_over(
    client: Client, shop: Shop, owner: Any
) -> None:
    body = f'<p onclick="x()">Dear {{{{customer_name}}}}</p>{EVIL}<img src=x onerror=alert(1)>'
    body += '<a href="{{update_url}}" style="color:red">pay</a><a href="javascript:1">no</a>'
    sent = {"retryAttempt": 2, "subject": "S" * 250 + "\r\nBcc: x@y.z", "body": body}
    made = client.post(WORDS, json=sent, headers=owner)

    assert made.status_code == 201
    said = made.get_json()
    assert said["subject"] == "S" * 200
    assert said["body"] == (
        '<p>Dear {{customer_name}}</p><a href="{{update_url}}">pay</a><a>no</a>'
    )
    again = client.post(WORDS, json=sent | {"subject": "New"}, headers=owner).get_json()
    assert (again["id"], again["subject"]) == (said["id"], "New")
    assert [one["subject"] for one in client.get(WORDS, headers=owner).get_json()] == ["New"]
    assert client.delete(f"{WORDS}/2", headers=owner).get_json() == {"forgotten": 1}
    assert client.get(WORDS, headers=owner).get_json() == []


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"retryAttempt": 0}, "retryAttempt must be 1, 2 or 3"),
        ({"retryAttempt": 4}, "retryAttempt must be 1, 2 or 3"),
        ({"retryAttempt": "two"}, "retryAttempt must be 1, 2 or 3"),
        ({"retryAttempt": None}, "retryAttempt must be 1, 2 or 3"),
        ({"retryAttempt": True}, "retryAttempt must be 1, 2 or 3"),
        ({"retryAttempt": [1]}, "retryAttempt must be 1, 2 or 3"),
        ({"subject": " "}, "subject is required"),
        ({"body": ""}, "body is required"),
        ({"body": EVIL}, "body is required"),
        ({"body": 5}, "body must be text"),
    ],
)
def test_words_that_cannot_be_are_refused(
    client: Client, owner: Any, sent: dict[str, Any], error: str
) -> None:
    usual = {"retryAttempt": 1, "subject": "Hello", "body": "Please pay"}
    assert_problem(client.post(WORDS, json=usual | sent, headers=owner), 400, error)
    assert_problem(client.post(WORDS, json={"subject": "a", "body": "b"}, headers=owner), 400)


def test_words_of_one_merchant_are_not_another_s(
    app: Flask, client: Client, shop: Shop, owner: Any
) -> None:
    other = open_shop("Beta", 7)
    usual = {"retryAttempt": 1, "subject": "Alpha only", "body": "Please pay"}
    client.post(WORDS, json=usual | {"merchantId": other.merchant_id}, headers=owner)

    assert client.get(WORDS, headers=bearer(other.tokens[Role.OWNER])).get_json() == []
    with transaction(shop.merchant_id, other.merchant_id) as session:
        assert session.scalars(select(EmailTemplate.merchant_id)).all() == [shop.merchant_id]


class Elements(HTMLParser):
    """What a browser would find in a text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs


def is_plain_link(link: str | None) -> bool:
    return (link or "").startswith(("https://", "mailto:"))


TEXT = st.text(st.sampled_from("<>\"'&/= abhref{}sctp:onerimgjv1\n"), max_size=60)


@given(body=TEXT, name=TEXT, url=TEXT)
@settings(max_examples=150, deadline=None)
def test_whatever_is_filled_in_stays_text(app: Flask, body: str, name: str, url: str) -> None:
    """The only elements are plain ones, and the only attributes are safe links."""
    own = own_words.clean(body + "{{customer_name}}<a href='{{update_url}}'>x</a>{{amount}}")
    values = {
        "customer_name": name,
        "amount": EVIL + name,
        "update_url": f"https://pay.example/{url}",
    }
    filled = own_words.fill(Words(name, own), values)

    found = Elements()
    found.feed(str(filled.body))
    assert found.tags <= own_words.TAGS
    assert all(name == "href" and is_plain_link(link) for name, link in found.attributes)
    assert "\n" not in filled.subject
    assert "\r" not in filled.subject


def test_known_tokens_are_filled_and_others_left(app: Flask) -> None:
    filled = own_words.fill(
        Words("{{amount}} {{plan}}", "Hi {{customer_name}}\n{{ amount }}\n\n<b>{{amount}}</b>"),
        VALUES | {"amount": "<5>"},
    )
    assert filled.subject == "<5> {{plan}}"
    assert filled.body == "<p>Hi valued customer<br>{{ amount }}</p><p><b>&lt;5&gt;</b></p>"
    assert filled.text == "Hi valued customer\n{{ amount }}\n\n<5>"


def test_the_preview_shows_what_is_typed_and_stores_nothing(browser: Client, shop: Shop) -> None:
    page = browser.get(PAGE)
    typed = {
        "retryAttempt": "1",
        "subject": f"Pay {{{{amount}}}} {EVIL}",
        "body": f'<b>Now</b> {EVIL}<a href="https://evil.example">l</a> {{{{customer_name}}}}',
        "csrf_token": csrf_in(page),
    }
    part = browser.post(f"{PAGE}/preview", data=typed, headers={"HX-Target": "preview-1"}).text
    whole = browser.post(f"{PAGE}/preview", data=typed).text
    for shown in (part, whole):
        assert "<script>alert" not in shown
        assert "<b>Now</b>" in shown
        assert "valued customer" in shown
        assert "evil.example" not in shown
        assert "US$49.00 &lt;script&gt;" in shown
    assert "<html" not in part
    assert "<html" in whole
    with transaction(shop.merchant_id) as session:
        assert session.scalars(select(EmailTemplate)).all() == []


def test_stored_words_are_harmless_on_the_page(app: Flask, browser: Client, shop: Shop) -> None:
    """Even when they came into the table by another way."""
    with transaction(shop.merchant_id) as session:
        own_words.store(session, shop.merchant_id, 1, Words(EVIL, f"{EVIL}</textarea>{EVIL}<p>ok"))
        tenancy.set_account(session, shop.merchant_id, from_name=EVIL, email='"><i>@x.example')
    page = browser.get(PAGE).text

    assert "<script>alert" not in page
    assert '"><i>@x' not in page


def test_a_test_mail_goes_to_the_merchant_itself_and_is_no_usage(
    client: Client, shop: Shop, owner: Any
) -> None:
    url = f"{SEQUENCE}/test"
    refused = client.post(url, json={"retryAttempt": 1}, headers=owner)
    assert_problem(refused, 400, "the merchant has no e-mail address", "NO_TEST_ADDRESS")
    with transaction(shop.merchant_id) as session:
        tenancy.set_account(session, shop.merchant_id, email="owner@alpha.example")
    own = {"retryAttempt": 3, "subject": "Mine {{amount}}", "body": "Pay {{update_url}}"}
    client.post(WORDS, json=own, headers=owner)
    said = client.post(url, json={"retryAttempt": 3, "to": "x@y.example"}, headers=owner).get_json()

    assert said == {"to": "owner@alpha.example", "retryAttempt": 3}
    mail = messages.newest(limit=1)[0].message
    assert (mail.to, mail.subject) == ("owner@alpha.example", "Mine US$49.00")
    assert mail.headers["X-Entity-Ref-ID"] == shop.merchant_id
    assert "<html" in mail.html


# --- who gets none --------------------------------------------------------------------------


def test_an_address_is_added_by_hand_listed_as_a_hash_and_removed(
    client: Client, shop: Shop, owner: Any
) -> None:
    url = "/api/recovery/suppressions"
    for email in ("Payer@Example.com", " payer@example.com", "b@example.com"):
        made = client.post(url, json={"email": email}, headers=owner)
        assert made.status_code == 201
    for wrong in ("", "nobody", None, 5):
        assert_problem(client.post(url, json={"email": wrong}, headers=owner), 400)
    listed = client.get(url, headers=owner).get_json()

    assert [one["why"] for one in listed["items"]] == ["by_merchant", "by_merchant"]
    assert "example.com" not in str(listed)
    first = client.get(f"{url}?limit=1", headers=owner).get_json()
    rest = client.get(f"{url}?limit=1&cursor={first['nextCursor']}", headers=owner).get_json()
    assert [*first["items"], *rest["items"]] == listed["items"]
    gone = listed["items"][0]["addressHash"]
    other = open_shop("Beta", 7)
    theirs = bearer(other.tokens[Role.OWNER])
    assert_problem(client.delete(f"{url}/{gone}", headers=theirs), 404)
    assert client.delete(f"{url}/{gone}", headers=owner).status_code == 200
    assert_problem(
        client.delete(f"{url}/{gone}", headers=owner), 404, None, "SUPPRESSION_NOT_FOUND"
    )
    assert "payer@" not in str(audited(shop, "RECOVERY_SUPPRESSION_SET"))
    assert len(audited(shop, "RECOVERY_SUPPRESSION_SET")) == 3


def test_the_list_s_page_adds_and_removes_without_script(browser: Client) -> None:
    assert "Everybody may be written to" in browser.get(GONE).text
    assert browser.send_form(GONE, {"email": "a@example.com"}).status_code == 303
    page = browser.get(GONE).text
    assert "Added by the shop" in page
    assert "a@example.com" not in page
    remove = page.partition(f'action="{GONE}/')[2].partition('"')[0]
    assert browser.send_form(f"{GONE}/{remove}", {}).status_code == 303
    assert "Everybody may be written to" in browser.get(GONE).text
    assert browser.send_form(GONE, {"email": "nobody"}).status_code == 400
