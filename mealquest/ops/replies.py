"""What the operators' routes answer."""

from typing import Literal

from mealquest.core.messages import StoredMessage
from mealquest.core.wire import Timestamp, View


class Alive(View):
    ok: Literal[True] = True
    now: Timestamp


class Healthy(View):
    status: Literal["healthy"] = "healthy"
    database: Literal["connected"] = "connected"


class OutboxItem(View):
    id: str
    kind: str
    to: str
    subject: str
    text: str
    html: str
    headers: dict[str, str]
    attachments: list[str]
    created_at: Timestamp

    @classmethod
    def of(cls, stored: StoredMessage) -> "OutboxItem":
        message = stored.message
        return cls(
            id=stored.id,
            kind=stored.kind,
            to=message.to,
            subject=message.subject,
            text=message.text,
            html=message.html,
            headers=message.headers,
            attachments=message.attachments,
            created_at=stored.created_at,
        )


class OutboxItems(View):
    items: list[OutboxItem]
