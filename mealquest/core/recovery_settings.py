"""The part of the settings that recovery reads; `core.settings` puts the whole together."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

STRIPE = "https://api.stripe.com"
STRIPE_CONNECT = "https://connect.stripe.com"


class RecoverySettings(BaseSettings):
    """Names and meanings are listed in `.env.example`."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    stripe_secret_key: str = Field("", validation_alias="STRIPE_SECRET_KEY")
    stripe_client_id: str = Field("", validation_alias="STRIPE_CLIENT_ID")
    stripe_webhook_secret: str = Field("", validation_alias="STRIPE_WEBHOOK_SECRET")
    stripe_api_base: str = Field(STRIPE, validation_alias="STRIPE_API_BASE")
    stripe_connect_base: str = Field(STRIPE_CONNECT, validation_alias="STRIPE_CONNECT_BASE")
    stripe_price_id_free: str = Field("", validation_alias="STRIPE_PRICE_ID_FREE")
    stripe_price_id_growth: str = Field("", validation_alias="STRIPE_PRICE_ID_GROWTH")
    stripe_price_id_pro: str = Field("", validation_alias="STRIPE_PRICE_ID_PRO")
    worker_secret: str = Field("", validation_alias="MQ_WORKER_SECRET")
    monthly_limit: int = Field(1000, ge=0, le=100_000_000, validation_alias="MQ_MONTHLY_LIMIT")
    dunning_delays_s: str = Field(
        "259200,432000,604800",
        pattern=r"^\s*\d{1,8}(\s*,\s*\d{1,8}){0,9}\s*$",
        validation_alias="MQ_DUNNING_DELAYS_S",
    )
    report_interval_s: int = Field(300, ge=1, le=86_400, validation_alias="MQ_REPORT_INTERVAL_S")
    digest_interval_s: int = Field(
        604_800, ge=1, le=31_536_000, validation_alias="MQ_DIGEST_INTERVAL_S"
    )
    janitor_interval_s: int = Field(600, ge=1, le=86_400, validation_alias="MQ_JANITOR_INTERVAL_S")
    zombie_after_s: int = Field(600, ge=1, le=86_400, validation_alias="MQ_ZOMBIE_AFTER_S")

    @property
    def dunning_delays(self) -> tuple[int, ...]:
        """Seconds between a failure and its mail, by attempt; the last one holds for all later."""
        return tuple(int(part) for part in self.dunning_delays_s.split(","))

    @property
    def stripe_webhook_secrets(self) -> tuple[str, ...]:
        """All that a signature may be made with: several while one is rolled."""
        return tuple(part.strip() for part in self.stripe_webhook_secret.split(",") if part.strip())

    @property
    def stripe_is_live(self) -> bool:
        """Whether the key is for real money; events of the other mode are not ours."""
        return self.stripe_secret_key.startswith(("sk_live_", "rk_live_"))
