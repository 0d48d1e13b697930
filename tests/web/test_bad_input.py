"""Every declared endpoint, on both its faces, is sent what it should not be sent.

Whatever comes: no error of ours, an answer with a reason, and nothing changed by what is refused.
"""

import json
from itertools import chain

import pytest
from pydantic.alias_generators import to_camel
from werkzeug.test import TestResponse

from mealquest.web.frame import Endpoint, Face
from tests.factories.http import Client, assert_problem
from tests.factories.rows import ABOUT_REQUESTS, digest
from tests.web.samples import (
    ENDPOINTS,
    FACES,
    NAME_OF,
    REFUSES_IN_PLAIN_TEXT,
    Sample,
    credentials_of,
    headers_of,
    readers,
    sample_of,
    signature_of,
    url_of,
    writers,
)
from tests.web.shops import Shop

# As they stand in JSON, so that there are some that no Python value would be written as.
JSON_VALUES = [
    "null",
    "true",
    "-1",
    "0.001",
    "1e400",
    "1e99999999",
    "9" * 31,
    "NaN",
    '["a"]',
    '{"a":{}}',
    "[" * 500 + "]" * 500,
    '""',
    '"false"',
    '"NaN"',
    '"1e99999999"',
    '"\\u0000"',
    '"\\ud800"',
    '"a\\nb\\u202e"',
    '"\\u0661\\u0662"',
    json.dumps("x" * 100_000),
]
# As they stand in a form or a query, percent-encoded.
FORM_VALUES = [
    "",
    "-1",
    "0.001",
    "NaN",
    "1e99999999",
    "9" * 31,
    "%00",
    "%FF%FE",
    "%ED%A0%80",
    "a%0D%0Ab",
    "%3Cscript%3E%25%28s%29s",
    "x" * 20_000,
]
PATH_VALUES = ["%00", "%FF%FE", "x" * 3000, "%F0%9F%98%80", "a%0Ab", "..", "%2E%2E%2F", "%25", "-1"]
BODIES = [
    (b"x" * 2 * 1024 * 1024, "application/json"),
    (b"a=" + b"x" * 2 * 1024 * 1024, "application/x-www-form-urlencoded"),
    (b"", "application/json"),
    (b"[]", "application/json"),
    (b"nonsense", "application/json"),
    (b"[" * 10_000 + b"]" * 10_000, "application/json"),
    (b'{"a":1,"a":2,"a":{"a":[null]}}', "application/json"),
    (b"\xff\xfe\x00", "application/json; charset=latin-1"),
    (b"<a/>", "application/xml"),
    (b"a=%FF&=&&a=1", "application/x-www-form-urlencoded"),
    (b"--x\r\nContent-Disposition: form-data\r\n\r\n", "multipart/form-data; boundary=x"),
    (b"--", "multipart/form-data"),
]


# The same code reads them for every endpoint.
OF_THE_FRAME = {"merchantId", "idempotencyKey", "limit", "cursor"}


