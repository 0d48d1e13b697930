"""The part of the settings that says what operators see; `core.settings` has the whole."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class OperationsSettings(BaseSettings):
    """Names and meanings are listed in `.env.example`."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    metrics_port: int | None = Field(None, ge=1, le=65535, validation_alias="MQ_METRICS_PORT")
    backup_dir: Path | None = Field(None, validation_alias="MQ_BACKUP_DIR")
    trusted_proxies: int = Field(0, ge=0, le=10, validation_alias="MQ_TRUSTED_PROXIES")
    log_level: str = Field(
        "INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", validation_alias="MQ_LOG_LEVEL"
    )
