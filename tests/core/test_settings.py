import base64

import pytest

from mealquest.core import settings
from mealquest.core.settings import ConfigurationError, Profile

NAMES = [
    "MQ_ENV",
    "MQ_DB_URL",
    "DATABASE_URL",
    "MQ_DB_DIRECT_URL",
    "MQ_DB_SCHEMA",
    "MQ_REDIS_URL",
    "REDIS_URL",
    "MQ_JWT_SECRET",
    "MQ_PAYMENT_CALLBACK_SECRET",
    "MQ_ENCRYPTION_KEYS",
    "MQ_SMS_WEBHOOK_URL",
    "MQ_RATE_LIMITS",
    "MQ_EVENT_RETENTION_DAYS",
    "MQ_PUBLIC_BASE_URL",
    "HOST",
    "PORT",
]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    """No variable and no `.env` of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def key(letter: str) -> str:
    return base64.b64encode(letter.encode() * 32).decode()


def own_secrets(monkeypatch) -> None:
    monkeypatch.setenv("MQ_JWT_SECRET", "a secret of this installation, long enough")
    monkeypatch.setenv("MQ_PAYMENT_CALLBACK_SECRET", "another secret of this installation")
    monkeypatch.setenv("MQ_ENCRYPTION_KEYS", f"k1:{key('a')}")


def test_without_any_variable_it_is_development():
    found = settings.load()
    assert found.profile is Profile.DEV
    assert found.is_development
    assert found.base_url == "http://127.0.0.1:3030"
    assert found.bind_host == "127.0.0.1"
    assert found.event_retention_days == 7
    assert list(found.keyring) == ["dev"]


@pytest.mark.parametrize("profile", ["staging", "prod"])
def test_development_defaults_are_refused_outside_development(monkeypatch, profile):
    monkeypatch.setenv("MQ_ENV", profile)

    with pytest.raises(ConfigurationError) as refusal:
        settings.load()

    for name in ("MQ_JWT_SECRET", "MQ_PAYMENT_CALLBACK_SECRET", "MQ_ENCRYPTION_KEYS"):
        assert f"{name} is mandatory in {profile}" in str(refusal.value)


@pytest.mark.parametrize("profile", ["staging", "prod"])
def test_with_secrets_of_its_own_it_may_start(monkeypatch, profile):
    monkeypatch.setenv("MQ_ENV", profile)
    own_secrets(monkeypatch)

    found = settings.load()

    assert not found.is_development
    assert found.bind_host == "0.0.0.0"


def test_every_problem_is_in_one_message(monkeypatch):
    monkeypatch.setenv("MQ_ENV", "prod")
    monkeypatch.setenv("MQ_PAYMENT_CALLBACK_SECRET", "another secret of this installation")
    monkeypatch.setenv("MQ_ENCRYPTION_KEYS", "k1:too-short")
    monkeypatch.setenv("MQ_DB_URL", "mysql://somewhere/db")
    monkeypatch.setenv("MQ_SMS_WEBHOOK_URL", "sms.example")

    with pytest.raises(ConfigurationError) as refusal:
        settings.load()

    message = str(refusal.value)
    for name in ("MQ_JWT_SECRET", "MQ_ENCRYPTION_KEYS", "MQ_DB_URL", "MQ_SMS_WEBHOOK_URL"):
        assert message.count(name) == 1, message
    assert "MQ_PAYMENT_CALLBACK_SECRET" not in message


def test_values_of_the_wrong_type_are_listed_together(monkeypatch):
    monkeypatch.setenv("PORT", "seventy")
    monkeypatch.setenv("MQ_EVENT_RETENTION_DAYS", "0")
    monkeypatch.setenv("MQ_ENV", "production")

    with pytest.raises(ConfigurationError) as refusal:
        settings.load()

    for name in ("PORT", "MQ_EVENT_RETENTION_DAYS", "MQ_ENV"):
        assert name in str(refusal.value)


def test_a_problem_never_shows_a_secret(monkeypatch):
    monkeypatch.setenv("MQ_ENCRYPTION_KEYS", "k1:c2VjcmV0LXNlY3JldA==")
    monkeypatch.setenv("MQ_DB_URL", "mysql://user:hunter2@somewhere/db")

    with pytest.raises(ConfigurationError) as refusal:
        settings.load()

    assert "c2VjcmV0" not in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_database_and_redis_go_by_their_usual_names_too(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://here/db")
    monkeypatch.setenv("REDIS_URL", "redis://here/0")
    found = settings.load()
    assert (found.db_url, found.redis_url) == ("postgresql://here/db", "redis://here/0")


def test_keys_stand_in_the_order_given(monkeypatch):
    monkeypatch.setenv("MQ_ENCRYPTION_KEYS", f"k2:{key('b')}, k1:{key('a')}")
    assert settings.load().keyring == {"k2": b"b" * 32, "k1": b"a" * 32}


def test_throttles_rest_in_the_test_profile_only(monkeypatch):
    assert settings.load().throttles
    monkeypatch.setenv("MQ_ENV", "test")
    assert not settings.load().throttles
    monkeypatch.setenv("MQ_RATE_LIMITS", "on")
    assert settings.load().throttles


def test_an_empty_variable_counts_as_absent(monkeypatch):
    monkeypatch.setenv("MQ_SMS_WEBHOOK_URL", "")
    monkeypatch.setenv("PORT", "")
    assert settings.load().port == 3030


def test_a_pooler_needs_both_addresses_and_the_usual_schema(monkeypatch):
    monkeypatch.setenv("MQ_DB_DIRECT_URL", "postgresql://past/db")
    with pytest.raises(ConfigurationError, match="MQ_DB_DIRECT_URL is set only beside"):
        settings.load()
    monkeypatch.setenv("MQ_DB_URL", "postgresql://pooler/db")
    assert settings.load().behind_pooler
    monkeypatch.setenv("MQ_DB_SCHEMA", "own")
    with pytest.raises(ConfigurationError, match="MQ_DB_SCHEMA must be public"):
        settings.load()
