"""Moves of merchants between databases: goes on with those that are due."""

from mealquest.tenancy import service as tenancy


def drive() -> str:
    """Safe to run twice: a move belongs to one driver at a time, and each step looks first."""
    looked = tenancy.drive_moves()
    return f"looked at {looked}, told of {tenancy.note_ends()}"