class Attempts:
    """Sends requests to one face of an endpoint and watches what they leave behind."""

    def __init__(self, client: Client, shop: Shop, endpoint: Endpoint, face: Face) -> None:
        self.client, self.shop, self.endpoint, self.face = client, shop, endpoint, face
        self.sample = sample_of(endpoint, shop)
        self.refused = 0
        self.csrf = client.csrf() if not credentials_of(endpoint, shop) else None
        self.before = self.rows()

    def rows(self) -> dict[str, str]:
        tries = {"phone_codes"} if self.endpoint.full_name == "identity.sign_in" else set()
        return digest(but=ABOUT_REQUESTS | tries)  # a wrong code costs a try

    @property
    def fields(self) -> list[str]:
        """Every field it knows by its wire name, and those that the frame reads."""
        own = [to_camel(name) for name in self.endpoint.input.model_fields]
        keys = ["idempotencyKey"] if self.endpoint.idempotent else []
        return sorted({*own, *keys, "merchantId"} - {to_camel(name) for name in self.sample.path})

    def json(self, field: str, value: str) -> None:
        """The sample with `value`, written in JSON, in place of one field."""
        sent = {name: json.dumps(good) for name, good in self.sample.fields.items()}
        pairs = (sent | {field: value}).items()
        body = "{" + ",".join(f"{json.dumps(name)}:{raw}" for name, raw in pairs) + "}"
        self.body(body.encode(), "application/json", what=(field, value[:40]))

    def form(self, field: str, value: str) -> None:
        """The sample as a form or query with `value`, percent-encoded, in place of one field."""
        sent = {name: str(good) for name, good in self.sample.fields.items()} | {field: value}
        text = "&".join(f"{name}={raw}" for name, raw in sent.items())
        if self.endpoint.mutates:
            media = "application/x-www-form-urlencoded"
            self.body(text.encode(), media, what=(field, value[:40]))
        else:
            self.open(query_string=text, what=(field, value[:40]))

    def body(self, body: bytes, media: str, what: object) -> None:
        signed = signature_of(self.endpoint, self.client, body)
        self.open(data=body, content_type=media, more=signed, what=what)

    def path(self, name: str, value: str) -> None:
        sample = Sample(self.sample.fields, self.sample.path | {name: value}, self.sample.key)
        self.open(query_string="", url=url_of(self.endpoint, self.face, sample), what=value[:40])

    def open(self, *, what: object, url: str = "", more: dict | None = None, **options) -> None:
        headers = headers_of(self.endpoint, self.sample, self.shop) | (more or {})
        if self.csrf:
            headers["X-CSRFToken"] = self.csrf
        url = url or url_of(self.endpoint, self.face, self.sample)
        answer = self.client.open(url, method=self.endpoint.method, headers=headers, **options)
        self.judge(answer, what)

    def judge(self, answer: TestResponse, what: object) -> None:
        nobody_there = answer.status_code == self.sample.refused  # the sandbox's other end
        assert answer.status_code < 500 or nobody_there, (what, answer.text[:500])
        if answer.status_code < 400:
            if self.endpoint.mutates:
                self.before = self.rows()  # it was not so bad
            return
        self.refused += 1
        if self.endpoint.full_name in REFUSES_IN_PLAIN_TEXT and answer.status_code == 400:
            assert answer.mimetype == "text/plain", what
        elif self.face is Face.API or answer.is_json:
            assert_problem(answer, answer.status_code)
        else:
            assert answer.mimetype == "text/html", what
            assert "<h1" in answer.text, what

    def end(self) -> None:
        assert self.rows() == self.before, "what was refused, or only read, has changed something"


def wrong_values(client: Client, shop: Shop, endpoint: Endpoint, face: Face) -> None:
    """Every value in every field; where the frame reads a field for all, some values in turn."""
    attempts = Attempts(client, shop, endpoint, face)
    turn = FACES.index((endpoint, face))
    as_json = endpoint.mutates and face is Face.API
    # What was tried as JSON, or as the route that the page is a face of, needs fewer tries.
    tried = as_json or (face is Face.PAGE and endpoint.api)

    for field in attempts.fields:
        every = 4 if field in OF_THE_FRAME else 1
        for value in JSON_VALUES[turn % every :: every] if as_json else ():
            attempts.json(field, value)
        for value in FORM_VALUES[turn % 3 :: 3] if tried else FORM_VALUES[turn % every :: every]:
            attempts.form(field, value)

    attempts.end()


def wrong_paths(client: Client, shop: Shop, endpoint: Endpoint, face: Face) -> None:
    attempts = Attempts(client, shop, endpoint, face)

    for name in attempts.sample.path:
        for value in PATH_VALUES:
            attempts.path(name, value)

    assert attempts.refused > 0
    attempts.end()


@pytest.mark.parametrize("faces", readers(FACES))
def test_a_question_with_a_wrong_value(client, shop, subtests, faces) -> None:
    for endpoint, face in faces:
        with subtests.test(NAME_OF[endpoint, face]):
            wrong_values(client, shop, endpoint, face)


@pytest.mark.parametrize(("endpoint", "face"), writers(FACES))
def test_a_field_with_the_wrong_value(client, shop, endpoint, face) -> None:
    wrong_values(client, shop, endpoint, face)


NAMING = [each for each in FACES if "<" in dict(each[0].urls)[each[1]]]


@pytest.mark.parametrize("faces", readers(NAMING))
def test_a_path_to_nothing(client, shop, subtests, faces) -> None:
    for endpoint, face in faces:
        with subtests.test(NAME_OF[endpoint, face]):
            wrong_paths(client, shop, endpoint, face)


