"""The part of the settings that says where rows are kept; `core.settings` has the whole."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

POSTGRES = ("postgresql", "postgres")


@dataclass(frozen=True, slots=True, repr=False)
class TenantDatabase:
    """A database of one merchant's own. Both addresses may hold a password: no repr.

    `admin_url` is of the login that migrates it and moves merchants there.
    """

    url: str
    admin_url: str


class DatabaseSettings(BaseSettings):
    """Names and meanings are listed in `.env.example`."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    db_url: str = Field("", validation_alias=AliasChoices("MQ_DB_URL", "DATABASE_URL"))
    db_admin_url: str = Field("", validation_alias="MQ_DB_ADMIN_URL")
    db_direct_url: str = Field("", validation_alias="MQ_DB_DIRECT_URL")
    db_auto_create: bool = Field(True, validation_alias="MQ_DB_AUTO_CREATE")
    db_schema: str = Field("public", pattern="^[a-z_][a-z0-9_]*$", validation_alias="MQ_DB_SCHEMA")
    db_pool_max: int = Field(5, ge=1, le=500, validation_alias="MQ_DB_POOL_MAX")
    tenant_db_map: str = Field("", validation_alias="MQ_TENANT_DB_MAP")
    tenant_db_pool_max: int = Field(3, ge=1, le=100, validation_alias="MQ_TENANT_DB_POOL_MAX")
    db_mover_url: str = Field("", validation_alias="MQ_DB_MOVER_URL")

    @property
    def behind_pooler(self) -> bool:
        """Whether `db_url` leads through a pooler that lends a connection for one transaction."""
        return bool(self.db_direct_url)

    def _pooler_problems(self) -> list[str]:
        if not self.behind_pooler:
            return []
        problems = []
        if not self.db_url:
            problems.append("MQ_DB_DIRECT_URL is set only beside an MQ_DB_URL through a pooler")
        if self.db_schema != "public":
            problems.append(
                "MQ_DB_SCHEMA must be public beside MQ_DB_DIRECT_URL: a pooler keeps no search"
                " path; give the login one: ALTER ROLE … SET search_path = …"
            )
        return problems

    @cached_property
    def tenant_databases(self) -> dict[str, TenantDatabase]:
        """Databases of merchants of their own, by merchant id."""
        named = json.loads(self.tenant_db_map) if self.tenant_db_map else {}
        return {merchant_id: _database(value) for merchant_id, value in named.items()}

    def _map_problems(self) -> list[str]:
        try:
            urls = [
                url for each in self.tenant_databases.values() for url in (each.url, each.admin_url)
            ]
        except (ValueError, TypeError, KeyError, AttributeError):
            return [
                'MQ_TENANT_DB_MAP must be JSON like {"m_hot": "postgresql://…"} or'
                ' {"m_hot": {"url": "postgresql://…", "adminUrl": "postgresql://…"}}'
            ]
        if all(url.split("://", 1)[0].split("+", 1)[0] in POSTGRES for url in urls):
            return []
        return ["MQ_TENANT_DB_MAP must hold URLs that start with postgresql://"]


def _database(value: Any) -> TenantDatabase:
    if isinstance(value, str):
        return TenantDatabase(value, value)
    url = value["url"]
    admin_url = value.get("adminUrl", url)
    if not (isinstance(url, str) and isinstance(admin_url, str)):
        raise TypeError("an address is text")
    return TenantDatabase(url, admin_url)
