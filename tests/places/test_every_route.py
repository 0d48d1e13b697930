"""Every endpoint works for a shop with a database of its own, and asks that one only."""

import os

import pytest

from mealquest.web.frame import Face
from tests.factories.http import client_of
from tests.places.seen import statements
from tests.web.samples import FACES, NAME_OF, sample_of, send, writers

# What looks for merchants, or is of operators and of all of them, asks home too.
AT_HOME_TOO = {
    "alliance.stores",
    "board.delete_job",
    "board.queues",
    "board.requeue",
    "board.retry_parked",
    "board.sign_out",
    "identity.request_code",
    "identity.sign_in",
    "merchants.create",
    "merchants.erase",
    "merchants.listed",
    "onboarding.onboard",
    "onboarding.onboard_page",
    "onboarding.open_shop",
    "ops.metrics",
    "ops.outbox",
    "ops.ready",
    "tenancy.catalog",
    "tenancy.exists",
    "tenant_policy.policy",
    "webhooks.stripe",
    "webhooks.stripe_plainly",
    "workers.claim",
    "workers.complete",
}
OF_OPERATORS = {"migration"}
# Samples in which the shop has to do with one that lies at home.
OF_TWO_STORES = {"alliance", "alliance_customers", "debts"}
EVERYTHING = "MQ_ELSEWHERE" in os.environ  # a shop for each takes minutes; else what is read


def check(places, shop, endpoint, face) -> None:
    sample = sample_of(endpoint, shop)
    client = client_of(places)
    with statements() as seen:
        answer = send(client, endpoint, face, sample, shop)
    if sample.refused:
        assert answer.status_code == sample.refused, answer.text[:300]
    else:
        assert answer.status_code < 400, answer.text[:300]
    if not (endpoint.full_name in AT_HOME_TOO or _feature(endpoint) in OF_OPERATORS):
        assert seen["home"] == []


def test_what_is_read(hot, places, subtests) -> None:
    for endpoint, face in FACES:
        is_the_first = face is Face.API or not endpoint.api  # both faces are one function
        if is_the_first and not endpoint.mutates and not _is_of_two(endpoint):
            with subtests.test(NAME_OF[endpoint, face]):
                check(places, hot, endpoint, face)


if EVERYTHING:

    @pytest.mark.parametrize(("endpoint", "face"), writers(FACES))
    def test_what_changes_something(hot, places, endpoint, face) -> None:
        if _is_of_two(endpoint):
            pytest.skip("it takes two stores of one database")
        check(places, hot, endpoint, face)


def _is_of_two(endpoint) -> bool:
    return _feature(endpoint) in OF_TWO_STORES


def _feature(endpoint) -> str:
    return endpoint.full_name.partition(".")[0]
