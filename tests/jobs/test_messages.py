import logging

import httpx
import pytest
from sqlalchemy import func, select, update

from jobs import messages as job
from mealquest.core.db import transaction
from mealquest.core.messages import MessageState, OutboundMessage
from mealquest.core.settings import Profile
from mealquest.identity import gateway
from mealquest.identity import service as identity
from mealquest.identity.forms import RequestCodeForm
from tests.fakes.sms import Behaviour, SmsEdge

PHONE = "+8613900000000"


@pytest.fixture
def edge():
    with SmsEdge() as edge:
        yield edge


@pytest.fixture(autouse=True)
def with_the_edge(app, edge, monkeypatch):
    """Outside development, with codes posted to the edge, which is given little time."""
    settings = {"profile": Profile.STAGING, "sms_webhook_url": f"{edge.url}?key=edge-key"}
    changed = app.config["SETTINGS"].model_copy(update=settings)
    monkeypatch.setitem(app.config, "SETTINGS", changed)
    monkeypatch.setattr(gateway, "TIMEOUT", httpx.Timeout(0.3))
    monkeypatch.setattr(job, "ROUNDS", 1)


def request_code(phone: str = PHONE) -> None:
    identity.request_code(RequestCodeForm(phone=phone))


def row() -> OutboundMessage:
    with transaction() as session:
        return session.scalars(select(OutboundMessage)).one()


def make_due() -> None:
    with transaction() as session:
        session.execute(update(OutboundMessage).values(run_at=func.now()))


def test_a_code_reaches_the_edge_as_the_contract_says(edge):
    request_code()
    assert job.deliver() == "handled 1"

    (post,) = edge.posts
    code = post.body.pop("code")
    assert len(code) == 6
    assert post.body == {"phone": PHONE, "purpose": "MERCHANT_SIGN_IN", "expiresInSec": 300}
    assert post.headers["Content-Type"] == "application/json"
    assert post.headers["Idempotency-Key"] == row().id


def test_a_code_that_was_sent_is_erased(edge):
    request_code()
    job.deliver()
    assert (row().state, row().content) == (MessageState.SENT, None)
    assert job.deliver() == "handled 0"
    assert len(edge.posts) == 1


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (Behaviour.BROKEN, "the SMS edge answered 500"),
        (Behaviour.REDIRECTS, "the SMS edge answered 302"),
        (Behaviour.DROPS, "RemoteProtocolError"),
        (Behaviour.HANGS, "ReadTimeout"),
    ],
)
def test_a_message_that_was_not_taken_is_kept_and_sent_later(edge, behaviour, reason):
    request_code()
    edge.behaviour = behaviour
    job.deliver()

    kept = row()
    assert (kept.state, kept.attempts) == (MessageState.QUEUED, 1)
    assert reason in kept.last_error
    assert kept.content

    edge.behaviour = Behaviour.TAKES
    make_due()
    job.deliver()
    assert row().state is MessageState.SENT
    first, second = edge.posts
    assert first.body == second.body
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]


def test_an_edge_that_is_away_loses_nothing(edge, app, monkeypatch):
    settings = app.config["SETTINGS"].model_copy(
        update={"sms_webhook_url": "http://127.0.0.1:9/sms"}
    )
    monkeypatch.setitem(app.config, "SETTINGS", settings)
    request_code()
    job.deliver()
    assert row().state is MessageState.QUEUED
    assert "ConnectError" in row().last_error


def test_one_phone_s_failure_does_not_hold_up_the_others(edge):
    edge.behaviour = Behaviour.BROKEN
    request_code("+8613900000001")
    job.deliver()
    edge.behaviour = Behaviour.TAKES
    request_code("+8613900000002")
    job.deliver()
    assert edge.posts[-1].body["phone"] == "+8613900000002"


def test_neither_the_code_nor_the_edge_s_key_is_written_down(edge, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    edge.behaviour = Behaviour.BROKEN
    request_code()
    job.deliver()

    written = caplog.text + "".join(capfd.readouterr()) + row().last_error
    for secret in (edge.posts[0].body["code"], PHONE.removeprefix("+"), "edge-key"):
        assert secret not in written


def test_batches_follow_until_nothing_is_due(edge, monkeypatch):
    monkeypatch.setattr(job, "ROUNDS", 4)
    monkeypatch.setattr(job, "BATCH", 2)
    for number in range(5):
        request_code(f"+861390000000{number}")
    assert job.deliver() == "handled 5"
    assert len(edge.posts) == 5
