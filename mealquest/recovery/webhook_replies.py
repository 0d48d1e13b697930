"""What Stripe, or whoever sends an event, is answered."""

from pydantic import Field

from mealquest.core.wire import View
from mealquest.recovery.webhooks import Result


class WebhookResult(View):
    """What became of an event. `taskId` is there when a task was written."""

    processed: bool
    action: str = Field(description="ignored, enqueued, processed or error")
    reason: str
    task_id: int | None = None

    @classmethod
    def of(cls, result: Result) -> "WebhookResult":
        return cls(
            processed=result.processed,
            action=result.action,
            reason=result.reason,
            task_id=result.task_id,
        )

    def as_json(self) -> str:
        return self.model_dump_json(by_alias=True, exclude_none=True)


class Received(View):
    received: bool = True
    result: WebhookResult

    def as_json(self) -> str:
        return self.model_dump_json(by_alias=True, exclude_none=True)
