"""`flask stripe webhooks`: both endpoints, once, and the secret told once."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from mealquest.recovery import endpoints, plan_events
from mealquest.recovery.gateway import StripeGateway
from tests.fakes.stripe import StripeFake

BASE = "https://shop.example"


@pytest.fixture
def stripe(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeFake]:
    with StripeFake() as fake:
        pointed: dict[str, Any] = {}
        fake.configure(pointed)
        for name, value in (pointed | {"STRIPE_SANDBOX_URL": None}).items():
            monkeypatch.setitem(app.config, name, value)
        monkeypatch.setattr(app.config["SETTINGS"], "public_base_url", BASE)
        yield fake


def run(app: Flask) -> Any:
    return app.test_cli_runner().invoke(args=["stripe", "webhooks"])


def test_both_are_made_once_and_mended_when_they_lack_something(app, stripe) -> None:
    first, second = run(app), run(app)
    found = {one["url"]: one for one in StripeGateway.platform().webhook_endpoints()}
    own = found[BASE + endpoints.OWN]
    StripeGateway.platform().change_webhook_endpoint(str(own["id"]), ["charge.failed"])
    third = run(app)

    assert first.exit_code == second.exit_code == third.exit_code == 0
    assert first.output.count("whsec_") == 2
    assert "whsec_" not in second.output + third.output
    assert second.output.count("kept") == 2
    assert "changed " + BASE + endpoints.OWN in third.output
    asked = stripe.asked_of("POST", "/v1/webhook_endpoints")
    assert [one.form["connect"] for one in asked] == ["true", "false"]
    assert {"invoice.paid", "account.application.deauthorized"} <= set(
        found[BASE + endpoints.CONNECTED]["enabled_events"]
    )
    assert set(own["enabled_events"]) == set(plan_events.TYPES)
    assert {one.account for one in asked} == {""}


def test_without_a_public_address_nothing_is_registered(app, stripe, monkeypatch) -> None:
    for base in ("http://shop.example", "https://127.0.0.1:3030", ""):
        monkeypatch.setattr(app.config["SETTINGS"], "public_base_url", base)
        refused = run(app)
        assert refused.exit_code == 1
        assert "MQ_PUBLIC_BASE_URL" in refused.output
    assert stripe.asked == []


def test_what_stripe_says_is_told_without_a_trace(app, stripe) -> None:
    stripe.breaks("unauthorized", "/v1/webhook_endpoints")
    refused = run(app)
    assert (refused.exit_code, "Stripe: 401" in refused.output) == (1, True)
