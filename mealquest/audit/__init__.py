"""The append-only record of who did what, with what outcome."""
