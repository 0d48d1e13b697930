"""The one clock. Times are aware and in UTC; due and zombie decisions use the database's now()."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    return datetime.now(UTC)


def iso_millis(moment: datetime) -> str:
    """ISO-8601 in UTC with milliseconds and `Z`, the form of every timestamp on the wire."""
    utc = moment.astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"
