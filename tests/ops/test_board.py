"""The operators' board: its sign-in, and what can be done with jobs and parked tasks."""

import pytest
from rq.job import JobStatus

from mealquest.recovery.domain import TaskStatus
from tests.factories.http import Client, client_of
from tests.factories.merchants import make_merchant
from tests.factories.recovery import make_task

KEY = "operator-key-of-these-tests"


@pytest.fixture
def browser(app, monkeypatch) -> Client:
    monkeypatch.setattr(app.config["SETTINGS"], "admin_api_key", KEY)
    return client_of(app)


def sign_in(browser: Client, key: str = KEY):
    fields = {"key": key, "csrf_token": browser.csrf("/ops/sign-in")}
    return browser.post("/ops/sign-in", data=fields)


def act(browser: Client, path: str):
    return browser.post(path, data={"csrf_token": browser.csrf("/ops/queues")})


def failed_job(app) -> str:
    queue = app.extensions["bells"].queue
    job = queue.create_job("jobs.doctor.watch", status=JobStatus.FAILED)
    job.origin = queue.name
    job.save()
    queue.failed_job_registry.add(job, ttl=60)
    return job.id


def test_a_browser_signs_in_with_the_key_and_out_again(browser) -> None:
    away = browser.get("/ops/queues")
    assert away.status_code == 303
    assert away.location.startswith("/ops/sign-in")
    refused = sign_in(browser, "wrong")
    assert refused.status_code == 403
    assert 'name="key"' in refused.text
    assert browser.get("/ops/queues").status_code == 303
    entered = sign_in(browser)
    assert entered.location == "/ops/queues"
    cookie = entered.headers["Set-Cookie"]
    assert "mq_operator=" in cookie
    for word in ("HttpOnly", "Path=/ops", "SameSite=Strict", "Max-Age=43200"):
        assert word in cookie
    assert "<h1>" in browser.get("/ops/queues").text
    assert browser.get("/api/tasks").status_code == 401  # it opens nothing else
    assert act(browser, "/ops/sign-out").status_code == 303
    assert browser.get("/ops/queues").status_code == 303


def test_another_key_ends_every_sign_in(browser, app, monkeypatch) -> None:
    sign_in(browser)
    monkeypatch.setattr(app.config["SETTINGS"], "admin_api_key", "another-key")
    assert browser.get("/ops/queues").status_code == 303
    monkeypatch.setattr(app.config["SETTINGS"], "admin_api_key", "")
    assert browser.get("/ops/queues").status_code == 403
    assert 'name="key"' not in browser.get("/ops/sign-in").text


def test_a_job_is_put_back_or_deleted_by_post_with_a_token_only(browser, app) -> None:
    sign_in(browser)
    queue = app.extensions["bells"].queue
    back, gone = failed_job(app), failed_job(app)
    assert back in browser.get("/ops/queues").text
    path = f"/ops/jobs/{queue.name}/{back}/requeue"
    assert browser.post(path).status_code == 403  # no CSRF token
    assert browser.get(path).status_code == 405
    assert act(browser, path).status_code == 303
    assert queue.job_ids == [back]
    assert act(browser, path).status_code in {404, 409}
    assert act(browser, f"/ops/jobs/{queue.name}/{gone}/delete").status_code == 303
    assert queue.failed_job_registry.count == 0
    assert act(browser, f"/ops/jobs/{queue.name}/{gone}/delete").status_code == 404
    assert act(browser, f"/ops/jobs/nonsense/{gone}/delete").status_code == 404


def test_a_parked_task_is_taken_up_again(browser) -> None:
    make_merchant("m_parked")
    sign_in(browser)
    task_id = make_task("m_parked", status=TaskStatus.FAILED, last_error="quota_exceeded")
    path = f"/ops/tasks/m_parked/{task_id}/retry"
    assert path in browser.get("/ops/queues").text
    assert act(browser, path).status_code == 303
    assert path not in browser.get("/ops/queues").text
    assert act(browser, path).status_code == 409


def test_the_queue_is_measured(browser) -> None:
    from mealquest.recovery import queue_metrics

    make_task("m_a")
    make_task("m_a", status=TaskStatus.FAILED)
    queue_metrics._next_look = 0.0
    text = browser.get("/metrics").text
    assert 'mealquest_recovery_tasks{state="due",type="dunning_retry"} 1.0' in text
    assert 'mealquest_recovery_tasks{state="parked",type="dunning_retry"} 1.0' in text
    assert 'mealquest_recovery_oldest_due_seconds{type="dunning_retry"}' in text