@pytest.mark.parametrize(("endpoint", "face"), writers(NAMING))
def test_a_path_that_names_nothing(client, shop, endpoint, face) -> None:
    wrong_paths(client, shop, endpoint, face)


@pytest.mark.parametrize(("endpoint", "face"), writers(FACES))
def test_a_body_that_is_none(client, shop, endpoint, face) -> None:
    attempts = Attempts(client, shop, endpoint, face)

    for body, media in BODIES:
        attempts.body(body, media, what=(body[:20], media))

    assert attempts.refused > 0
    attempts.end()


HEADERS = {
    "Accept": ["", "*", ";;q=x", "text/html;q=nan", "é"],
    "Accept-Encoding": ["", "*;q=0", "br;q=0, gzip;q=0", ",,,", "é"],
    "Accept-Language": ["", "zz-ZZ", "en;q=x", "*", "x" * 5000, "é"],
    "Authorization": ["", "Bearer", "Bearer " + "é" * 10, "Bearer " + "a." * 2000, "Digest a=b"],
    "Content-Encoding": ["gzip", "br", "é"],
    "Content-Type": [
        "",
        "é",
        "multipart/form-data; boundary=" + "x" * 5000,
        ";",
        "a/b; charset=zz",
    ],
    "Cookie": ["=", ";;;", "mq_session=é; mq_theme=<b>; mq_locale=xx", "a" * 5000],
    "HX-Request": ["true", "é"],
    "HX-Target": ["x", "é"],
    "Host": ["", "é", "a b", "a:b:c", "[", "evil.example:99999"],
    "Idempotency-Key": ["\x01", "é" * 300],
    "If-None-Match": ["*", '"', 'W/"a', "é"],
    "If-Modified-Since": ["yesterday", "é"],
    "Range": ["bytes=0-1", "bytes=9-1", "é"],
    "Referer": ["http://[", "é"],
    "X-Api-Key": ["", "é", "x" * 5000],
    "X-CSRFToken": ["é", "x" * 5000],
    "X-Forwarded-For": ["é", "1.1.1.1, " * 500],
    "X-Onboard-Secret": ["é"],
    "X-Request-Id": ["é", "x" * 5000],
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_makes_no_sense(client, shop, owner, name) -> None:
    order = {"userId": shop.customer, "orderAmount": 5}
    before = digest(but=ABOUT_REQUESTS)

    for value in HEADERS[name]:
        sent = owner | {name: value}
        for path in (
            "/api/customers",
            "/console/customers",
            "/console/nope",
            "/static/favicon.svg",
        ):
            assert client.get(path, headers=sent).status_code < 500, (value, path)
        for path in ("/api/payment/quote", "/console/sign-in", "/api/merchant/exists"):
            answer = client.post(path, json=order, headers=sent)
            assert answer.status_code < 500, (value, path)

    assert digest(but=ABOUT_REQUESTS) == before


SPELLED_OUT = {"includeState"}  # the wire contract allows 1, true, yes and on


def test_every_field_that_takes_true_or_false_refuses_the_words(client, shop) -> None:
    """`"false"` is a text, and texts are true to a careless reader."""
    flags = [
        (endpoint, to_camel(name))
        for endpoint in ENDPOINTS
        if endpoint.api and endpoint.mutates
        for name, field in endpoint.input.model_fields.items()
        if "bool" in str(field.annotation) and to_camel(name) not in SPELLED_OUT
    ]
    assert flags

    for endpoint, field in flags:
        for value in ('"false"', '"true"', "0", "1", '"on"', "[]"):
            attempts = Attempts(client, shop, endpoint, Face.API)
            attempts.json(field, value)
            assert attempts.refused == 1, (endpoint.full_name, field, value)
            attempts.end()


def test_numbers_for_pages_of_lists_are_lenient(client, shop, owner) -> None:
    """As the wire contract says: what is no positive number is the default."""
    for limit in chain(FORM_VALUES, ["1e3", "99999999999999999999", "1.5", "٣"]):
        answer = client.get(f"/api/payments?limit={limit}", headers=owner)
        assert answer.status_code == 200
