"""The part of the settings that says where rows are kept; `core.settings` has the whole."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

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

    @property
    def behind_pooler(self) -> bool:
        """The owner goes in directly: where the product goes in elsewhere, that is a pooler."""
        return _without_login(self.url)[:2] != _without_login(self.admin_url)[:2]


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
    legacy_snapshot_table: str = Field(
        "mealquest_state_snapshots",
        max_length=200,
        validation_alias=AliasChoices("MQ_DB_LEGACY_SNAPSHOT_TABLE", "MQ_DB_STATE_TABLE"),
    )
    db_snapshot_key: str = Field("main", validation_alias="MQ_DB_SNAPSHOT_KEY")
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

    @property
    def shown_databases(self) -> dict[str, str]:
        """Server and database of every merchant that has its own, without logins."""
        parts = {name: urlsplit(kept.url) for name, kept in self.tenant_databases.items()}
        return {
            name: f"{url.hostname or 'local'}:{url.port or 5432}{url.path}"
            for name, url in sorted(parts.items())
        }

    @property
    def databases_line(self) -> str | None:
        return ", ".join(f"{name}={at}" for name, at in self.shown_databases.items()) or None

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


def own_databases(settings: DatabaseSettings, home_url: str) -> dict[str, tuple[str, str]]:
    """Databases of merchants' own, each once, by name: where its owner and the product go in."""
    found: dict[str, tuple[str, str]] = {}
    seen = {_without_login(home_url)}
    for name, kept in sorted(settings.tenant_databases.items()):
        address = _without_login(kept.url)
        if address not in seen:
            seen.add(address)
            owner = urlsplit(_plain(kept.admin_url))._replace(path=urlsplit(kept.url).path)
            found[name] = (owner.geturl(), _plain(kept.url))
    return found


def _plain(url: str) -> str:
    """Without a driver's name: `postgresql+psycopg://…` is SQLAlchemy's way of writing it."""
    return urlsplit(url)._replace(scheme="postgresql").geturl()


def _without_login(url: str) -> tuple[str, int, str]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 5432, parts.path


def _database(value: Any) -> TenantDatabase:
    if isinstance(value, str):
        return TenantDatabase(value, value)
    url = value["url"]
    admin_url = value.get("adminUrl", url)
    if not (isinstance(url, str) and isinstance(admin_url, str)):
        raise TypeError("an address is text")
    return TenantDatabase(url, admin_url)
