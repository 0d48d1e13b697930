"""The dashboard's page: money at risk, what came back, and what brought it.

Every table adds up to the same total: a recovered invoice has one cause, one step, one class.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from flask import current_app
from sqlalchemy.orm import Session

from mealquest.core.db import transaction
from mealquest.recovery import dashboard_queries, figures, plans
from mealquest.recovery import overview_queries as queries
from mealquest.recovery.activity_forms import SpanForm
from mealquest.recovery.figures import Days, Money
from mealquest.recovery.overview_queries import AtRisk, Brought
from mealquest.recovery.overview_replies import (
    ChartView,
    OverviewView,
    RecoveryLiftView,
    RecoveryPointView,
    ShareView,
    SumView,
)
from mealquest.tenancy import service as tenancy

WORKER = "worker"  # what a worker told of without naming an invoice or a currency
MOST_CHARTS = 3


def overview(merchant_id: str, form: SpanForm) -> OverviewView:
    """The figures of the last so many days, today included."""
    with transaction(merchant_id) as session:
        until = dashboard_queries.today(session) + timedelta(days=1)
        first = until - timedelta(days=form.days)
        account = tenancy.account_of(session, merchant_id)
        days = figures.of_days(session, merchant_id, first, until)
        found = queries.brought(session, merchant_id, first, until)
        risks = queries.at_risk(session, merchant_id)
        used = plans.used(session, merchant_id)
        return OverviewView(
            days=form.days,
            step_days=_step(form.days),
            is_connected=account.is_connected,
            is_sandbox=bool(current_app.config["STRIPE_SANDBOX_URL"]),
            has_cases=queries.has_cases(session, merchant_id),
            at_risk=_sums(risks),
            open_count=sum(one.count for one in risks),
            **_recovered(days, found, risks),
            **_charts(session, merchant_id, found, first, until),
            lift=_lift(session, merchant_id),
            used=used.current,
            limit=used.limit,
        )


def _recovered(days: Days, found: Sequence[Brought], risks: Sequence[AtRisk]) -> dict[str, Any]:
    told = [Money(one.currency, one.amount_minor) for one in _sums(found)]
    whole = figures.with_the_rest(told, days.recovered_cents)
    rest = sum(one.amount_minor for one in whole) - sum(one.amount_minor for one in told)
    others = [ShareView(what=WORKER, sums=[SumView(amount_minor=rest, currency="usd")])]
    others = others if rest else []
    return {
        "recovered": [SumView(amount_minor=m.amount_minor, currency=m.currency) for m in whole],
        "recovered_count": days.recoveries,
        "failures": days.failures,
        "rate": days.rate,
        "ended": days.ended,
        "emails_sent": days.emails_sent,
        "opens": days.opens,
        "open_rate": days.open_rate,
        "brought": _shares(found, lambda one: (one.brought_by, 0)) + others,
        "steps": _shares(found, lambda one: ("step", one.step)) + others,
        "declines": _declines(found, risks) + others,
    }


def _shares(found: Iterable[Brought], key: Callable[[Brought], tuple[str, int]]) -> list[ShareView]:
    """One line a key; of causes the one with most invoices first, steps in their order."""
    of: dict[tuple[str, int], list[Brought]] = defaultdict(list)
    for one in found:
        of[key(one)].append(one)
    lines = [
        ShareView(what=what, step=step, count=sum(one.count for one in rows), sums=_sums(rows))
        for (what, step), rows in of.items()
    ]
    return sorted(lines, key=lambda line: (line.step, -line.count, line.what))


def _declines(found: Sequence[Brought], risks: Sequence[AtRisk]) -> list[ShareView]:
    """Open and recovered side by side, by class of decline."""
    lines = {line.what: line for line in _shares(found, lambda one: (one.decline, 0))}
    for kind in {one.decline for one in risks}:
        rows = [one for one in risks if one.decline == kind]
        line = lines.get(kind, ShareView(what=kind))
        update = {"open_count": sum(one.count for one in rows), "open_sums": _sums(rows)}
        lines[kind] = line.model_copy(update=update)
    return sorted(lines.values(), key=lambda line: (-line.open_count - line.count, line.what))


def _sums(rows: Iterable[AtRisk | Brought]) -> list[SumView]:
    """By currency, the largest figure first."""
    of: dict[str, int] = defaultdict(int)
    for one in rows:
        of[one.currency] += one.amount_minor
    ordered = sorted(of.items(), key=lambda pair: (-pair[1], pair[0]))
    return [SumView(amount_minor=minor, currency=currency) for currency, minor in ordered]


def _step(days: int) -> int:
    return 1 if days <= 30 else 7


def _charts(
    session: Session, merchant_id: str, found: Sequence[Brought], first: date, until: date
) -> dict[str, Any]:
    """A chart for each of the largest currencies; the first one carries the counts too."""
    counts = {
        row["day"]: row for row in dashboard_queries.by_day(session, merchant_id, first, until)
    }
    step = _step((until - first).days)
    begins = [first + timedelta(days=ahead) for ahead in range(0, (until - first).days, step)]
    charts = []
    for currency in [one.currency for one in _sums(found)][:MOST_CHARTS] or ["usd"]:
        money = [one for one in found if one.currency == currency]
        points = [_point(day, step, money, counts) for day in begins]
        charts.append(ChartView(currency=currency, points=points))
    return {"chart": charts[0], "others": charts[1:]}


def _point(
    day: date, step: int, money: Sequence[Brought], counts: dict[date, Any]
) -> RecoveryPointView:
    days = [day + timedelta(days=ahead) for ahead in range(step)]
    rows = [counts[one] for one in days if one in counts]
    return RecoveryPointView(
        day=day,
        recovered=sum(one.amount_minor for one in money if one.day in days),
        failures=sum(row["failures"] for row in rows),
        recoveries=sum(row["recoveries"] for row in rows),
    )


def _lift(session: Session, merchant_id: str) -> RecoveryLiftView | None:
    """None while nobody is held out."""
    of = queries.ended(session, merchant_id)
    held, mailed = of.get(True), of.get(False, queries.Ended())
    if held is None:
        return None
    return RecoveryLiftView(
        paid=mailed.paid, ended=mailed.ended, held_paid=held.paid, held_ended=held.ended
    )
