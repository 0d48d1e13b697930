"""Every declared endpoint has a sample that succeeds; what it proves is worth nothing otherwise.

What an app may send that changes something is sent by test_openapi.py, which looks at the answer.
"""

import pytest

from mealquest.web.frame import Face
from tests.web.samples import ENDPOINTS, FACES, NAME_OF, SAMPLES, readers, sample_of, send, writers

PAGES = [each for each in FACES if each[1] is Face.PAGE]


def test_there_is_one_sample_for_every_declared_endpoint() -> None:
    assert set(SAMPLES) == {endpoint.full_name for endpoint in ENDPOINTS}


@pytest.mark.parametrize("faces", readers(FACES))
def test_the_samples_of_what_is_read_succeed(client, shop, subtests, faces) -> None:
    for endpoint, face in faces:
        with subtests.test(NAME_OF[endpoint, face]):
            check(client, shop, endpoint, face)


@pytest.mark.parametrize(("endpoint", "face"), writers(PAGES))
def test_the_sample_of_what_changes_something_succeeds(client, shop, endpoint, face) -> None:
    check(client, shop, endpoint, face)


def check(client, shop, endpoint, face) -> None:
    sample = sample_of(endpoint, shop)

    answer = send(client, endpoint, face, sample, shop)

    if sample.refused:
        assert answer.status_code == sample.refused
    else:
        assert answer.status_code < 400, answer.text
