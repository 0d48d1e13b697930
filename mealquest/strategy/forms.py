"""What the strategist's routes take in."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mealquest.core.paging import DEFAULT_LIMIT, ListForm, OptionalText, page_size
from mealquest.core.wire import Flag, Input, Key, Remark, Str, refuse
from mealquest.strategy.domain import ProposalStatus

CONTENT_LENGTH = 4000
MOST_MESSAGES_A_PAGE = 60


def _upper(value: Any) -> Any:
    return value.strip().upper() or None if isinstance(value, str) else value


def _reason(value: str) -> str | None:
    return value or None


OptionalReason = Annotated[Remark, AfterValidator(_reason)] | None
OptionalHash = Annotated[Str, Field(max_length=128), AfterValidator(_reason)] | None


class ProposalPathForm(Input):
    proposal_id: Key


class ConfirmForm(ProposalPathForm):
    """`hash`: of what was shown; where it is sent, it must still be that."""

    hash: OptionalHash = None


class PickForm(ProposalPathForm):
    """`hash`: of the candidate that is to wait in place of the one that does. `in_chat`: a page
    comes back to the chat, where it was chosen."""

    hash: Annotated[Key, Field(max_length=128)]
    in_chat: Flag = False


class RejectForm(ProposalPathForm):
    """`reason`: why, for the next draft. Phones and mail addresses in it are not kept."""

    reason: OptionalReason = None


class ProposalsForm(ListForm):
    status: Annotated[ProposalStatus | None, BeforeValidator(_upper)] = None
    template: OptionalText = None


class PlanForm(Input):
    """A strategy asked for outright. `overrides`: of the campaign, over what is drafted."""

    template_id: OptionalText = None
    branch_id: OptionalText = None
    intent: Annotated[Str, Field(max_length=CONTENT_LENGTH)] = ""
    overrides: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if not self.template_id and not self.intent:
            raise refuse("merchantId and (templateId or intent) are required")
        return self


class PlanPathForm(Input):
    plan_id: Key


class SessionForm(Input):
    session_id: OptionalText = None


class ChatForm(Input):
    """`first`: the message that a page begins with; the newest ones where it is not there."""

    first: OptionalText = None


class TurnPathForm(Input):
    turn_id: Key


def _content(value: str) -> str:
    if not value:
        raise refuse("content is required")
    return value


class MessageForm(SessionForm):
    content: Annotated[Str, Field(max_length=CONTENT_LENGTH), AfterValidator(_content)]

    @model_validator(mode="before")
    @classmethod
    def _absent_is_empty(cls, sent: dict[str, Any]) -> dict[str, Any]:
        return {"content": ""} | sent


def _limit(value: Any) -> int:
    return min(page_size(value), MOST_MESSAGES_A_PAGE)


class MessagesForm(SessionForm):
    """The messages before `cursor`, a number that an earlier page gave."""

    limit: Annotated[int, BeforeValidator(_limit)] = DEFAULT_LIMIT
    cursor: OptionalText = None


def _decision(value: Any) -> Any:
    if not isinstance(value, str) or value.strip().upper() not in ("APPROVE", "REJECT"):
        raise refuse("decision must be APPROVE or REJECT")
    return value.strip().upper()


class ReviewForm(SessionForm):
    """An owner's word on a proposal of the chat; `hash` and `reason` as in the inbox."""

    proposal_id: Key
    decision: Annotated[str, BeforeValidator(_decision)]
    hash: OptionalHash = None
    reason: OptionalReason = None

    @model_validator(mode="before")
    @classmethod
    def _absent_is_empty(cls, sent: dict[str, Any]) -> dict[str, Any]:
        return {"decision": ""} | sent
