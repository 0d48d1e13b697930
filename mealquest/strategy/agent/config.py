"""Which model is asked, where it is, and how patiently; read from the settings once."""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from mealquest.core.settings import AiProvider, Settings

SANDBOX_PATH = "/api/dev/model/v1"
SANDBOX_MODEL = "sandbox-strategist"
LOCAL_MODEL = "smollm2-135m-instruct"
CHAT_TOKENS = 768
PLAN_TOKENS = 512
TEMPERATURE = 0.2
QUEUE_MOST = 32  # turns that may wait at once, of all merchants


class Task(StrEnum):
    CHAT = "STRATEGY_CHAT"
    PLAN = "STRATEGY_PLAN"


_BASES = {
    AiProvider.BIGMODEL: ("https://open.bigmodel.cn/api/paas/v4", "glm-4.7-flash", 45_000),
    AiProvider.DEEPSEEK: ("https://api.deepseek.com/v1", "deepseek-chat", 15_000),
    AiProvider.LOCAL: ("", LOCAL_MODEL, 60_000),  # the worker that loads it knows where it is
    AiProvider.OPENAI_COMPATIBLE: ("http://127.0.0.1:11434/v1", "qwen2.5:7b-instruct", 15_000),
}


@dataclass(frozen=True, slots=True, repr=False)
class ModelConfig:
    """Times in milliseconds. Holds a key: no repr.

    `attempts` is the total number of tries of a turn, `backoff_ms` the wait after the first one,
    doubled after each further one; `threshold` failures in a row open the breaker.
    """

    provider: AiProvider
    base_url: str
    model: str
    api_key: str
    timeout_ms: int
    concurrency: int
    attempts: int
    backoff_ms: int
    threshold: int
    cooldown_ms: int

    @classmethod
    def of(cls, settings: Settings) -> "ModelConfig":
        provider = settings.ai_provider_used
        own = (settings.own_url + SANDBOX_PATH, SANDBOX_MODEL, 15_000)
        base_url, model, timeout_ms = _BASES.get(provider, own)
        is_ours = provider in {AiProvider.SANDBOX, AiProvider.LOCAL}
        return cls(
            provider=provider,
            base_url=base_url if is_ours else settings.ai_base_url or base_url,
            model=model if is_ours else settings.ai_model or model,
            api_key=settings.ai_api_key,
            timeout_ms=settings.ai_timeout_ms or timeout_ms,
            concurrency=settings.ai_max_concurrency,
            attempts=settings.ai_max_retries,
            backoff_ms=settings.ai_retry_backoff_ms,
            threshold=settings.ai_circuit_breaker_threshold,
            cooldown_ms=settings.ai_circuit_breaker_cooldown_ms,
        )

    @property
    def is_sandbox(self) -> bool:
        return self.provider is AiProvider.SANDBOX

    @property
    def is_local(self) -> bool:
        """Loaded into the worker itself; its words deserve a warning."""
        return self.provider is AiProvider.LOCAL

    @property
    def is_remote(self) -> bool:
        return not (self.is_sandbox or self.is_local)

    @property
    def is_configured(self) -> bool:
        """BigModel and DeepSeek answer nobody without a key; others may need none."""
        return bool(self.api_key) or self.provider not in {
            AiProvider.BIGMODEL,
            AiProvider.DEEPSEEK,
        }

    @property
    def shown_url(self) -> str:
        """The base URL without what may be secret in it."""
        parts = urlsplit(self.base_url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
