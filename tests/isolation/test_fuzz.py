"""Thousands of tries of one shop's people with another shop's ids: nothing is seen, or changed.

`MQ_ISOLATION_TRIES` is how many there are in all. A failure prints the seed, the number and the
whole of the try that got somewhere.
"""

import os

import pytest
from flask.testing import FlaskClient

from tests.isolation.filling import empty_tables
from tests.isolation.sending import assert_all_get_nowhere
from tests.isolation.tries import Tries
from tests.isolation.world import World

SHARES = 2  # each makes shops of its own, which takes as long as some hundred tries
TRIES = int(os.environ.get("MQ_ISOLATION_TRIES", "10000")) // SHARES


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(SHARES))
def test_nothing_of_another_shop_is_seen_or_changed(
    world: World, visitor: FlaskClient, seed: int
) -> None:
    for shop in (world.own, world.other):
        assert empty_tables(shop.merchant_id) == []
    assert len(world.secrets) > 200

    seen = assert_all_get_nowhere(world, visitor, Tries(world, seed), TRIES)

    assert sum(seen.values()) == TRIES
    assert seen[200] > TRIES / 5, f"too few came in for this to prove much: {seen}"
