"""The library as a merchant sees it: every template, and what became of it."""

from typing import Any

from sqlalchemy.orm import Session

from mealquest.core.db import transaction
from mealquest.strategy import queries
from mealquest.strategy.agent.runtime import ai_runtime, config
from mealquest.strategy.catalogue import LIBRARY
from mealquest.strategy.library_replies import ConfigsView, ConfigView, LibraryView, TemplateView
from mealquest.tenancy import service as tenancy


def library(merchant_id: str) -> LibraryView:
    """All templates with their branches. MerchantNotFound."""
    with transaction(merchant_id) as session:
        tenancy.settings_of(session, merchant_id)
        known = _configs(session, merchant_id)
    by_template = {config.template_id: config for config in known}
    return LibraryView(
        merchant_id=merchant_id,
        ai_runtime=ai_runtime(),
        templates=[
            TemplateView.of(template, by_template.get(template.id)) for template in LIBRARY.values()
        ],
    )


def configs(merchant_id: str) -> ConfigsView:
    with transaction(merchant_id) as session:
        tenancy.settings_of(session, merchant_id)
        return ConfigsView(merchant_id=merchant_id, items=_configs(session, merchant_id))


def state_configs(session: Session, merchant_id: str) -> list[dict[str, Any]]:
    """What became of templates, as the state shows it to staff."""
    return [
        config.model_dump(mode="json", by_alias=True) for config in _configs(session, merchant_id)
    ]


def _configs(session: Session, merchant_id: str) -> list[ConfigView]:
    return [ConfigView.of(row) for row in queries.configs(session, merchant_id)]


def is_sandbox() -> bool:
    """Whether a stand-in answers in place of a model."""
    return config().is_sandbox


def is_local() -> bool:
    """Whether the small model in the worker answers, whose words deserve a warning."""
    return config().is_local
