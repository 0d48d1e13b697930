"""The states of tasks, by histories that hypothesis makes up: what may follow what, and once."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import select, text

from mealquest.core.db import platform_transaction, transaction
from mealquest.core.errors import AppError
from mealquest.core.principal import SYSTEM
from mealquest.recovery import running, task_acts, tasks, working
from mealquest.recovery.domain import TaskStatus, TaskType, may_become
from mealquest.recovery.models import ScheduledTask
from mealquest.recovery.running import Done, Later, Never
from mealquest.tenancy import service as tenancy

M = "m_machine"
OUTCOMES = [Done("done"), Later("away"), Later("soon", wait_s=0.0, planned=True), Never("no")]
ENDED = {TaskStatus.COMPLETED, TaskStatus.CANCELLED}


class Queue(RuleBasedStateMachine):
    """Claims, ends, losses, cancellations and retries in any order, by several workers."""

    def __init__(self) -> None:
        super().__init__()
        with platform_transaction("a test begins with nothing") as session:
            session.execute(text("DELETE FROM scheduled_tasks"))
        self.known: dict[int, TaskStatus] = {}
        self.held: list[running.Task] = []
        self.ends = 0

    @rule(key=st.sampled_from([None, "a", "b"]))
    def ask(self, key):
        with transaction(M) as session:
            tasks.enqueue(
                session, M, TaskType.DUNNING_RETRY, {}, dedupe_key=key, invoice_id=f"in_{key}"
            )

    @rule()
    def claim(self):
        found, _ = tasks.claim("w", most=2, lease_s=60)
        assert all(one.merchant_id == M for one in found)
        self.held += found

    @precondition(lambda self: self.held)
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES))
    def end(self, data, outcome):
        """By whoever claimed it once; it may be lost, and then nothing happens."""
        one = data.draw(st.sampled_from(self.held))
        assert running.settle(one, outcome) in {True, False}
        assert not running.settle(one, Done("again"))

    @rule()
    def lose(self):
        """Every worker dies; their tasks are taken from them."""
        with platform_transaction("a test lets leases run out") as session:
            session.execute(
                text(
                    "UPDATE scheduled_tasks SET lease_until = now() - interval '1 s'"
                    " WHERE status = 'running'"
                )
            )
        working.rescue()

    @rule(key=st.sampled_from(["a", "b"]))
    def pay(self, key):
        with transaction(M) as session:
            tasks.end_of_invoice(session, M, f"in_{key}", TaskStatus.COMPLETED, "invoice_paid")

    @rule()
    def cancel(self):
        with transaction(M) as session:
            tasks.end_all(session, M, frozenset({TaskType.DUNNING_RETRY}), "disconnected")

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def retry(self, data):
        task_id = data.draw(st.sampled_from(sorted(self.known)))
        was = self.known[task_id]
        try:
            task_acts.retry(M, task_id, SYSTEM)
        except AppError:
            return
        assert was is TaskStatus.FAILED

    @invariant()
    def moves_are_allowed(self):
        with transaction(M) as session:
            rows = session.scalars(select(ScheduledTask).where(ScheduledTask.merchant_id == M))
            found = list(rows)
        for row in found:
            was = self.known.get(row.id)
            if was in ENDED:
                assert row.status is was
            elif was and was is not row.status:
                both = [TaskStatus.RUNNING, TaskStatus.PENDING]
                assert may_become(was, row.status) or any(
                    may_become(was, way) and may_become(way, row.status) for way in both
                )
            assert (row.status is TaskStatus.RUNNING) == (row.claim_token is not None)
            assert 0 <= row.attempts <= running.MOST_ATTEMPTS
            self.known[row.id] = row.status
        live = [row.dedupe_key for row in found if row.completed_at is None and row.dedupe_key]
        assert len(live) == len(set(live))


def test_no_history_leads_a_task_where_it_may_not_go(app) -> None:
    with transaction(M) as session:
        tenancy.create_merchant(session, M, name="Machine", budget_cap=100)
    machine = Queue.TestCase
    machine.settings = settings(max_examples=12, stateful_step_count=15, deadline=None)
    machine().runTest()
