"""The chat with the strategist: a page, and the routes of the apps."""

from flask import url_for

from mealquest.core.principal import MANAGEMENT, Role
from mealquest.core.wire import NoInput, View
from mealquest.strategy import service
from mealquest.strategy.forms import MessageForm, MessagesForm, ReviewForm, SessionForm
from mealquest.strategy.replies import (
    MessagesPage,
    ProposalView,
    ReviewedView,
    SessionView,
    TurnView,
)
from mealquest.tenancy.service import Operation
from mealquest.web.frame import Call, Face, Feature, Scope
from mealquest.web.look import translate as _

feature = Feature("strategy_chat")
OWNER = frozenset({Role.OWNER})
PAGE_WAIT_S = 1.5  # a page then shows that the strategist thinks, and renews itself


class ChatPage(View):
    """`session` is null before the first message; `thinks` while one is being answered."""

    session: SessionView | None
    thinks: bool
    proposal: ProposalView | None
    may_decide: bool
    is_sandbox: bool


@feature.get(page="/console/strategy", roles=MANAGEMENT, template="strategy/chat")
def chat(call: Call, form: NoInput) -> ChatPage:
    """The chat, and the proposal that waits in it."""
    found = service.open_chat(call.merchant_id)
    return ChatPage(
        session=found.session,
        thinks=found.thinks,
        proposal=found.proposal,
        may_decide=call.principal.role is Role.OWNER,
        is_sandbox=service.is_sandbox(),
    )


@feature.get(api="/api/merchant/strategy-chat/session", roles=MANAGEMENT, scope=Scope.QUERY)
def session(call: Call, form: SessionForm) -> SessionView:
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
def begin(call: Call, form: NoInput) -> SessionView:
    """Begin a new chat; the one before is closed, and its proposal stays in the inbox."""
    return service.begin(call.merchant_id, call.principal)


@feature.get(api="/api/merchant/strategy-chat/messages", roles=MANAGEMENT, scope=Scope.QUERY)
def history(call: Call, form: MessagesForm) -> MessagesPage:
    """Messages of the open chat in their order, the newest page first."""
    return service.history(call.merchant_id, form)


@feature.post(
    api="/api/merchant/strategy-chat/messages",
    page="/console/strategy/messages",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.STRATEGY_CHAT_WRITE,
    action="STRATEGY_CHAT_MESSAGE",
    again="strategy_chat.chat",
    template="strategy/chat",
    see_other=lambda _view: url_for("strategy_chat.chat.page", _anchor="newest"),
)
def send(call: Call, form: MessageForm) -> TurnView:
    """Say something to the strategist, and wait for the answer."""
    wait_s = PAGE_WAIT_S if call.face is Face.PAGE else None
    return service.send(call.merchant_id, form, call.principal, wait_s)


@feature.post(
    api="/api/merchant/strategy-chat/proposals/<proposal_id>/review",
    page="/console/strategy/proposals/<proposal_id>/review",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.PROPOSAL_CONFIRM,
    action="STRATEGY_CHAT_REVIEW",
    again="strategy_chat.chat",
    template="strategy/chat",
    see_other=lambda _view: url_for("strategy_chat.chat.page", _anchor="newest"),
    flash=lambda view: (
        _("The proposal is approved, and its campaign runs.")
        if view.campaign_id
        else _("The proposal is rejected. The next draft takes your reason along.")
    ),
)
def review(call: Call, form: ReviewForm) -> ReviewedView:
    """Approve or reject the proposal that waits in the chat."""
    return service.review(call.merchant_id, form, call.principal)
