"""What the agent keeps of chats: told of decisions, and dropped when it has served."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from jobs import strategy as job
from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.settings import AiProvider
from mealquest.privacy import service as privacy
from mealquest.strategy import service
from mealquest.strategy.agent import run
from mealquest.strategy.agent.checkpoints import thread_id
from mealquest.strategy.forms import ConfirmForm, ProposalsForm, RejectForm, ReviewForm
from mealquest.strategy.models import ProposalRow, StrategySession
from tests.factories.wallet import make_wallet
from tests.fakes.model import ModelServer
from tests.strategy.chats import COOLING, TOO_MUCH, ask, open_shop, propose, say


@pytest.fixture
def model(app, monkeypatch):
    settings = app.config["SETTINGS"]
    with ModelServer() as server:
        monkeypatch.setattr(settings, "ai_provider", AiProvider.OPENAI_COMPATIBLE.value)
        monkeypatch.setattr(settings, "ai_base_url", server.url)
        monkeypatch.setattr(settings, "ai_turn_wait_s", 30.0)
        server.proposes(**COOLING)
        yield server
        run.store().purge(timedelta(0))


def drafted(shop, owner):
    """The card of a proposal that came out of the whole agent."""
    ask(shop, owner, "Create one")
    assert service.answer_due()
    return service.current(shop, None).pending_review


def kept(shop, session_id):
    return (
        run.store().saver().get_tuple({"configurable": {"thread_id": thread_id(shop, session_id)}})
    )


def test_an_approval_in_the_inbox_ends_the_chats_thread(model):
    shop, owner = open_shop()
    card = drafted(shop, owner)
    chat = service.current(shop, None).session_id
    service.confirm(shop, ConfirmForm(proposal_id=card.proposal_id, hash=card.hash), owner)
    assert run.reviewed(shop, chat) is None
    assert service.has_due()
    assert job.answer() == "answered"
    told = run.reviewed(shop, chat)
    assert told
    assert (told["decision"], told["hash"]) == ("APPROVE", card.hash)
    assert not service.has_due()
    assert job.answer() == "nobody asks"


def test_a_rejection_in_the_chat_is_told_once_however_often_the_job_runs(model):
    shop, owner = open_shop()
    card = drafted(shop, owner)
    chat = service.current(shop, None).session_id
    form = ReviewForm(proposal_id=card.proposal_id, decision="REJECT", reason="too dear")
    service.review(shop, form, owner)
    assert service.end_due_threads() == 1
    with transaction(shop) as session:  # as a worker that died before it noted that it was done
        session.execute(
            update(ProposalRow)
            .where(ProposalRow.merchant_id == shop)
            .values(thread_due_at=ProposalRow.decided_at)
        )
    assert service.end_due_threads() == 1
    assert run.reviewed(shop, chat)["reason"] == "too dear"
    ask(shop, owner, "Another one")
    assert service.answer_due()
    assert model.asked[-1].document["rejections"] == [f"{card.title}: too dear"]


def test_a_late_decision_does_not_end_the_thread_of_the_next_draft(model):
    shop, owner = open_shop()
    first = drafted(shop, owner)
    service.dismiss(shop, RejectForm(proposal_id=first.proposal_id), owner)
    second = drafted(shop, owner)  # the agent heard of nothing yet
    chat = service.current(shop, None).session_id
    assert service.end_due_threads() == 1
    assert run.reviewed(shop, chat) is None
    service.confirm(shop, ConfirmForm(proposal_id=second.proposal_id), owner)
    assert service.end_due_threads() == 1
    assert run.reviewed(shop, chat)["proposalId"] == second.proposal_id


def test_drafts_of_which_none_is_kept_wait_for_nobody(model):
    shop, owner = open_shop()
    model.proposes(**TOO_MUCH)
    assert drafted(shop, owner) is None
    chat = service.current(shop, None).session_id
    assert run.reviewed(shop, chat) == {"decision": "DROPPED"}


def test_a_chat_that_is_over_and_a_customer_who_is_erased_leave_no_thread(model):
    shop, owner = open_shop()
    drafted(shop, owner)
    first = service.current(shop, None).session_id
    assert kept(shop, first)
    service.begin(shop, owner)
    service.end_due_threads()
    assert kept(shop, first) is None
    drafted(shop, owner)
    second = service.current(shop, None).session_id
    privacy.delete_user(shop, make_wallet(merchant_id=shop).customer_id, owner)
    assert kept(shop, second)
    service.end_due_threads()
    assert kept(shop, second) is None
    assert service.current(shop, None).pending_review  # the owner's proposal stays


def test_what_was_said_in_a_chat_goes_ninety_days_after_its_end(app):
    shop, owner = open_shop()
    say(app, shop, owner, "Draft one", propose())
    service.begin(shop, owner)
    say(app, shop, owner, "Draft two", propose())
    assert service.purge_chats() == 0  # neither is over for so long
    with transaction(shop) as session:
        session.execute(
            update(StrategySession)
            .where(StrategySession.ended_at.is_not(None))
            .values(ended_at=utc_now() - timedelta(days=91))
        )
    assert service.purge_chats() == 4  # greeting, message, card; and the turn
    assert service.purge_chats() == 0
    assert service.current(shop, None).message_count == 3
    assert len(service.listed(shop, ProposalsForm()).items) == 2
