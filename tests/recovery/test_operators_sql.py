"""What operators do by SQL of their own, as the owner of the schema, works on."""

import psycopg
import pytest

from mealquest.recovery import webhooks, working
from mealquest.recovery.domain import TaskStatus
from tests.recovery.test_events import event

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def owner(app):
    with psycopg.connect(app.config["MIGRATION_URL"], autocommit=True) as connection:
        yield connection


def one(owner, query: str, *values):
    return owner.execute(query, values).fetchone()


def test_a_merchant_and_its_rows_are_written_and_read(owner):
    (merchant_id,) = one(
        owner,
        "INSERT INTO merchants (email, stripe_connect_id) VALUES ('o@example.com', 'acct_sql')"
        " RETURNING id",
    )
    took = webhooks.take_in(event(1, "invoice.payment_failed", account="acct_sql"))
    assert took.action == "enqueued"
    assert one(owner, "SELECT merchant_id, status FROM scheduled_tasks") == (
        merchant_id,
        "pending",
    )
    assert one(owner, "SELECT metric_type FROM usage_logs") == ("task_scheduled",)
    assert one(owner, "SELECT event_id FROM processed_events") == ("evt_1",)
    assert one(owner, "SELECT recovered_cents, emails_sent FROM daily_metrics") == (0, 0)


def test_a_task_that_is_moved_by_hand_runs_when_it_says(owner):
    (task_id,) = one(
        owner,
        "INSERT INTO scheduled_tasks (merchant_id, task_type, payload)"
        " VALUES ('system', 'mystery', '{}') RETURNING id",
    )
    owner.execute("UPDATE scheduled_tasks SET run_at = now() + interval '1 hour'")
    working.work()
    assert one(owner, "SELECT status FROM scheduled_tasks") == (TaskStatus.PENDING,)
    owner.execute("UPDATE scheduled_tasks SET run_at = now() - interval '1 hour'")
    working.work()
    found = one(owner, "SELECT id, status, last_error FROM scheduled_tasks")
    assert found == (task_id, TaskStatus.FAILED, "unknown task type mystery")
