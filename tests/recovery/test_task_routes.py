"""Tasks over HTTP: who may do what, what is refused, and that an end counts once."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.recovery.domain import TaskStatus, TaskType
from mealquest.recovery.models import DailyMetric, ScheduledTask, UsageLog
from mealquest.tenancy import service as tenancy
from tests.factories.http import Client, assert_problem, bearer, client_of, minted
from tests.factories.merchants import make_merchant, make_staff
from tests.factories.recovery import make_task

KEY, SECRET = "operator-key-of-these-tests", "worker-secret-of-these-tests"
OPERATOR, WORKER = {"X-Api-Key": KEY}, {"X-Worker-Secret": SECRET}
GOOD = {"taskType": "dunning_retry", "payload": {"invoiceId": "in_1"}}
M = "m_tasks"


@pytest.fixture(autouse=True)
def keys(app, monkeypatch) -> None:
    monkeypatch.setattr(app.config["SETTINGS"], "admin_api_key", KEY)
    monkeypatch.setattr(app.config["SETTINGS"], "worker_secret", SECRET)


@pytest.fixture
def client(app) -> Client:
    return client_of(app)


@pytest.fixture
def owner(app) -> dict[str, str]:
    return sign_in(M)


def sign_in(merchant_id: str, role: str = "OWNER") -> dict[str, str]:
    with transaction(merchant_id) as session:
        if not tenancy.exists_in(session, merchant_id):
            tenancy.create_merchant(session, merchant_id, name="Shop", budget_cap=100)
    return bearer(staff(merchant_id, role))


def metrics(merchant_id: str) -> list[str]:
    with transaction(merchant_id) as session:
        found = session.scalars(select(UsageLog.metric_type).order_by(UsageLog.id))
        return [metric.value for metric in found]
