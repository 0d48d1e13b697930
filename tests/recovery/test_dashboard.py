"""Dashboards: figures of the right merchant, that add up, and real trends or none."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.recovery import overview, plans, usage
from mealquest.recovery.activity_forms import SpanForm
from mealquest.recovery.domain import CaseStatus, Closed, Metric, TaskType
from mealquest.recovery.models import DailyRecovery
from mealquest.tenancy import service as tenancy
from tests.factories.http import bearer, client_of, signed_in
from tests.factories.recovery import make_case, make_task
from tests.web.shops import Shop, open_shop

pytestmark = pytest.mark.usefixtures("app")
KEY = "an-operator-key-for-tests-of-32-bytes"


@pytest.fixture
def shop() -> Shop:
    return open_shop("Alpha", 6)


@pytest.fixture
def ask(app, monkeypatch):
    settings = app.config["SETTINGS"]
    monkeypatch.setitem(app.config, "SETTINGS", settings.model_copy(update={"admin_api_key": KEY}))
    client = client_of(app)

    def asked(path: str, who: Shop | None = None, **query: str) -> Any:
        headers = bearer(who.tokens[Role.MANAGER]) if who else {"X-Api-Key": KEY}
        return client.get(path, headers=headers, query_string=query)

    return asked


def add(merchant_id: str, *, days_ago: int = 0, **figures_: int) -> None:
    with transaction(merchant_id) as session:
        day = utc_now().date() - timedelta(days=days_ago)
        usage.add_to_day(session, merchant_id, day=day, **figures_)


def recovered(merchant_id: str, minor: int, **values: Any) -> None:
    row = {
        "metric_date": utc_now().date(),
        "currency": "usd",
        "brought_by": "mail",
        "step": 1,
        "decline_class": "soft",
        "amount_minor": minor,
        "count": 1,
    } | values
    with transaction(merchant_id) as session:
        session.add(DailyRecovery(merchant_id=merchant_id, **row))
    add(merchant_id, recovered_cents=minor, recoveries=1)


def test_an_empty_dashboard_has_the_whole_shape_and_no_invented_figure(ask, shop):
    said = ask("/api/dashboard", shop).get_json()
    assert said.keys() == {
        "stats", "recentTasks", "recentActivity", "usage", "metrics", "merchant",
    }  # fmt: skip
    assert said["stats"] | {"successOf": 0} == {
        "totalRecovered": 0,
        "activeMerchants": 1,
        "pendingTasks": 0,
        "runningTasks": 0,
        "successRate": 100,
        "successOf": 0,
        "processingRate": 0,
        "lastProcessedAt": None,
        "trends": {"recovered": None, "merchants": None, "tasks": None},
        "totalOpens": 0,
        "totalClicks": 0,
        "openRate": 0.0,
        "ctr": 0.0,
    }
    assert said["usage"] == {"current": 0, "limit": 1000}
    assert said["metrics"] == {"totalRecoveredCents": 0, "totalEmailsSent": 0, "daysTracked": 0}
    assert said["merchant"]["stripeConnected"] is False


def test_a_dashboard_sums_days_and_compares_weeks(ask, shop):
    merchant = shop.merchant_id
    add(merchant, recovered_cents=300, emails_sent=3, recoveries=3, losses=1, total_opens=2)
    add(merchant, days_ago=6, recovered_cents=100, emails_sent=1, total_clicks=1)
    add(merchant, days_ago=7, recovered_cents=200)
    add(merchant, days_ago=29, recovered_cents=1_000)
    add(merchant, days_ago=30, recovered_cents=10_000)
    make_task(merchant)
    with transaction(merchant) as session:
        for _ in range(120):
            usage.log(session, merchant, Metric.TASK_SCHEDULED)
    said = ask("/api/dashboard", shop, merchantId=merchant).get_json()
    stats = said["stats"]
    assert stats["totalRecovered"] == 11_600
    assert stats["successRate"] == 75
    assert stats["successOf"] == 4
    assert stats["trends"] == {"recovered": 100, "merchants": None, "tasks": None}
    assert (stats["pendingTasks"], stats["processingRate"]) == (1, 2)
    assert (stats["openRate"], stats["ctr"]) == (50.0, 50.0)
    assert said["metrics"]["totalRecoveredCents"] == 1_600
    assert said["metrics"]["daysTracked"] == 4
    assert said["usage"]["current"] in {3, 4}  # the sixth day before may be of last month
    assert len(said["recentActivity"]) == 10
    assert said["recentTasks"][0]["taskType"] == TaskType.DUNNING_RETRY
    assert stats["lastProcessedAt"] == said["recentActivity"][0]["createdAt"]


def test_nobody_sees_another_merchant_and_the_operator_sees_all(ask, shop):
    other = open_shop("Beta", 7)
    for one in (shop, other):
        recovered(one.merchant_id, 500)
        with transaction(one.merchant_id) as session:
            usage.log(session, one.merchant_id, Metric.MERCHANT_CONNECTED)
            tenancy.set_account(
                session, one.merchant_id, stripe_connect_id=f"acct_{one.merchant_id}"
            )
    make_task(other.merchant_id)
    assert ask("/api/dashboard", shop).get_json()["stats"]["totalRecovered"] == 500
    assert ask("/api/dashboard", shop, merchantId=other.merchant_id).status_code == 404
    assert ask("/api/activity", shop, merchantId=other.merchant_id).status_code == 404
    assert {row["merchantId"] for row in ask("/api/activity", shop).get_json()} == {
        shop.merchant_id
    }
    whole = ask("/api/dashboard").get_json()
    assert whole["stats"]["totalRecovered"] == 1_000
    assert whole["stats"]["activeMerchants"] == 2
    assert whole["stats"]["pendingTasks"] == 1
    assert (whole["merchant"], whole["metrics"]) == (None, None)
    assert len(whole["recentActivity"]) == 2
    assert len(ask("/api/activity", metricType="merchant_connected").get_json()) == 2
    one = ask("/api/dashboard", merchantId=other.merchant_id).get_json()
    assert one["merchant"]["id"] == other.merchant_id
    assert ask("/api/dashboard", merchantId="m_nobody").status_code == 404


def test_activity_is_an_array_with_a_filter_and_a_way_on(ask, shop):
    with transaction(shop.merchant_id) as session:
        for _ in range(3):
            usage.log(session, shop.merchant_id, Metric.TASK_SCHEDULED)
        usage.log(session, shop.merchant_id, Metric.TASK_RETRY)
    assert len(ask("/api/activity", shop, metricType="all").get_json()) == 4
    (retry,) = ask("/api/activity", shop, metricType="task_retry").get_json()
    assert retry["metricType"] == "task_retry"
    assert retry["reportedAt"] is None
    assert ask("/api/activity", shop, metricType="nonsense").status_code == 400
    first = ask("/api/activity", shop, limit="3")
    rest = ask("/api/activity", shop, limit="3", cursor=first.headers["X-Next-Cursor"])
    assert len(first.get_json()) == 3
    assert len(rest.get_json()) == 1
    assert not {row["id"] for row in first.get_json()} & {row["id"] for row in rest.get_json()}


def test_the_month_is_counted_with_logs_that_somebody_else_wrote(shop):
    with transaction(shop.merchant_id) as session:
        session.execute(
            text(
                "INSERT INTO usage_logs (merchant_id, id, metric_type) SELECT :m, n,"
                " 'dunning_email_sent' FROM generate_series(1, 1500) AS n"
            ),
            {"m": shop.merchant_id},
        )
        assert plans.used(session, shop.merchant_id).is_up


def test_every_table_of_the_page_adds_up_to_what_was_recovered(shop):
    merchant = shop.merchant_id
    recovered(merchant, 500)
    recovered(merchant, 200, brought_by="stripe_retry", step=0, decline_class="hard")
    recovered(merchant, 9_000, currency="jpy", brought_by="page", step=2)
    add(merchant, recovered_cents=77)
    make_case(merchant, "in_1", amount_due=2_000, decline_class="hard")
    make_case(merchant, "in_2", currency="eur")
    with transaction(merchant) as session:
        session.add(
            DailyRecovery(
                merchant_id=merchant,
                metric_date=utc_now().date(),
                currency="usd",
                brought_by="out_of_band",
                step=0,
                decline_class="soft",
                amount_minor=0,
                count=1,
            )
        )
    view = overview.overview(merchant, SpanForm(days="7"))
    whole = {one.currency: one.amount_minor for one in view.recovered}
    assert whole == {"jpy": 9_000, "usd": 777}
    for lines in (view.brought, view.steps, view.declines):
        sums: dict[str, int] = {}
        for line in lines:
            for one in line.sums:
                sums[one.currency] = sums.get(one.currency, 0) + one.amount_minor
        assert sums == whole
    assert sum(line.count for line in view.brought) == 3
    assert {one.currency: one.amount_minor for one in view.at_risk} == {"usd": 2_000, "eur": 1_000}
    assert sum(point.recovered for point in view.chart.points) == 9_000
    assert len(view.chart.points) == 7


def test_the_lift_needs_enough_of_both(shop):
    merchant = shop.merchant_id
    assert overview.overview(merchant, SpanForm()).lift is None
    ended = {"status": CaseStatus.LOST, "closed_why": Closed.VOIDED, "closed_at": utc_now()}
    paid = {"status": CaseStatus.RECOVERED, "closed_why": Closed.PAID, "closed_at": utc_now()}
    for number in range(20):
        make_case(merchant, f"in_m{number}", **(paid if number < 15 else ended))
        make_case(merchant, f"in_h{number}", holdout=True, **(paid if number < 10 else ended))
    lift = overview.overview(merchant, SpanForm()).lift
    assert lift.says_something
    assert (lift.rate, lift.held_rate, lift.points) == (75.0, 50.0, 25.0)


def test_pages_say_what_to_do_and_an_invoice_can_be_left_alone(app, shop):
    merchant = shop.merchant_id
    owner = signed_in(app, shop.phones[Role.OWNER], merchant)
    clerk = signed_in(app, shop.phones[Role.CLERK], merchant)
    assert clerk.get("/console/recovery").status_code == 403
    assert "/console/recovery/connect" in owner.get("/console/recovery").text
    invoice_id = make_case(merchant, "in_1", decline_code="insufficient_funds")
    make_task(merchant, invoice_id=invoice_id, run_at=utc_now() + timedelta(days=3), is_due=False)
    here = f"/console/recovery/invoices/{invoice_id}"
    assert invoice_id in owner.get("/console/recovery/invoices").text
    assert invoice_id in owner.get("/console/recovery/invoices.csv").text
    assert "insufficient_funds" in owner.get(here).text
    assert owner.send_form(f"{here}/remind", {}).status_code == 303
    assert owner.send_form(f"{here}/stop", {}).status_code == 303
    assert owner.send_form(f"{here}/remind", {}).status_code == 409
    assert "You have stopped the reminders" in owner.get(here).text
    other = open_shop("Beta", 7)
    stranger = signed_in(app, other.phones[Role.OWNER], other.merchant_id)
    assert stranger.get(here).status_code == 404
    assert stranger.send_form(f"{here}/stop", {}).status_code == 404
    for page in ("activity", "usage", "activity.csv"):
        assert owner.get(f"/console/recovery/{page}").status_code == 200
