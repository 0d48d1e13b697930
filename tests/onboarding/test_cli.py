import json
import threading

import pytest
from werkzeug.serving import make_server

from mealquest.core.settings import Profile
from mealquest.identity import service as identity
from mealquest.tenancy import service as tenancy

SECRET = "the-onboarding-secret"


@pytest.fixture
def server(app):
    """The product itself behind a real socket."""
    listening = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}"
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.fixture
def run(app, monkeypatch):
    monkeypatch.delenv("MQ_SERVER_BASE_URL", raising=False)
    monkeypatch.delenv("MQ_ONBOARD_SECRET", raising=False)

    def command(*args: str):
        return app.test_cli_runner().invoke(args=list(args))

    return command


def onboard(run, server, *more: str):
    return run(
        "onboard-merchant",
        "--merchant-id",
        "m_cli",
        "--name",
        "茶馆",
        "--base-url",
        f"{server}/",
        *more,
    )


def test_a_merchant_is_onboarded_over_http(run, server):
    phone = "+8613800000000"
    result = onboard(run, server, "--owner-phone", phone, "--budget-cap", "450")

    assert result.exit_code == 0, result.output
    assert json.loads(result.output) == {
        "ok": True,
        "merchantId": "m_cli",
        "merchantName": "茶馆",
        "seededUsers": ["u_demo", "u_friend"],
    }
    assert tenancy.settings("m_cli").budget_cap_minor == 45_000
    assert identity.works_at("m_cli", phone)


def test_demo_users_can_be_left_out(run, server):
    result = onboard(run, server, "--no-seed-demo-users")
    assert json.loads(result.output)["seededUsers"] == []


def test_the_server_and_the_secret_may_come_from_the_environment(
    run, server, change_settings, monkeypatch
):
    change_settings(onboard_secret=SECRET)
    monkeypatch.setenv("MQ_SERVER_BASE_URL", server)
    monkeypatch.setenv("MQ_ONBOARD_SECRET", SECRET)
    result = run("onboard-merchant", "--merchant-id", "m_cli", "--name", "Tea")
    assert result.exit_code == 0, result.output


def test_a_refusal_is_told_in_the_server_s_words(run, server, change_settings):
    change_settings(onboard_secret=SECRET)
    result = onboard(run, server, "--onboard-secret", "wrong")
    assert result.exit_code != 0
    assert "403: onboard secret invalid" in result.output


def test_a_merchant_that_is_there_is_told_of(run, server):
    onboard(run, server)
    result = onboard(run, server)
    assert result.exit_code != 0
    assert "409: merchant already exists" in result.output


def test_a_server_that_is_away_is_told_of(run):
    result = onboard(run, "http://127.0.0.1:9")
    assert result.exit_code != 0
    assert "http://127.0.0.1:9/api/merchant/onboard does not answer" in result.output


def test_a_server_that_is_another_is_told_of(run, server):
    result = onboard(run, f"{server}/health?")
    assert result.exit_code != 0
    assert "answered" in result.output


def test_what_is_missing_is_asked_for(run):
    result = run("onboard-merchant", "--name", "Tea")
    assert result.exit_code != 0
    assert "--merchant-id" in result.output


def test_the_demo_data_are_loaded_once(run):
    first, second = run("demo", "load"), run("demo", "load")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.output == "loaded m_store_001, m_bistro\n"
    assert second.output == "the demo data are there already\n"


def test_the_demo_data_are_refused_in_production(run, change_settings):
    change_settings(profile=Profile.PROD)
    result = run("demo", "load")
    assert result.exit_code != 0
    assert "demo data is refused in prod" in result.output
