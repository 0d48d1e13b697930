"""The worker as a process, on this test's database and Redis."""

import signal
import subprocess

import httpx
import pytest
from sqlalchemy import func, select, update

from mealquest.core import messages
from mealquest.core.bells import MOST_WAITING, Bells
from mealquest.core.db import transaction
from mealquest.core.messages import Message, MessageKind, MessageState, OutboundMessage
from mealquest.engines.processes import choose_port
from tests.fakes.sms import Behaviour, SmsEdge
from tests.product.running import until

pytestmark = pytest.mark.usefixtures("bells")
NOWHERE = "redis://127.0.0.1:1/0"


def post(phone: str) -> None:
    """Commit a message to send, which rings."""
    with transaction() as session:
        message = Message(to=phone, subject="s", text="t", data={"phone": phone})
        messages.post(session, MessageKind.SMS, message, has_edge=True)


def phones(edge: SmsEdge) -> list[str]:
    return [sent.body["phone"] for sent in edge.posts]


def states() -> list[MessageState]:
    with transaction() as session:
        return list(session.scalars(select(OutboundMessage.state)))


def worker_states(bells: Bells) -> list[bytes]:
    keys = bells.connection.keys("rq:worker:*")
    return [bells.connection.hget(key, "state") for key in keys if b":" not in key[10:]]


def test_in_burst_mode_it_does_what_was_rung_and_ends(start, edge):
    post("+8613900000001")
    worker = start("worker", "--burst")
    assert worker.ended() == 0, worker.err
    assert phones(edge) == ["+8613900000001"]
    assert states() == [MessageState.SENT]


def test_told_to_stop_it_finishes_the_job_in_hand(start, edge):
    edge.behaviour = Behaviour.HANGS
    post("+8613900000001")
    worker = start("worker")
    until(lambda: edge.posts, "the edge was called")

    worker.process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        worker.process.wait(0.3)  # it waits for its job
    edge.behaviour = Behaviour.TAKES
    edge.closing.set()

    assert worker.ended() == 0, worker.err
    assert states() == [MessageState.SENT]


def test_it_tells_its_figures_at_a_port_and_ends_at_once_when_told_to_stop(start, bells):
    port = choose_port(None)
    worker = start("worker", MQ_METRICS_PORT=port)
    until(lambda: worker_states(bells) == [b"idle"], "the worker waits")
    assert "mealquest_jobs_total" in httpx.get(f"http://127.0.0.1:{port}/metrics").text
    worker.process.send_signal(signal.SIGTERM)
    assert worker.ended(5) == 0


def test_a_job_that_died_with_its_worker_holds_up_no_later_ring(start, edge, bells):
    edge.behaviour = Behaviour.HANGS
    post("+8613900000001")
    dies = start("worker")
    until(lambda: edge.posts, "the edge was called")
    dies.process.kill()
    edge.behaviour = Behaviour.TAKES
    edge.closing.set()

    start("worker")
    post("+8613900000002")
    until(lambda: "+8613900000002" in phones(edge), "the next message was sent")
    with transaction() as session:
        lease_ends = update(OutboundMessage).values(run_at=func.now())
        session.execute(lease_ends.where(OutboundMessage.state == MessageState.QUEUED))
    bells.ring("messages")
    until(lambda: states() == [MessageState.SENT] * 2, "the first one was sent after all")


def test_without_redis_it_says_so_and_fails(start):
    worker = start("worker", MQ_REDIS_URL=NOWHERE)
    assert worker.ended() == 1
    assert worker.err.startswith("the worker cannot reach Redis: ")
    assert "Traceback" not in worker.err


def test_while_a_job_runs_the_bell_brings_another_one(start, edge, bells):
    """Otherwise a row committed after the job's last look would wait for the tick."""
    edge.behaviour = Behaviour.HANGS
    post("+8613900000001")
    start("worker")
    until(lambda: edge.posts, "the edge was called")
    assert bells.queue.count == 0

    bells._rung.clear()
    post("+8613900000002")
    assert bells.queue.count == 1
    edge.behaviour = Behaviour.TAKES
    edge.closing.set()
    until(lambda: states() == [MessageState.SENT] * 2, "both were sent")


def test_a_bell_that_rings_often_brings_one_waiting_job(bells):
    for _ in range(5):
        bells._rung.clear()
        bells.ring("outbox")
        bells.ring("messages")
    assert sorted(job.func_name for job in bells.queue.jobs) == [
        "jobs.messages.deliver",
        "jobs.outbox.relay",
    ]


def test_where_nobody_works_the_queue_does_not_grow_for_ever(bells):
    for _ in range(MOST_WAITING + 5):
        bells._rung.clear()
        bells.ring("outbox")
        bells.heard("jobs.outbox.relay")  # as if the mark had run out
    assert bells.queue.count == MOST_WAITING


def test_a_redis_that_is_away_costs_one_caller_a_moment_and_the_others_nothing():
    away = Bells(NOWHERE)
    away.ring("outbox")
    left_alone_until = away._rung["outbox"]
    away.ring("outbox")
    assert away._rung["outbox"] == left_alone_until
