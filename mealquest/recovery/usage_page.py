"""Mails of this month against what the plan includes, day by day."""

from datetime import date, timedelta

from mealquest.core.db import transaction
from mealquest.core.wire import View
from mealquest.recovery import dashboard_queries, plans
from mealquest.tenancy import service as tenancy


class UsageDayView(View):
    day: date
    emails_sent: int
    opens: int


class UsageView(View):
    """`month`: its first day, UTC. `plan`: null where the installation's own limit holds."""

    month: date
    next_month: date
    plan: str | None
    current: int
    limit: int
    places: int
    days: list[UsageDayView]

    @property
    def per_cent(self) -> int:
        return min(100, round(100 * self.current / self.limit)) if self.limit else 100


def usage(merchant_id: str) -> UsageView:
    with transaction(merchant_id) as session:
        today = dashboard_queries.today(session)
        month = today.replace(day=1)
        account = tenancy.account_of(session, merchant_id)
        used = plans.used(session, merchant_id)
        tomorrow = today + timedelta(days=1)
        rows = dashboard_queries.by_day(session, merchant_id, month, tomorrow)
    sent = {row["day"]: row for row in rows}
    days = [month + timedelta(days=ahead) for ahead in range((tomorrow - month).days)]
    return UsageView(
        month=month,
        next_month=(month + timedelta(days=32)).replace(day=1),
        plan=account.subscription_plan_id,
        current=used.current,
        limit=used.limit,
        places=plans.limits_of(account).places,
        days=[
            UsageDayView(
                day=day,
                emails_sent=sent[day]["emails_sent"] if day in sent else 0,
                opens=sent[day]["opens"] if day in sent else 0,
            )
            for day in days
        ],
    )
