"""Whatever can be written in JSON, a form or an address: no error of ours."""

import json
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic.alias_generators import to_camel

from mealquest.web.frame import Face
from mealquest.web.security import is_local
from tests.factories.http import assert_problem
from tests.web.samples import (
    ENDPOINTS,
    NAME_OF,
    credentials_of,
    headers_of,
    readers,
    sample_of,
    signature_of,
    url_of,
)

# Not those that end the credentials of the test, or call somebody else.
LEFT_OUT = {"identity.sign_out", "staff.end_session", "sandbox.decide", "realtime.connect"}
LEFT_OUT |= {"social.alipay", "social.wechat"}
LEFT_OUT |= {"webhooks.stripe_plainly"}  # refuses in plain text what `webhooks.stripe` refuses
ROUTES = [e for e in ENDPOINTS if e.api and e.full_name not in LEFT_OUT]
quick = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

texts = st.text(max_size=30) | st.sampled_from(["", "0", "-1", "1e9", "NaN", "\x00", "🍜", "٣"])
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.just(1e308)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def fields_of(endpoint) -> st.SearchStrategy[str]:
    names = [to_camel(name) for name in endpoint.input.model_fields]
    return st.sampled_from([*names, "merchantId", "idempotencyKey", "__class__"])


def assert_no_error_of_ours(answer) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert_problem(answer, answer.status_code)


@pytest.mark.parametrize("endpoint", [e for e in ROUTES if e.mutates], ids=lambda e: e.full_name)
def test_any_json(client, shop, endpoint) -> None:
    sample = sample_of(endpoint, shop)
    headers = headers_of(endpoint, sample, shop) | {"Content-Type": "application/json"}

    @quick
    @given(st.dictionaries(fields_of(endpoint), values, max_size=5), st.booleans())
    def send(sent: dict[str, Any], among_good_ones: bool) -> None:
        fields = (sample.fields | sent) if among_good_ones else sent
        body = json.dumps(fields).encode()
        signed = signature_of(endpoint, client, body)
        url = url_of(endpoint, Face.API, sample)
        assert_no_error_of_ours(
            client.open(url, method=endpoint.method, data=body, headers=headers | signed)
        )

    send()


ANSWERING = [(e, Face.API) for e in ROUTES if e.answer]


@pytest.mark.parametrize("faces", readers(ANSWERING))
def test_any_query(client, shop, subtests, faces) -> None:
    for endpoint, face in faces:
        with subtests.test(NAME_OF[endpoint, face]):
            ask_anything(client, shop, endpoint)


def ask_anything(client, shop, endpoint) -> None:
    sample = sample_of(endpoint, shop)
    headers = credentials_of(endpoint, shop)

    @quick
    @given(st.dictionaries(fields_of(endpoint), texts, max_size=5))
    def send(sent: dict[str, str]) -> None:
        url = url_of(endpoint, Face.API, sample)
        assert_no_error_of_ours(client.get(url, query_string=sent, headers=headers))

    send()


@settings(quick, max_examples=300)
@given(st.text(st.sampled_from("/\\.:@?#%e\t\r\n\x00 xn") | st.characters(), max_size=12))
def test_a_local_address_is_local_for_every_browser(target) -> None:
    """They drop tabs and line ends, and take a backslash for a slash."""
    as_browsers_read_it = target.strip().replace("\\", "/")
    for dropped in "\t\r\n":
        as_browsers_read_it = as_browsers_read_it.replace(dropped, "")

    if is_local(target):
        there = urlsplit(urljoin("https://shop.example/console/", as_browsers_read_it))
        assert (there.scheme, there.netloc) == ("https", "shop.example")
