"""The chat's state machine, row by row, and what stands in its view."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from mealquest.audit.models import AuditRow
from mealquest.core.db import transaction
from mealquest.core.outbox import OutboxEvent
from mealquest.core.principal import Principal
from mealquest.core.settings import AiProvider
from mealquest.strategy import queries, service, turns
from mealquest.strategy.agent.domain import FailureCode, Unavailable
from mealquest.strategy.briefing import task_of
from mealquest.strategy.domain import MOST_MESSAGES, Speaker
from mealquest.strategy.errors import ReviewMismatch, SessionNotFound, TurnRunning
from mealquest.strategy.forms import (
    ConfirmForm,
    MessageForm,
    MessagesForm,
    ProposalsForm,
    ReviewForm,
)
from mealquest.strategy.models import StrategyTurn
from mealquest.strategy.sessions import say as add_message
from tests.factories.http import assert_problem, bearer, client_of, staff_token
from tests.factories.threads import run_together
from tests.strategy.chats import (
    REPLY,
    TOO_MUCH,
    ask,
    live_turn,
    open_shop,
    propose,
    say,
)

pytestmark = pytest.mark.usefixtures("app")
GONE = Unavailable("no\n answer  came", FailureCode.TIMEOUT)
CHAT = "/api/merchant/strategy-chat"


def review(merchant_id: str, by: Principal, proposal_id: str, decision: str, **more):
    form = ReviewForm(proposal_id=proposal_id, decision=decision, **more)
    return service.review(merchant_id, form, by)


def drafts(merchant_id: str) -> int:
    return len(service.listed(merchant_id, ProposalsForm()).items)


def kinds(view) -> list[tuple[str, str]]:
    return [(one.role, one.type) for one in view.delta_messages]


def test_a_new_session_has_one_system_message(app):
    shop, owner = open_shop()
    view = service.begin(shop, owner).model_dump(mode="json", by_alias=True)
    assert view.keys() == {
        "merchantId",
        "sessionId",
        "pendingReview",
        "pendingReviews",
        "messages",
        "messageCount",
        "latestMessageId",
        "activeCampaigns",
        "approvedStrategies",
    }
    assert view["messageCount"] == 1
    assert view["pendingReview"] is None
    (first,) = view["messages"]
    assert (first["role"], first["type"]) == ("SYSTEM", "TEXT")
    assert first["messageId"] == f"msg_{view['sessionId']}_1" == view["latestMessageId"]


def test_only_post_makes_a_session(app):
    shop, _owner = open_shop()
    headers = bearer(staff_token(shop))
    client = client_of(app)
    missing = client.get(f"{CHAT}/session", headers=headers)
    assert_problem(missing, 404, "strategy chat session not found")
    made = client.post(f"{CHAT}/sessions", json={"merchantId": shop}, headers=headers).get_json()
    known = client.get(f"{CHAT}/session?sessionId={made['sessionId']}", headers=headers)
    assert known.get_json()["messageCount"] == 1
    other = client.get(f"{CHAT}/session?sessionId=sc_other", headers=headers)
    assert_problem(other, 404, "strategy chat session not found")
    assert service.current(shop, None).session_id == made["sessionId"]


def test_a_reply_leaves_the_chat_open(app):
    shop, owner = open_shop()
    view = say(app, shop, owner, "What sells?", REPLY)
    assert view.status == "CHAT_REPLY"
    assert kinds(view) == [("USER", "TEXT"), ("ASSISTANT", "TEXT")]
    assert view.pending_review is None
    assert view.message_count == 3


def test_a_proposal_waits_and_holds_the_next_message_back(app):
    shop, owner = open_shop()
    view = say(app, shop, owner, "Draft one", propose())
    assert view.status == "PENDING_REVIEW"
    assert kinds(view) == [("USER", "TEXT"), ("ASSISTANT", "PROPOSAL_CARD")]
    card = view.pending_review
    assert card
    assert view.pending_reviews == [card]
    assert (card.template_id, card.branch_id, card.budget.cap) == (
        "activation_contextual_drop",
        "COOLING",
        120,
    )
    metadata = view.delta_messages[1].metadata
    assert metadata
    assert metadata["proposalId"] == card.proposal_id
    again = ask(shop, owner, "And another")
    assert (again.status, again.message_count, again.delta_messages) == (
        "REVIEW_REQUIRED",
        view.message_count,
        [],
    )
    assert again.message


def test_what_breaks_the_limits_is_blocked_with_every_reason(app):
    shop, owner = open_shop()
    view = say(app, shop, owner, "Something huge", propose(TOO_MUCH))
    assert (view.status, view.pending_review) == ("BLOCKED", None)
    assert view.reasons == ["budget cap exceeds guardrail (9999 > 450)"]
    assert kinds(view) == [("USER", "TEXT"), ("ASSISTANT", "TEXT")]
    assert view.messages[-1].text.endswith("its budget of 9999 is over 450")
    assert service.configs(shop).items == []


def test_a_message_says_who_wrote_it_whoever_answers_today(app, monkeypatch):
    """On its page alone: the wire's metadata is the card's or null."""
    shop, owner = open_shop()
    say(app, shop, owner, "Hello?", REPLY)
    monkeypatch.setattr(app.config["SETTINGS"], "ai_provider", AiProvider.DEEPSEEK.value)
    monkeypatch.setattr(app.config["SETTINGS"], "ai_api_key", "key")
    view = say(app, shop, owner, "And now?", propose())
    told = client_of(app).get("/console/strategy", headers=bearer(staff_token(shop))).text
    assert len(re.findall(r"Strategist · sandbox", told)) == 1
    card = view.messages[-1].model_dump(mode="json", by_alias=True)
    assert card["metadata"] == view.pending_review.model_dump(mode="json", by_alias=True)
    assert view.messages[2].model_dump(by_alias=True)["metadata"] is None


def test_without_an_answer_the_message_and_a_notice_are_kept(app):
    shop, owner = open_shop()
    view = say(app, shop, owner, "Hello?", GONE)
    assert (view.status, view.reason) == ("AI_UNAVAILABLE", "no answer came")
    assert kinds(view) == [("USER", "TEXT"), ("ASSISTANT", "TEXT")]
    assert say(app, shop, owner, "Again", REPLY).status == "CHAT_REPLY"


def test_approving_opens_the_chat_again_and_makes_the_campaign(app):
    shop, owner = open_shop()
    waits = say(app, shop, owner, "Draft one", propose()).pending_review
    done = review(shop, owner, waits.proposal_id, " approve", hash=waits.hash)
    assert (done.status, done.campaign_id) == ("APPROVED", waits.campaign_id)
    assert done.pending_review is None
    assert [one.id for one in done.active_campaigns] == [waits.campaign_id]
    (approved,) = done.approved_strategies
    assert (approved.proposal_id, approved.campaign_id) == (waits.proposal_id, waits.campaign_id)
    last = done.messages[-1]
    assert (last.role, last.type, last.proposal_id) == (
        "SYSTEM",
        "PROPOSAL_REVIEW",
        waits.proposal_id,
    )
    assert say(app, shop, owner, "Thanks", REPLY).status == "CHAT_REPLY"


def test_rejecting_keeps_why_for_the_next_draft(app):
    shop, owner = open_shop()
    waits = say(app, shop, owner, "Draft one", propose()).pending_review
    done = review(shop, owner, waits.proposal_id, "REJECT", reason="too dear")
    assert (done.status, done.campaign_id, done.pending_review) == ("REJECTED", None, None)
    ask(shop, owner, "Cheaper please")
    turn_id = live_turn(shop)
    with transaction(shop) as session:
        turn = queries.turn(session, shop, turn_id)
        task = task_of(session, turn)
    assert task.rejections == [f"{waits.title}: too dear"]
    assert task.history[-1]["text"] == task.user_message == "Cheaper please"
    assert len(task.templates) == 13


def test_decided_elsewhere_the_chat_is_open_again(app):
    shop, owner = open_shop()
    waits = say(app, shop, owner, "Draft one", propose()).pending_review
    service.confirm(shop, ConfirmForm(proposal_id=waits.proposal_id), owner)
    assert say(app, shop, owner, "Next", REPLY).status == "CHAT_REPLY"


def test_a_new_session_leaves_the_old_proposal_in_the_inbox(app):
    shop, owner = open_shop()
    waits = say(app, shop, owner, "Draft one", propose()).pending_review
    old = service.current(shop, None).session_id
    fresh = service.begin(shop, owner)
    assert (fresh.pending_review, fresh.message_count) == (None, 1)
    assert service.detail(shop, waits.proposal_id).status == "PENDING"
    with pytest.raises(SessionNotFound):
        service.current(shop, old)
    done = review(shop, owner, waits.proposal_id, "REJECT")  # with nothing pending: any of ours
    assert done.status == "REJECTED"


def test_another_proposal_than_the_one_that_waits_is_a_mismatch(app):
    shop, owner = open_shop()
    first = say(app, shop, owner, "Draft one", propose()).pending_review
    service.begin(shop, owner)
    second = say(app, shop, owner, "Draft another", propose()).pending_review
    with pytest.raises(ReviewMismatch):
        review(shop, owner, first.proposal_id, "APPROVE")
    assert review(shop, owner, second.proposal_id, "APPROVE").status == "APPROVED"


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("messages", {"content": "  "}, 400, "content is required"),
        ("messages", {}, 400, "content is required"),
        ("messages", {"content": "x", "sessionId": "o"}, 404, "strategy chat session not found"),
        ("proposals/p/review", {}, 400, "decision must be APPROVE or REJECT"),
        ("proposals/p/review", {"decision": "MAYBE"}, 400, "decision must be APPROVE or REJECT"),
        ("proposals/p/review", {"decision": "reject"}, 404, "proposal not found"),
        (
            "proposals/p/review",
            {"decision": "REJECT", "sessionId": "o"},
            404,
            "strategy chat session not found",
        ),
    ],
)
def test_refusals_in_the_contracts_words(app, path, body, status, words):
    shop, owner = open_shop()
    service.begin(shop, owner)
    answer = client_of(app).post(f"{CHAT}/{path}", json=body, headers=bearer(staff_token(shop)))
    assert_problem(answer, status, words)


def test_who_may_do_what(app):
    shop, _owner = open_shop()
    client = client_of(app)
    clerk, manager = (bearer(staff_token(shop, name)) for name in ("staff_clerk", "staff_manager"))
    for send in (
        lambda: client.post(f"{CHAT}/sessions", json={}, headers=clerk),
        lambda: client.get(f"{CHAT}/session", headers=clerk),
        lambda: client.post(f"{CHAT}/messages", json={"content": "x"}, headers=clerk),
        lambda: client.post(f"{CHAT}/proposals/p/review", json={}, headers=manager),
    ):
        assert_problem(send(), 403, "permission denied")
    assert client.post(f"{CHAT}/sessions", json={}, headers=manager).status_code == 200


def test_without_a_worker_the_caller_is_told_at_the_deadline(app):
    shop, owner = open_shop()
    view = service.send(shop, MessageForm(content="Anybody?"), owner)
    assert (view.status, view.message_count) == ("AI_UNAVAILABLE", 3)
    assert view.reason == "the strategist did not answer in time"


def test_an_answer_that_comes_too_late_is_thrown_away(app):
    shop, owner = open_shop()
    ask(shop, owner, "Draft one")
    late = live_turn(shop)
    service.begin(shop, owner)
    assert not turns.finish(shop, late, propose())
    view = service.current(shop, None)
    assert (view.message_count, view.pending_review) == (1, None)
    assert drafts(shop) == 0


def test_a_second_message_waits_for_the_first(app):
    shop, owner = open_shop()
    ask(shop, owner, "First")
    with pytest.raises(TurnRunning):
        ask(shop, owner, "Second")
    assert service.current(shop, None).message_count == 2


def test_answers_of_two_workers_make_one_proposal(app):
    shop, owner = open_shop()
    ask(shop, owner, "Draft one")
    turn_id = live_turn(shop)
    said = run_together(app, [lambda: turns.finish(shop, turn_id, propose())] * 8)
    assert sorted(said) == [False] * 7 + [True]
    assert drafts(shop) == 1


def test_twenty_messages_at_once_leave_one_proposal_at_most(app):
    shop, owner = open_shop()
    service.begin(shop, owner)
    calls = [lambda: ask(shop, owner, "Draft one")] * 20
    run_together(app, calls)
    turns.finish(shop, live_turn(shop), propose())
    assert {ask(shop, owner, "More").status for _ in range(3)} == {"REVIEW_REQUIRED"}
    assert drafts(shop) == 1


def test_a_worker_takes_a_turn_over_from_one_that_died(app):
    shop, owner = open_shop()
    ask(shop, owner, "Hello")
    with transaction(shop) as session:
        session.execute(
            update(StrategyTurn)
            .where(StrategyTurn.merchant_id == shop)
            .values(
                state="RUNNING",
                lease_until=StrategyTurn.created_at,
                deadline_at=StrategyTurn.created_at + timedelta(minutes=1),
            )
        )
    assert service.has_due()
    assert service.answer_due()
    assert not service.has_due()
    assert service.current(shop, None).message_count == 3


def test_the_newest_120_messages_are_kept(app):
    shop, owner = open_shop()
    service.begin(shop, owner)
    with transaction(shop) as session:
        row = queries.open_session(session, shop, lock=True)
        for number in range(130):
            add_message(session, row, Speaker.USER, f"message {number}")
    view = service.current(shop, None)
    assert view.message_count == len(view.messages) == MOST_MESSAGES
    assert view.messages[-1].text == "message 129"


def test_the_history_is_read_page_by_page(app):
    shop, owner = open_shop()
    service.begin(shop, owner)
    with transaction(shop) as session:
        row = queries.open_session(session, shop, lock=True)
        for number in range(6):
            add_message(session, row, Speaker.USER, f"m{number}")
    newest = service.history(shop, MessagesForm(limit=4))
    older = service.history(shop, MessagesForm(limit=4, cursor=newest.next_cursor))
    assert [one.text for one in newest.items] == ["m2", "m3", "m4", "m5"]
    assert [one.text for one in older.items[1:]] == ["m0", "m1"]
    assert older.next_cursor is None
    assert MessagesForm(limit=500).limit == 60


def test_what_is_audited_and_told(app):
    shop, owner = open_shop()
    say(app, shop, owner, "Hello?", GONE)
    waits = say(app, shop, owner, "Draft one", propose()).pending_review
    ask(shop, owner, "More")
    review(shop, owner, waits.proposal_id, "APPROVE")
    with transaction(shop) as session:
        rows = session.scalars(
            select(AuditRow).where(AuditRow.merchant_id == shop).order_by(AuditRow.id)
        ).all()
        events = session.scalars(
            select(OutboxEvent).where(OutboxEvent.merchant_id == shop).order_by(OutboxEvent.id)
        ).all()
    assert [(row.action, row.status.value, row.operator_id) for row in rows] == [
        ("STRATEGY_CHAT_SESSION_CREATE", "SUCCESS", "staff_owner"),
        ("STRATEGY_CHAT_MESSAGE", "FAILED", "staff_owner"),
        ("STRATEGY_CHAT_MESSAGE", "SUCCESS", "staff_owner"),
        ("STRATEGY_CHAT_MESSAGE", "BLOCKED", "staff_owner"),
        ("STRATEGY_CHAT_REVIEW", "SUCCESS", "staff_owner"),
    ]
    assert rows[2].details["pendingProposalId"] == waits.proposal_id
    assert [event.type for event in events] == [
        "STRATEGY_CHAT_SESSION_CREATED",
        "STRATEGY_CHAT_MESSAGE",
        "STRATEGY_CHAT_MESSAGE",
        "STRATEGY_CHAT_MESSAGE",
        "STRATEGY_CHAT_REVIEWED",
    ]
    assert events[-1].payload["status"] == "APPROVED"
    assert events[-1].payload["campaignId"] == waits.campaign_id


def test_another_shop_sees_none_of_it(app):
    shop, owner = open_shop()
    other, their_owner = open_shop()
    waits = say(app, shop, owner, "Draft one", propose()).pending_review
    service.begin(other, their_owner)
    answer = client_of(app).post(
        f"{CHAT}/proposals/{waits.proposal_id}/review",
        json={"merchantId": shop, "decision": "APPROVE"},
        headers=bearer(staff_token(other)),
    )
    assert_problem(answer, 404, "proposal not found")
    assert service.detail(shop, waits.proposal_id).status == "PENDING"


def test_an_unknown_template_is_the_first_of_the_library(app):
    shop, owner = open_shop()
    waits = say(app, shop, owner, "x", propose({"templateId": "?"})).pending_review
    assert (waits.template_id, waits.branch_id) == ("acquisition_welcome_gift", "DEFAULT")
