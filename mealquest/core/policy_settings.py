"""The part of the settings that every merchant is held to; `core.settings` has the whole."""

import json
from functools import cached_property
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class PolicySettings(BaseSettings):
    """Names and meanings are listed in `.env.example`."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    tenant_policy_default: str = Field("", validation_alias="MQ_TENANT_POLICY_DEFAULT")
    settlement_limit: int = Field(
        10_000, ge=0, le=100_000_000, validation_alias="MQ_SETTLEMENT_LIMIT"
    )

    @cached_property
    def default_limits(self) -> dict[str, Any]:
        """As written: `tenancy` knows which operations there are, and looks at it at the start."""
        policy = json.loads(self.tenant_policy_default) if self.tenant_policy_default else {}
        if not isinstance(policy, dict) or policy.keys() - {"limits"}:
            raise ValueError("nothing but limits")
        limits = policy.get("limits", {})
        if not isinstance(limits, dict):
            raise ValueError("limits are an object")
        return limits

    def _policy_problems(self) -> list[str]:
        try:
            _ = self.default_limits
        except (ValueError, RecursionError):
            return [
                'MQ_TENANT_POLICY_DEFAULT must be JSON like {"limits": {"TCA_TRIGGER": 600}} or'
                ' {"limits": {"TCA_TRIGGER": {"limit": 600, "windowMs": 60000}}}'
            ]
        return []
