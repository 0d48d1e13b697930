"""What the library answers. Budgets are in units."""

from typing import Any, Self

from mealquest.core.wire import Timestamp, View
from mealquest.strategy.catalogue import PHASE, Branch, Template
from mealquest.strategy.domain import ConfigStatus
from mealquest.strategy.models import StrategyConfig


class ConfigView(View):
    template_id: str
    branch_id: str
    status: ConfigStatus
    last_proposal_id: str | None
    last_campaign_id: str | None
    updated_at: Timestamp

    @classmethod
    def of(cls, row: StrategyConfig) -> Self:
        return cls(
            template_id=row.template_id,
            branch_id=row.branch_id,
            status=row.status,
            last_proposal_id=row.last_proposal_id,
            last_campaign_id=row.last_campaign_id,
            updated_at=row.updated_at,
        )


class ConfigsView(View):
    merchant_id: str
    items: list[ConfigView]


class BranchView(View):
    branch_id: str
    name: str
    description: str
    recommended_budget_cap: int
    recommended_cost_per_hit: int
    recommended_priority: int
    trigger_event: str
    conditions: list[dict[str, Any]]
    action: dict[str, Any]
    ttl_hours: int | None

    @classmethod
    def of(cls, template: Template, branch: Branch) -> Self:
        return cls(
            branch_id=branch.id,
            name=branch.name,
            description=branch.description,
            recommended_budget_cap=branch.cap,
            recommended_cost_per_hit=branch.cost,
            recommended_priority=branch.priority,
            trigger_event=template.event_of(branch),
            conditions=[condition.wire for condition in branch.conditions],
            action=branch.action,
            ttl_hours=branch.ttl_hours,
        )


class TemplateView(View):
    template_id: str
    category: str
    phase: str
    name: str
    description: str
    trigger_event: str
    default_branch_id: str
    branches: list[BranchView]
    current_config: ConfigView | None

    @classmethod
    def of(cls, template: Template, config: ConfigView | None) -> Self:
        return cls(
            template_id=template.id,
            category=template.category.value,
            phase=PHASE,
            name=template.name,
            description=template.description,
            trigger_event=template.event,
            default_branch_id=template.default_branch.id,
            branches=[BranchView.of(template, branch) for branch in template.branches],
            current_config=config,
        )


class LibraryView(View):
    merchant_id: str
    ai_runtime: dict[str, Any]
    templates: list[TemplateView]
