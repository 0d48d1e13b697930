from typing import Annotated, Literal

from pydantic import Field

from mealquest.core.wire import Input

MAX_SEQ = 2**63 - 1
Seq = Annotated[int, Field(ge=0, le=MAX_SEQ)]


class ConnectForm(Input):
    """`since`: the last number the client has; what came after it is sent first.

    `passing`: whether it also wants frames without a number, about what is true for a moment.
    """

    since: Seq | None = None
    passing: Literal["yes"] | None = None


class EventsForm(Input):
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    before: Seq | None = None
