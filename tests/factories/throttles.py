"""Rate limits for a test that uses them up: on, and counted where no other test empties them."""

import pytest
from flask import Flask
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter


def count_here(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    throttles = app.extensions["throttles"]
    monkeypatch.setattr(throttles, "enabled", True)
    monkeypatch.setattr(throttles, "_shared", MovingWindowRateLimiter(MemoryStorage()))
