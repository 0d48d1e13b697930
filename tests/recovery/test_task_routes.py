"""Tasks over HTTP: who may do what, what is refused, and that an end counts once."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from mealquest.core.clock import utc_now
from mealquest.core.db import transaction
from mealquest.core.principal import Role
from mealquest.identity import service as identity
from mealquest.recovery.domain import TaskStatus
from mealquest.recovery.models import DailyMetric, DailyRecovery, ScheduledTask, UsageLog
from mealquest.tenancy import service as tenancy
from tests.factories.http import Client, assert_problem, bearer, client_of, staff_token
from tests.factories.merchants import make_merchant
from tests.factories.recovery import make_task

KEY, SECRET = "operator-key-of-these-tests", "worker-secret-of-these-tests"
OPERATOR, WORKER = {"X-Api-Key": KEY}, {"X-Worker-Secret": SECRET}
GOOD = {"taskType": "dunning_retry", "payload": {"invoiceId": "in_1"}}
M, OTHER = "m_tasks", "m_other"


@pytest.fixture(autouse=True)
def keys(app, monkeypatch) -> None:
    monkeypatch.setattr(app.config["SETTINGS"], "admin_api_key", KEY)
    monkeypatch.setattr(app.config["SETTINGS"], "worker_secret", SECRET)


@pytest.fixture
def client(app) -> Client:
    return client_of(app)


@pytest.fixture
def owner(app) -> dict[str, str]:
    return shop(M)


def shop(merchant_id: str, role: Role = Role.OWNER) -> dict[str, str]:
    make_merchant(merchant_id)
    with transaction(merchant_id) as session:
        identity.add_staff(session, merchant_id, staff_id="staff_1", role=role, name="Somebody")
    return bearer(staff_token(merchant_id, "staff_1"))


def metrics(merchant_id: str) -> list[str]:
    with transaction(merchant_id) as session:
        found = session.scalars(select(UsageLog.metric_type).order_by(UsageLog.id))
        return [metric.value for metric in found]


def cents(merchant_id: str) -> int:
    with transaction(merchant_id) as session:
        return sum(session.scalars(select(DailyMetric.recovered_cents)))


def test_a_task_is_asked_for_read_and_removed(client, owner) -> None:
    made = client.post("/api/tasks", json=GOOD | {"unknown": 1}, headers=owner)
    assert made.status_code == 201, made.text
    task = made.get_json()
    assert task["status"] == "pending"
    assert task["merchantId"] == M
    assert type(task["id"]) is int
    assert client.get(f"/api/tasks/{task['id']}", headers=owner).get_json() == task
    assert client.get("/api/tasks?status=all", headers=owner).get_json() == [task]
    assert client.get("/api/tasks?status=failed", headers=owner).get_json() == []
    gone = client.delete(f"/api/tasks/{task['id']}", headers=owner)
    assert gone.get_json() == {"success": True}
    again = client.delete(f"/api/tasks/{task['id']}", headers=owner)
    assert_problem(again, 404, "Task not found")


@pytest.mark.parametrize(
    "wrong",
    [
        {"taskType": "nonsense"},
        {"taskType": "report_usage"},
        {"taskType": None},
        {"payload": {}},
        {"payload": "in_1"},
        {"payload": {"invoiceId": 7}},
        {"payload": {"invoiceId": "in_1", "long": "x" * 20_000}},
        {"status": "completed"},
        {"runAt": "tomorrow"},
        {"runAt": "2099-01-01T00:00:00Z"},
    ],
)
def test_a_task_that_makes_no_sense_is_refused(client, owner, wrong) -> None:
    problem = assert_problem(client.post("/api/tasks", json=GOOD | wrong, headers=owner), 400)
    assert problem["details"]
    assert client.get("/api/tasks", headers=owner).get_json() == []


def test_a_newer_task_takes_the_place_of_one_for_the_same_invoice(client, owner) -> None:
    ids = [client.post("/api/tasks", json=GOOD, headers=owner).get_json()["id"] for _ in "ab"]
    found = client.get("/api/tasks", headers=owner).get_json()
    assert [(task["id"], task["status"]) for task in found] == [
        (ids[1], "pending"),
        (ids[0], "cancelled"),
    ]


def test_the_plan_holds_so_many_tasks_and_no_more(client, owner) -> None:
    with transaction(M) as session:
        tenancy.set_account(session, M, subscription_plan_id="free")
    answers = [
        client.post("/api/tasks", json=GOOD | {"payload": {"invoiceId": f"in_{n}"}}, headers=owner)
        for n in range(6)
    ]
    assert [answer.status_code for answer in answers] == [201] * 5 + [429]


@pytest.mark.parametrize("status", TaskStatus)
def test_only_what_failed_is_taken_up_again(client, owner, status) -> None:
    task_id = make_task(M, status=status, attempts=6, last_error="StripeAway")
    answer = client.post(f"/api/tasks/{task_id}/retry", headers=owner)
    if status is TaskStatus.FAILED:
        task = answer.get_json()
        assert (task["status"], task["attempts"], task["lastError"]) == ("pending", 0, None)
        assert metrics(M) == ["task_retry"]
    else:
        assert_problem(answer, 409, code="TASK_NOT_FAILED")
        assert metrics(M) == []


def test_a_retry_does_not_make_a_second_live_task_of_a_kind(client, owner) -> None:
    failed = make_task(M, status=TaskStatus.FAILED, dedupe_key="dunning:in_1")
    make_task(M, dedupe_key="dunning:in_1")
    answer = client.post(f"/api/tasks/{failed}/retry", headers=owner)
    assert_problem(answer, 409, code="TASK_IS_LIVE")


def test_completed_tasks_are_removed_together_and_no_others(client, owner) -> None:
    for status in TaskStatus:
        make_task(M, status=status)
        make_task(OTHER, status=status)
    assert client.delete("/api/tasks/completed", headers=owner).get_json() == {"deleted": 1}
    left = client.get("/api/tasks", headers=OPERATOR).get_json()
    assert len(left) == 9
    assert client.delete("/api/tasks/completed", headers=OPERATOR).get_json() == {"deleted": 1}


def test_who_may_see_whose_tasks(client, owner) -> None:
    task_id = make_task(M)
    stranger, clerk = shop(OTHER), shop("m_clerk", Role.CLERK)
    assert client.get("/api/tasks").status_code == 401
    assert client.get("/api/tasks", headers=clerk).status_code == 403
    assert client.get(f"/api/tasks?merchantId={M}", headers=stranger).status_code == 404
    for method, path in (("GET", ""), ("POST", "/retry"), ("DELETE", "")):
        answer = client.open(f"/api/tasks/{task_id}{path}", method=method, headers=stranger)
        assert_problem(answer, 404, "Task not found")
    assert client.get(f"/api/tasks/{task_id}", headers=OPERATOR).status_code == 200
    assert client.get("/api/tasks?merchantId=m_nobody", headers=OPERATOR).status_code == 404
    assert len(client.get(f"/api/tasks?merchantId={M}", headers=OPERATOR).get_json()) == 1
    refused = client.post("/api/tasks", json=GOOD, headers=OPERATOR)
    assert_problem(refused, 400, "merchantId is required")
    named = client.post("/api/tasks", json=GOOD | {"merchantId": M}, headers=OPERATOR)
    assert named.status_code == 201


def test_the_list_goes_on_where_its_header_says(client, owner) -> None:
    ids = [make_task(M, created_at=utc_now() - timedelta(seconds=n // 2)) for n in range(7)]
    seen, query = [], "limit=3"
    while query:
        answer = client.get(f"/api/tasks?{query}", headers=owner)
        seen += [task["id"] for task in answer.get_json()]
        cursor = answer.headers.get("X-Next-Cursor")
        query = f"limit=3&cursor={cursor}" if cursor else ""
    assert sorted(seen) == sorted(ids)
    assert len(seen) == 7
    assert_problem(client.get("/api/tasks?status=nonsense", headers=owner), 400)
    assert_problem(client.get("/api/tasks/nonsense", headers=owner), 404)


# --- workers of somebody else's -----------------------------------------------------------


def claim(client: Client) -> dict | None:
    answer = client.post("/api/worker/claim", headers=WORKER)
    assert answer.status_code == 200, answer.text
    return answer.get_json()["task"]


def complete(client: Client, task_id: int, **said):
    return client.post(f"/api/worker/complete/{task_id}", json=said, headers=WORKER)


def test_the_worker_secret_or_the_operator_opens_the_worker_routes(client, owner) -> None:
    for path in ("/api/worker/claim", "/api/worker/complete/1"):
        body = {"success": True}
        assert client.post(path, json=body).status_code == 401
        wrong = client.post(path, json=body, headers={"X-Worker-Secret": "wrong"})
        assert_problem(wrong, 403)
        assert client.post(path, json=body, headers=owner).status_code == 403
    assert client.post("/api/worker/claim", headers=OPERATOR).get_json() == {"task": None}


def test_the_oldest_due_task_is_claimed_first_and_only_once(client) -> None:
    times = [utc_now() - timedelta(hours=n) for n in (1, 3, 2)]
    ids = [make_task(M, run_at=at) for at in times]
    make_task(M, run_at=utc_now() + timedelta(hours=1), is_due=False)
    claimed = [claim(client) for _ in range(4)]
    assert [task and task["id"] for task in claimed] == [ids[1], ids[2], ids[0], None]
    assert {task["status"] for task in claimed[:3]} == {"running"}
    assert len({task["claimToken"] for task in claimed[:3]}) == 3


def test_an_end_counts_once_and_another_end_is_refused(client) -> None:
    make_task(M, invoice_id="in_1")
    task = claim(client)
    assert_problem(complete(client, task["id"], success=True, claimToken="another"), 409)
    for _ in range(3):
        done = complete(
            client,
            task["id"],
            success=True,
            recoveredCents=500,
            claimToken=task["claimToken"],
        )
        assert done.get_json() == {"success": True}
    assert_problem(complete(client, task["id"], success=False), 409)
    assert metrics(M) == ["recovery_success"]
    assert cents(M) == 500


def test_what_workers_tell_of_one_invoice_counts_once_and_has_a_label(client) -> None:
    for cents_told in (500, 700):
        make_task(M, invoice_id="in_1", payload={"invoiceId": "in_1", "currency": "jpy"})
        assert complete(client, claim(client)["id"], success=True, recoveredCents=cents_told)
    assert cents(M) == 500
    assert metrics(M) == ["recovery_success"]
    with transaction(M) as session:
        labels = session.scalars(select(DailyRecovery).where(DailyRecovery.merchant_id == M)).all()
    assert [(one.amount_minor, one.currency, one.count) for one in labels] == [(500, "jpy", 1)]


def test_a_failure_is_told_once(client) -> None:
    make_task(M)
    task = claim(client)
    for _ in range(2):
        assert complete(client, task["id"], success=False).status_code == 200
    assert metrics(M) == ["recovery_failed"]
    with transaction(M) as session:
        row = session.get_one(ScheduledTask, (M, task["id"]))
        assert (row.status, row.last_error) == (TaskStatus.FAILED, "the worker reported a failure")


@pytest.mark.parametrize("wrong", [-1, 1.5, "5", True, 10**15])
def test_cents_that_are_none_are_refused(client, wrong) -> None:
    make_task(M)
    task = claim(client)
    assert_problem(complete(client, task["id"], success=True, recoveredCents=wrong), 400)
    assert cents(M) == 0


def test_what_is_not_running_has_no_end(client) -> None:
    for status in (TaskStatus.PENDING, TaskStatus.CANCELLED):
        task_id = make_task(M, status=status)
        assert_problem(complete(client, task_id, success=True), 409)
    assert_problem(complete(client, 123, success=True), 404, "Task not found")
    assert_problem(complete(client, make_task(M), recoveredCents=1), 400)
