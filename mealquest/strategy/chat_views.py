"""The chat with the strategist: a page, and the routes of the apps."""

from datetime import datetime

from flask import url_for

from mealquest.core.principal import MANAGEMENT, Role
from mealquest.core.wire import NoInput, View
from mealquest.strategy import service
from mealquest.strategy.forms import (
    ChatForm,
    MessageForm,
    MessagesForm,
    ReviewForm,
    SessionForm,
    TurnPathForm,
)
from mealquest.strategy.replies import (
    ChatSessionView,
    MessagesPage,
    MessageView,
    ProposalView,
    ReviewedView,
    TurnView,
)
from mealquest.strategy.talk_replies import LiveTurn
from mealquest.tenancy.service import Operation
from mealquest.web.frame import Call, Face, Feature, Reply, Scope
from mealquest.web.look import translate as _
from mealquest.web.look import zone
from mealquest.web.respond import wants_fragment

feature = Feature("strategy_chat")
OWNER = frozenset({Role.OWNER})
PAGE_WAIT_S = 1.5  # a page without script then shows that the strategist thinks
SHOWN = 30  # messages of a page, the newest; as many more with each step back


class ChatPage(View):
    """`session` is null before the first message.

    `shown`: its messages from `first` on; `earlier`: where the page begins that goes one step
    further back, null where this one goes back to the beginning.
    """

    session: ChatSessionView | None
    shown: list[MessageView]
    first: str | None
    earlier: str | None
    turn: LiveTurn | None
    proposal: ProposalView | None
    again: str | None
    may_decide: bool
    is_sandbox: bool
    is_local: bool


@feature.get(page="/console/strategy", roles=MANAGEMENT, template="strategy/chat")
def chat(call: Call, form: ChatForm) -> ChatPage:
    """The chat, and the proposal that waits in it."""
    talk = service.open_talk(call.merchant_id)
    said = talk.session.messages if talk.session else []
    begin = _begin(said, form.first)
    return ChatPage(
        session=talk.session,
        shown=said[begin:],
        first=said[begin].message_id if said else None,
        earlier=said[max(0, begin - SHOWN)].message_id if begin else None,
        turn=talk.turn,
        proposal=talk.proposal,
        again=talk.again,
        may_decide=call.principal.role is Role.OWNER,
        is_sandbox=service.is_sandbox(),
        is_local=service.is_local(),
    )


def _begin(said: list[MessageView], first: str | None) -> int:
    """Where the page begins: with the message that was named, as long as it is kept."""
    ids = [one.message_id for one in said]
    return ids.index(first) if first in ids else max(0, len(said) - SHOWN)


@feature.word
def time_of_day(value: datetime) -> str:
    """In the shop's zone: `08:02`."""
    return value.astimezone(zone()).strftime("%H:%M")


@feature.get(api="/api/merchant/strategy-chat/session", roles=MANAGEMENT, scope=Scope.QUERY)
def session(call: Call, form: SessionForm) -> ChatSessionView:
    """The open chat. 404 where there is none: only POST makes one."""
    return service.current(call.merchant_id, form.session_id)


@feature.post(
    api="/api/merchant/strategy-chat/sessions",
    page="/console/strategy/sessions",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.STRATEGY_CHAT_WRITE,
    action="STRATEGY_CHAT_SESSION_CREATE",
    see_other=lambda _view: url_for("strategy_chat.chat.page"),
)
def begin(call: Call, form: NoInput) -> ChatSessionView:
    """Begin a new chat; the one before is closed, and its proposal stays in the inbox."""
    return service.begin(call.merchant_id, call.principal)


@feature.get(api="/api/merchant/strategy-chat/messages", roles=MANAGEMENT, scope=Scope.QUERY)
def history(call: Call, form: MessagesForm) -> MessagesPage:
    """Messages of the open chat in their order, the newest page first."""
    return service.history(call.merchant_id, form)


def _newest() -> str:
    return url_for("strategy_chat.chat.page", _anchor="newest")


@feature.post(
    api="/api/merchant/strategy-chat/messages",
    page="/console/strategy/messages",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.STRATEGY_CHAT_WRITE,
    action="STRATEGY_CHAT_MESSAGE",
    again="strategy_chat.chat",
    template="strategy/chat",
)
def send(call: Call, form: MessageForm) -> TurnView | Reply:
    """Say something to the strategist, and wait for the answer.

    A page with script is shown the chat at once, in which the answer then grows.
    """
    if call.face is Face.API:
        return service.send(call.merchant_id, form, call.principal, None)
    grows = wants_fragment()
    view = service.send(call.merchant_id, form, call.principal, 0 if grows else PAGE_WAIT_S)
    return Reply(chat(call, ChatForm())) if grows else Reply(view, see_other=_newest())


@feature.post(
    api="/api/merchant/strategy-chat/turns/<turn_id>/stop",
    page="/console/strategy/turns/<turn_id>/stop",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.STRATEGY_CHAT_WRITE,
    action="STRATEGY_CHAT_MESSAGE",
    template="strategy/chat",
)
def stop(call: Call, form: TurnPathForm) -> TurnView | Reply:
    """Wait no longer for an answer; the message and a notice stay in the chat."""
    view = service.stop(call.merchant_id, form.turn_id)
    if call.face is Face.API:
        return view
    if wants_fragment():
        return Reply(chat(call, ChatForm()))
    return Reply(view, see_other=_newest())


@feature.post(
    api="/api/merchant/strategy-chat/proposals/<proposal_id>/review",
    page="/console/strategy/proposals/<proposal_id>/review",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.PROPOSAL_CONFIRM,
    action="STRATEGY_CHAT_REVIEW",
    again="strategy_chat.chat",
    template="strategy/chat",
    see_other=lambda _view: _newest(),
    flash=lambda view: (
        _("The proposal is approved, and its campaign runs.")
        if view.campaign_id
        else _("The proposal is rejected. The next draft takes your reason along.")
    ),
)
def review(call: Call, form: ReviewForm) -> ReviewedView:
    """Approve or reject the proposal that waits in the chat."""
    return service.review(call.merchant_id, form, call.principal)
