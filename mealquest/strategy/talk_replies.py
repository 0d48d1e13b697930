"""What the chat's page shows beside what was said."""

from enum import StrEnum

from mealquest.core.wire import View
from mealquest.strategy.domain import TurnState
from mealquest.strategy.models import StrategyTurn


class Stage(StrEnum):
    """How far the answer to a message is."""

    WAITS = "WAITS"  # for a worker, or for its turn with the model
    THINKS = "THINKS"  # the model is asked, and has said nothing yet
    WRITES = "WRITES"


class LiveTurn(View):
    """A message that is being answered; `text`: what the model has written so far, unchecked."""

    turn_id: str
    stage: Stage
    text: str

    @classmethod
    def of(cls, row: StrategyTurn, draft: str | None) -> "LiveTurn":
        if row.state is TurnState.WAITING or draft is None:
            return cls(turn_id=row.id, stage=Stage.WAITS, text="")
        stage = Stage.WRITES if draft else Stage.THINKS
        return cls(turn_id=row.id, stage=stage, text=draft)
