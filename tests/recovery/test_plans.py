"""What a plan includes: exact at its edge, whoever asks at once, and told once."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select, text

from mealquest.core import messages
from mealquest.core.db import transaction
from mealquest.recovery import plans, tasks, usage
from mealquest.recovery.domain import Metric, Plan, TaskType
from mealquest.recovery.models import UsageLog
from mealquest.recovery.plans import MonthUsedUp, NoPlaceLeft, Used
from mealquest.tenancy import service as tenancy
from tests.factories.merchants import make_merchant
from tests.factories.threads import run_together

pytestmark = pytest.mark.usefixtures("app")


def merchant(plan: Plan | None = Plan.FREE, email: str | None = "a@example.org") -> str:
    merchant_id = make_merchant(email=email)
    with transaction(merchant_id) as session:
        tenancy.set_account(session, merchant_id, subscription_plan_id=plan)
    return merchant_id


def send(merchant_id: str, amount: int) -> None:
    with transaction(merchant_id) as session:
        usage.log(session, merchant_id, Metric.DUNNING_EMAIL_SENT, amount)


def take(merchant_id: str) -> Callable[[], bool]:
    def one() -> bool:
        with transaction(merchant_id) as session:
            return plans.take_one(session, merchant_id)

    return one


def test_of_many_at_the_edge_exactly_so_many_get_one(app: Flask) -> None:
    merchant_id, other = merchant(), merchant()
    send(merchant_id, 15)

    got = run_together(app, [take(merchant_id)] * 8)

    assert sorted(got) == [False] * 3 + [True] * 5
    with transaction(merchant_id) as session:
        told = session.scalars(
            select(UsageLog.id).where(UsageLog.metric_type == Metric.QUOTA_EXCEEDED)
        ).all()
        assert len(told) == 1
        assert plans.used(session, merchant_id) == Used(20, 20)
    assert [one.message.to for one in messages.newest(limit=5)] == ["a@example.org"]
    assert take(other)()


def test_what_did_not_go_out_is_given_back() -> None:
    merchant_id = merchant(email=None)
    send(merchant_id, 19)

    assert take(merchant_id)()
    assert not take(merchant_id)()
    with transaction(merchant_id) as session:
        plans.give_back(session, merchant_id)
    assert take(merchant_id)()


def test_only_mails_of_this_month_count() -> None:
    merchant_id = merchant()
    with transaction(merchant_id) as session:
        for _ in range(3):
            usage.log(session, merchant_id, Metric.TASK_SCHEDULED, 50)
        session.execute(text("UPDATE usage_logs SET metric_type = 'dunning_email_sent'"))
        month = "date_trunc('month', now(), 'UTC')"
        session.execute(text(f"UPDATE usage_logs SET created_at = {month} - interval '1 ms'"))
        plans.check_month(session, merchant_id)
        some = "id = (SELECT min(id) FROM usage_logs)"
        session.execute(text(f"UPDATE usage_logs SET created_at = {month} WHERE {some}"))
        with pytest.raises(MonthUsedUp) as refused:
            plans.check_month(session, merchant_id)
    assert refused.value.facts == {"usage": {"current": 50, "limit": 20}}
    assert refused.value.short == "Payment Required"


def test_plans_have_the_limits_of_the_contract() -> None:
    found = {}
    for plan in (None, *Plan):
        merchant_id = merchant(plan)
        with transaction(merchant_id) as session:
            limits = plans.limits_of(tenancy.account_of(session, merchant_id))
        found[plan] = (limits.mails, limits.places)
    assert found == {
        None: (1000, 1000),
        Plan.FREE: (20, 5),
        Plan.GROWTH: (1000, 100),
        Plan.PRO: (10_000, 1000),
    }


def test_places_are_taken_one_by_one(app: Flask) -> None:
    merchant_id = merchant()

    def ask() -> bool:
        with transaction(merchant_id) as session:
            plans.check_places(session, merchant_id)
            tasks.enqueue(session, merchant_id, TaskType.DUNNING_RETRY, {}, delay_s=99)
            return True

    with transaction(merchant_id) as session:
        tasks.enqueue(session, merchant_id, TaskType.SEND_WEEKLY_DIGEST, {}, delay_s=99)
    got = run_together(app, [ask] * 8)

    assert got.count(True) == 5
    assert sum(isinstance(one, NoPlaceLeft) for one in got) == 3
