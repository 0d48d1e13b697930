"""The chat's page: its window on what was said, a message that is being answered, and stopping."""

import re

import pytest
from sqlalchemy import func, update

from mealquest.core.db import transaction
from mealquest.strategy import queries, service, turns
from mealquest.strategy.agent import drafts
from mealquest.strategy.agent.domain import FailureCode, Unavailable
from mealquest.strategy.domain import Speaker
from mealquest.strategy.errors import TurnNotFound
from mealquest.strategy.models import StrategyTurn
from mealquest.strategy.sessions import say as add_message
from mealquest.strategy.talk_replies import Stage
from tests.factories.http import bearer, client_of, staff_token
from tests.strategy.chats import REPLY, ask, live_turn, open_shop, propose, say

pytestmark = pytest.mark.usefixtures("app")
PAGE = "/console/strategy"


@pytest.fixture(autouse=True)
def _patient(app, monkeypatch):
    """Turns live long enough to be looked at."""
    monkeypatch.setattr(app.config["SETTINGS"], "ai_turn_wait_s", 60.0)


def stage(shop: str) -> tuple[Stage, str]:
    turn = service.open_talk(shop).turn
    assert turn
    return turn.stage, turn.text


def run_turn(shop: str) -> None:
    with transaction(shop) as session:
        session.execute(
            update(StrategyTurn).where(StrategyTurn.merchant_id == shop).values(state="RUNNING")
        )


@pytest.fixture
def page(app):
    """The page of an owner, as text."""

    def get(shop: str, path: str = PAGE, **headers: str) -> str:
        answer = client_of(app).get(path, headers=bearer(staff_token(shop)) | headers)
        assert answer.status_code == 200
        return answer.text

    return get


def test_a_message_waits_then_the_model_thinks_and_writes(app):
    shop, owner = open_shop()
    ask(shop, owner, "What sells?")
    assert stage(shop) == (Stage.WAITS, "")
    run_turn(shop)
    assert stage(shop) == (Stage.WAITS, "")  # for its turn with the model
    tell = drafts.teller(shop, live_turn(shop))
    tell("")
    assert stage(shop) == (Stage.THINKS, "")
    tell("Soup, mos")
    assert stage(shop) == (Stage.WRITES, "Soup, mos")
    turns.finish(shop, live_turn(shop), REPLY)
    assert service.open_talk(shop).turn is None


def test_words_that_are_written_stand_on_the_page_as_a_draft_and_as_text(page):
    shop, owner = open_shop()
    ask(shop, owner, "What sells?")
    run_turn(shop)
    drafts.teller(shop, live_turn(shop))("<b>Soup</b>")
    text = page(shop)
    assert "&lt;b&gt;Soup&lt;/b&gt;" in text
    assert "draft, being checked" in text
    assert re.search(r'id="send"[^>]* disabled', text)


def test_stopping_ends_the_turn_and_throws_the_answer_away(app):
    shop, owner = open_shop()
    ask(shop, owner, "What sells?")
    turn_id = live_turn(shop)
    for _twice in range(2):
        view = service.stop(shop, turn_id)
        assert (view.status, view.reason, view.message_count) == (
            "AI_UNAVAILABLE",
            "it was stopped",
            3,
        )
    assert not turns.finish(shop, turn_id, propose())
    assert service.open_talk(shop).again == "What sells?"
    for words in ("", "So", "So"):  # whoever asks the model hears of it, however often
        with pytest.raises(drafts.Stopped):
            drafts.teller(shop, turn_id)(words)


def test_nobody_stops_the_turn_of_another_shop(app):
    shop, owner = open_shop()
    other, _owner = open_shop()
    ask(shop, owner, "What sells?")
    with pytest.raises(TurnNotFound):
        service.stop(other, live_turn(shop))
    assert stage(shop) == (Stage.WAITS, "")


def test_only_a_message_that_nobody_answered_is_offered_again(app):
    shop, owner = open_shop()
    gone = Unavailable("no answer", FailureCode.TIMEOUT)
    say(app, shop, owner, "What sells?", gone)
    assert service.open_talk(shop).again == "What sells?"
    ask(shop, owner, "And now?")
    assert service.open_talk(shop).again is None
    turns.finish(shop, live_turn(shop), REPLY)
    assert service.open_talk(shop).again is None


def test_whoever_looks_ends_a_turn_that_is_past_its_time(app):
    shop, owner = open_shop()
    ask(shop, owner, "Anybody?")
    with transaction(shop) as session:
        session.execute(
            update(StrategyTurn)
            .where(StrategyTurn.merchant_id == shop)
            .values(deadline_at=func.now())
        )
    talk = service.open_talk(shop)
    assert (talk.turn, talk.again) == (None, "Anybody?")


def test_the_page_goes_back_step_by_step_to_the_first_message_that_is_kept(page):
    shop, owner = open_shop()
    service.begin(shop, owner)
    with transaction(shop) as session:
        row = queries.open_session(session, shop, lock=True)
        for number in range(1, 70):
            add_message(session, row, Speaker.USER, f"words {number}.")
    seen, path = [], PAGE
    while path:
        text = page(shop, path, HX_Request="true", **{"HX-Target": "chat"})
        seen.append(len(re.findall(r'<li class="mq-said', text)))
        assert "words 69." in text
        older = re.search(r'id="earlier"[^>]* href="([^"]+)"', text)
        path = older[1] if older else ""
    assert seen == [30, 60, 70]
    assert text.count('class="mq-day"') == 1
    unknown = page(shop, f"{PAGE}?first=msg_other_1")
    assert len(re.findall(r'<li class="mq-said', unknown)) == 30


def test_a_page_with_script_is_shown_the_chat_at_once(app):
    shop, _owner = open_shop()
    headers = bearer(staff_token(shop)) | {"HX-Request": "true", "HX-Target": "chat"}
    sent = client_of(app).post(f"{PAGE}/messages", data={"content": "Hello"}, headers=headers)
    assert sent.status_code == 200
    assert sent.text.lstrip().startswith('<div id="chat"')
    assert "Waiting for its turn" in sent.text
    stopped = client_of(app).post(f"{PAGE}/turns/{live_turn(shop)}/stop", headers=headers)
    assert "Try again" in stopped.text
