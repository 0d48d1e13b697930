"""Send tries one after the other, and look at what they bring and what they leave."""

from collections import Counter
from collections.abc import Iterator
from contextvars import Context

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.isolation.tries import Tries, Try
from tests.isolation.world import World, words
from tests.web.test_isolation import PUBLIC

BATCH = 500
NOT_SIGNED_IN, BROKEN = 401, 500


def send(visitor: FlaskClient, each: Try, *, may_break: bool = False) -> TestResponse | None:
    """In a context of its own, or it would find what the one before left.

    None: an answer broke off that was being written while it was read.
    """
    try:
        return Context().run(
            visitor.open,
            each.path,
            method=each.method,
            query_string=each.query,
            data=each.body,
            headers=each.headers,
            buffered=True,
        )
    except Exception:
        if may_break:
            return None
        raise


def shown_of_the_other(world: World, each: Try, answer: TestResponse) -> set[str]:
    """What the answer holds of the other shop's, in its headers or its body."""
    shown = f"{answer.headers}{answer.data.decode(errors='replace')}"
    found = {text for text in world.texts if text in shown} | (words(shown) & world.secrets)
    named = f'"merchantId":"{world.other.merchant_id}"'
    if answer.is_json and answer.status_code < 300 and each.endpoint.full_name not in PUBLIC:
        found |= {named} & {named if named in shown.replace(" ", "") else ""}
    return found


def assert_all_get_nowhere(
    world: World, visitor: FlaskClient, tries: Tries, count: int, *, may_break: bool = False
) -> Counter[int]:
    """How often each status was answered.

    `may_break`: filters are out, so errors of ours are no finding, and policies alone must hold.

    The other's rows are compared after each batch; one that differs is sent again, try by try.
    """
    seen: Counter[int] = Counter()
    for numbers in _batches(count):
        before = world.fingerprint(guarded=may_break)
        made = [tries.next() for _ in numbers]
        for number, each in zip(numbers, made, strict=True):
            answer = send(visitor, each, may_break=may_break)
            if answer is None:
                seen[BROKEN] += 1
                continue
            about = f"{answer.status} to try {number} of seed {tries.seed}: {each}"
            seen[answer.status_code] += 1
            leaked = shown_of_the_other(world, each, answer)
            assert not leaked, f"{sorted(leaked)[:5]} in {about}"
            assert may_break or not _breaks(world, each, answer), about
            if _is_held_back(each, answer):
                world.heal()
        changed = _changed(before, world.fingerprint(guarded=may_break))
        if changed:
            _name_the_one_that_changes_it(world, visitor, tries, made)
            pytest.fail(f"seed {tries.seed}: {changed} changed once by one of {numbers}")
        world.heal()
    return seen


def _is_held_back(each: Try, answer: TestResponse) -> bool:
    """Whether our people ended their own sign-in, or froze or limited their own shop."""
    if answer.status_code == NOT_SIGNED_IN:
        return each.by.role in (each.endpoint.roles or ())
    return b"TENANT_" in answer.data and answer.status_code in {403, 429}


def _breaks(world: World, each: Try, answer: TestResponse) -> bool:
    own, _ = world.samples[each.endpoint.full_name]
    return answer.status_code >= 500 and answer.status_code != own.refused


def _batches(count: int) -> Iterator[range]:
    return (range(first, min(first + BATCH, count)) for first in range(0, count, BATCH))


def _changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return [name for name in after if before[name] != after[name]]


def _name_the_one_that_changes_it(
    world: World, visitor: FlaskClient, tries: Tries, made: list[Try]
) -> None:
    """What wrote a row of the other's will most likely do so again."""
    for each in made:
        before = world.fingerprint()
        send(visitor, each, may_break=True)
        changed = _changed(before, world.fingerprint())
        assert not changed, f"seed {tries.seed}: {changed} changed by {each}"
