"""Alive, ready, and what development shows of messages it did not send."""

import re

import pytest

from mealquest.core import messages
from mealquest.core.db import transaction
from mealquest.core.messages import Message, MessageKind
from mealquest.core.settings import Profile
from tests.factories.http import Client, client_of


@pytest.fixture
def client(app) -> Client:
    return client_of(app)


def test_alive_says_what_time_it_is(client) -> None:
    answer = client.get("/health")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.get_json()["ok"] is True
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer.get_json()["now"])


def test_ready_has_asked_the_database(client) -> None:
    assert client.get("/api/health").get_json() == {
        "status": "healthy",
        "database": "connected",
        "pendingTasks": 0,
        "runningTasks": 0,
    }


def test_both_are_asked_with_head_too(client) -> None:
    for path in ("/health", "/api/health"):
        assert client.head(path).status_code == 200


# --- the development outbox -----------------------------------------------------------------


@pytest.fixture
def posted(app) -> list[str]:
    """Texts of two messages, the newer one last."""
    said = ["123456 is your code", "<b>Hello</b> & welcome"]
    for text in said:
        with transaction() as session:
            message = Message(to="+8613912345678", subject="Code", text=text)
            messages.post(session, MessageKind.SMS, message, has_edge=False)
    return said


def test_what_would_have_been_sent_is_shown_newest_first(client, posted) -> None:
    answer = client.get("/dev/outbox", headers={"Accept": "application/json"})

    assert answer.status_code == 200
    items = answer.get_json()["items"]
    assert [item["text"] for item in items] == posted[::-1]
    assert items[0].keys() == {
        "id",
        "kind",
        "to",
        "subject",
        "text",
        "html",
        "headers",
        "attachments",
        "createdAt",
    }
    assert items[0]["kind"] == "sms"
    assert items[0]["to"] == "+8613912345678"


def test_people_see_it_as_a_page(client, posted) -> None:
    page = client.get("/dev/outbox", headers={"Accept": "text/html,*/*;q=0.8"})

    assert page.mimetype == "text/html"
    assert "123456 is your code" in page.text
    assert "&lt;b&gt;Hello&lt;/b&gt; &amp; welcome" in page.text
    assert "<b>Hello" not in page.text


@pytest.mark.parametrize("profile", [Profile.STAGING, Profile.PROD])
def test_elsewhere_it_does_not_exist(app, client, posted, monkeypatch, profile) -> None:
    monkeypatch.setattr(app.config["SETTINGS"], "profile", profile)

    for accept in ("application/json", "text/html"):
        answer = client.get("/dev/outbox", headers={"Accept": accept})
        assert answer.status_code == 404
        assert "123456" not in answer.text
