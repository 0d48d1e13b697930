from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from mealquest.core import messages
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.messages import Message, MessageKind, MessageState, OutboundMessage
from mealquest.core.settings import Profile
from tests.identity.parallel import at_once

MAX_ATTEMPTS = messages.MAX_ATTEMPTS[MessageKind.SMS]

pytestmark = pytest.mark.usefixtures("app")

CODE = Message(
    to="+8613900000001",
    subject="Sign-in code",
    text="123456 is your code",
    data={"code": "123456"},
)


def post(message=CODE, *, has_edge=True, expires_at=None):
    with transaction() as session:
        messages.post(session, MessageKind.SMS, message, has_edge=has_edge, expires_at=expires_at)


def post_and_fail():
    with transaction() as session:
        messages.post(session, MessageKind.SMS, CODE, has_edge=True)
        raise ZeroDivisionError


def row():
    with transaction() as session:
        return session.scalars(select(OutboundMessage)).one()


def change(**values):
    with transaction() as session:
        session.execute(update(OutboundMessage).values(**values))


def refuse(message):
    raise ConnectionError("the edge is away")


@pytest.fixture
def outside_development(app, monkeypatch):
    settings = app.config["SETTINGS"].model_copy(update={"profile": Profile.STAGING})
    monkeypatch.setitem(app.config, "SETTINGS", settings)


def test_a_message_is_sent_as_it_was_posted():
    post()
    sent = []

    assert messages.deliver_due({MessageKind.SMS: sent.append}) == 1
    assert messages.deliver_due({MessageKind.SMS: sent.append}) == 0

    assert [stored.message for stored in sent] == [CODE]
    assert row().state is MessageState.SENT


def test_without_an_edge_a_message_is_only_shown():
    post(has_edge=False)
    assert row().state is MessageState.KEPT
    assert not messages.has_due()
    assert [stored.message for stored in messages.newest()] == [CODE]


def test_recipient_and_text_are_encrypted():
    post()
    content = row().content
    for secret in ("123456", "13900000001", "Sign-in"):
        assert secret not in content


def test_a_message_of_a_transaction_that_failed_is_not_sent():
    with pytest.raises(ZeroDivisionError):
        post_and_fail()
    assert not messages.has_due()


def test_the_bell_rings_after_the_commit(app):
    app.extensions["bells"]._rung.clear()
    post()
    waiting = app.extensions["bells"].queue.jobs
    assert [job.func_name for job in waiting] == ["jobs.messages.deliver"]


def test_a_message_that_is_not_taken_is_kept_for_the_next_try():
    post()
    messages.deliver_due({MessageKind.SMS: refuse})

    waiting = row()
    assert (waiting.state, waiting.attempts) == (MessageState.QUEUED, 1)
    assert "the edge is away" in waiting.last_error
    assert waiting.content

    sent = []
    change(run_at=func.now())
    messages.deliver_due({MessageKind.SMS: sent.append})
    assert len(sent) == 1
    assert (row().state, row().last_error) == (MessageState.SENT, None)


def test_tries_are_given_up_in_the_end():
    post()
    for _ in range(MAX_ATTEMPTS):
        change(run_at=func.now())
        messages.deliver_due({MessageKind.SMS: refuse})

    assert (row().state, row().attempts) == (MessageState.FAILED, MAX_ATTEMPTS)
    change(run_at=func.now())
    assert messages.deliver_due({MessageKind.SMS: refuse}) == 0


def test_a_message_past_its_time_is_not_tried_again():
    post(expires_at=utc_now() - timedelta(seconds=1))
    messages.deliver_due({MessageKind.SMS: refuse})
    assert row().state is MessageState.FAILED


def test_a_claimed_message_is_left_alone_until_the_lease_ends():
    post()
    assert len(messages._claim(10)) == 1  # a sender that dies right after its claim
    assert not messages.has_due()
    change(run_at=func.now() - timedelta(seconds=1))
    assert messages.has_due()


def test_senders_that_run_together_send_each_message_once(app):
    for number in range(30):
        post(Message(to=f"+86139000000{number:02d}", subject="s", text="t"))
    sent = []
    senders = {MessageKind.SMS: sent.append}

    at_once(app, *[lambda: messages.deliver_due(senders, limit=10)] * 4)
    while messages.deliver_due(senders, limit=10):
        pass

    assert len({stored.id for stored in sent}) == len(sent) == 30


@pytest.mark.usefixtures("outside_development")
def test_outside_development_nothing_of_a_sent_message_stays():
    post()
    messages.deliver_due({MessageKind.SMS: lambda message: None})
    assert row().content is None
    assert messages.newest() == []


def test_in_development_a_sent_message_stays_to_be_shown():
    post()
    messages.deliver_due({MessageKind.SMS: lambda message: None})
    assert [stored.message for stored in messages.newest()] == [CODE]


def test_the_newest_message_is_shown_first():
    for text in ("first", "second", "third"):
        post(Message(to="+8613900000001", subject="s", text=text), has_edge=False)
    assert [stored.message.text for stored in messages.newest(limit=2)] == ["third", "second"]


def test_settled_messages_are_forgotten_after_a_week_and_waiting_ones_never():
    post(has_edge=False)
    change(created_at=func.now() - timedelta(days=6))
    assert messages.purge_old() == 0
    change(created_at=func.now() - timedelta(days=8))
    assert messages.purge_old() == 1

    post(has_edge=True)
    change(created_at=func.now() - timedelta(days=8))
    assert messages.purge_old() == 0
