"""Jobs work for all shops at once: what one shop's rows cause stays with that shop."""

from importlib import import_module

import pytest
from flask import Flask

from mealquest.core import messages
from mealquest.core.bells import JOBS
from mealquest.web.frame import Face
from tests.factories.http import client_of
from tests.isolation.world import World, words
from tests.web.samples import ENDPOINTS, sample_of, send

ROUNDS = 5  # a job's work may be another's
MOST = 15  # runs of a job that makes one thing at a time
# Acts of a shop that give every kind of job something to do.
ACTS = {
    "campaigns.trigger",
    "invoices.issue",
    "invoices.mail",
    "payments.callback",
    "payments.refund",
    "payments.verify",
    "privacy.begin_export",
    "privacy.delete_user",
    "strategy_replays.replay_again",
    "suppliers.verify_order",
    "tasks.create",
    "wallet.grant_voucher",
    "wallet.top_up",
}


def test_what_one_shops_rows_cause_stays_with_that_shop(world: World, app: Flask) -> None:
    before = world.ids_in_common()
    let_them_end(world)
    still = world.fingerprint()
    assert world.ids_in_common() == before

    # Nothing of the other's is left to do: what comes now comes of our own acts.
    known = told()
    client = client_of(app)
    for endpoint in ENDPOINTS:
        if endpoint.full_name in ACTS:
            act = sample_of(endpoint, world.own)
            if "voucherId" in act.fields:  # which stayed here when the wallet went elsewhere
                act.fields["voucherId"] = "NONE"
            done = send(client, endpoint, Face.API, act, world.own)
            assert done.status_code < 300, (endpoint.full_name, done.text)
    let_them_end(world)

    assert world.fingerprint() == still
    assert world.ids_in_common() == before
    new = [each for number, each in told().items() if number not in known]
    assert new
    assert not set().union(*new) & world.secrets, "a message of ours has the other's words"


def let_them_end(world: World) -> None:
    """Until a round of them changes nothing."""
    for _ in range(ROUNDS):
        before = world.fingerprint(world.own), world.fingerprint(world.other)
        run_all()
        if before == (world.fingerprint(world.own), world.fingerprint(world.other)):
            return
    changed = [name for name, rows in world.fingerprint().items() if rows != before[1][name]]
    pytest.fail(f"the jobs never end: {changed}")


def run_all() -> None:
    for target in JOBS.values():
        module, _, name = target.rpartition(".")
        job = getattr(import_module(module), name)
        for _ in range(MOST if name == "make" else 1):
            job()


def told() -> dict[str, set[str]]:
    """The words of every message by its id."""
    return {each.id: words(repr(each.message)) for each in messages.newest(limit=1000)}
