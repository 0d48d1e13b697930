"""The dashboard, the activity and the usage of recovery: pages, and JSON as the contract has it."""

from collections.abc import Iterator
from typing import Any

from flask import Response

from mealquest.core.clock import iso_millis
from mealquest.core.principal import MANAGEMENT, Role
from mealquest.core.wire import NoInput
from mealquest.recovery import activity as activities
from mealquest.recovery import dashboard as boards
from mealquest.recovery import overview as overviews
from mealquest.recovery import usage_page
from mealquest.recovery.activity_forms import (
    ActivityForm,
    ApiActivityForm,
    SpanForm,
)
from mealquest.recovery.dashboard_replies import ActivityView, RecoveryDashboardView, UsageLogView
from mealquest.recovery.overview_replies import OverviewView
from mealquest.recovery.usage_page import UsageView
from mealquest.web import lists
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.lists import Listing

feature = Feature("recovery")
ALLOWED = MANAGEMENT | {Role.OPERATOR}
ACTIVITY_CSV = ["time", "metric", "amount", "reported", "opened", "clicked", "id"]


class ActivityPage(Listing):
    """A page of the activity with the addresses around it."""

    items: list[UsageLogView]


@feature.get(api="/api/dashboard", roles=ALLOWED, scope=Scope.NAMED)
def dashboard(call: Call, form: NoInput) -> RecoveryDashboardView:
    """Figures of one merchant, or for an operator who names none of every merchant."""
    return boards.of_merchant(call.merchant_id) if call.merchant_id else boards.of_all()


@feature.get(api="/api/activity", roles=ALLOWED, scope=Scope.NAMED)
def activity(call: Call, form: ApiActivityForm) -> ActivityView:
    """What happened, newest first; `X-Next-Cursor` leads on."""
    if not call.merchant_id:
        return activities.of_all(form)
    return activities.listed(call.merchant_id, form)


@feature.get(
    page="/console/recovery", roles=MANAGEMENT, scope=Scope.QUERY, template="recovery/dashboard"
)
def overview(call: Call, form: SpanForm) -> OverviewView:
    """Money at risk, what came back, and what brought it; live."""
    return overviews.overview(call.merchant_id, form)


@feature.get(
    page="/console/recovery/activity",
    roles=MANAGEMENT,
    scope=Scope.QUERY,
    template="recovery/activity",
)
def log(call: Call, form: ActivityForm) -> ActivityPage:
    """What happened, newest first."""
    found = activities.listed(call.merchant_id, form)
    here, csv = "recovery.log.page", "recovery.log_csv.page"
    around = lists.links(call, form, here, found.next_cursor, csv=csv)
    return ActivityPage(items=found.items, **around)


@feature.get(page="/console/recovery/activity.csv", roles=lists.EXPORTERS, media="text/csv")
def log_csv(call: Call, form: ActivityForm) -> Response:
    """The activity as a CSV file."""
    rows = (_lines(batch) for batch in activities.every(call.merchant_id, form))
    return lists.csv_file(call, "recovery-activity", form, ACTIVITY_CSV, rows)


@feature.get(
    page="/console/recovery/usage", roles=MANAGEMENT, scope=Scope.QUERY, template="recovery/usage"
)
def usage(call: Call, form: NoInput) -> UsageView:
    """Mails of this month against the plan."""
    return usage_page.usage(call.merchant_id)


def _lines(batch: list[UsageLogView]) -> Iterator[list[Any]]:
    for one in batch:
        moments = (one.reported_at, one.opened_at, one.clicked_at)
        known = [iso_millis(moment) if moment else "" for moment in moments]
        yield [iso_millis(one.created_at), one.metric_type, one.amount, *known, one.id]
