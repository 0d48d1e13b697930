"""What the audit's list takes in. By the wire contract nearly nothing here is an error."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from mealquest.core.paging import ListForm, OptionalDay, OptionalText
from mealquest.core.wire import Input, Key


def moment_or_none(value: Any) -> datetime | None:
    """An ISO time, UTC where it names no zone, in whole milliseconds; None for anything else."""
    if isinstance(value, datetime):
        return value
    try:
        parsed = datetime.fromisoformat(str(value).strip())
        utc = parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def _cursor(value: Any) -> str | None:
    return value if isinstance(value, str) and value.isprintable() else None


def _upper(value: str | None) -> str | None:
    return value.upper() if value else None


Moment = Annotated[datetime | None, BeforeValidator(moment_or_none)]
Word = Annotated[OptionalText, AfterValidator(_upper)]


class AuditForm(ListForm):
    """Filters. `start_time` and `end_time` are inclusive; days are the merchant's, inclusive."""

    cursor: Annotated[str | None, BeforeValidator(_cursor)] = None
    start_time: Moment = None
    end_time: Moment = None
    from_day: OptionalDay = None
    to_day: OptionalDay = None
    action: Word = None
    status: Word = None
    operator_id: OptionalText = None
    not_action: Word = None


class AuditRowForm(Input):
    audit_id: Key
