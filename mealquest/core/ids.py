"""Ids: a prefix that says what it is, then a ULID, so they sort by time and need no database."""

from ulid import ULID


def new_id(prefix: str) -> str:
    """`new_id("txn")` -> `txn_01JD8…`: 26 characters of time (ms) and 80 random bits."""
    return f"{prefix}_{ULID()}"
