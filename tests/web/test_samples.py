"""Every declared endpoint has a sample that succeeds; what it proves is worth nothing otherwise."""

import pytest

from tests.web.samples import ENDPOINTS, FACES, NAMES, SAMPLES, sample_of, send


def test_there_is_one_sample_for_every_declared_endpoint() -> None:
    assert set(SAMPLES) == {endpoint.full_name for endpoint in ENDPOINTS}


@pytest.mark.parametrize(("endpoint", "face"), FACES, ids=NAMES)
def test_the_sample_succeeds(client, shop, endpoint, face) -> None:
    sample = sample_of(endpoint, shop)

    answer = send(client, endpoint, face, sample, shop)

    if sample.refused:
        assert answer.status_code == sample.refused
    else:
        assert answer.status_code < 400, answer.text
