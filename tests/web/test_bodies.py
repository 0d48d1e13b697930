"""Bodies: what is no JSON, what is too long, what is half there."""

import io

import pytest

from tests.factories.http import assert_problem

LIMIT = 1024 * 1024
QUOTE = "/api/payment/quote"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@pytest.fixture
def order(shop) -> str:
    return f'"userId":"{shop.customer}","orderAmount":5'


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"7",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1e99999999999999999999}',
        b'{"a":1e99999999}',
        b'{"a":0.' + b"1" * 2000 + b"}",
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"\\udfff":1}',
        '{"a":1}'.encode("utf-16"),
        b"\x00",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_json_object_is_refused(client, shop, owner, body) -> None:
    answer = client.post(QUOTE, data=body, content_type=JSON, headers=owner)

    assert_problem(answer, 400, "Invalid JSON body", "INVALID_JSON")


def test_a_pair_of_escapes_is_one_character(client, shop, owner, order) -> None:
    body = "{" + order + ',"note":"\\ud83c\\udf5c \\\\ud800"}'

    assert client.post(QUOTE, data=body, content_type=JSON, headers=owner).status_code == 200


def test_an_empty_body_is_an_empty_object(client, shop, owner) -> None:
    for body in (b"", b"  \n"):
        answer = client.post(QUOTE, data=body, content_type=JSON, headers=owner)
        assert_problem(answer, 400, "userId is required")


@pytest.mark.parametrize("media", [JSON, "text/plain", "application/xml", "", "nonsense", FORM])
def test_json_is_taken_under_any_label_but_an_uploads(client, shop, owner, order, media) -> None:
    answer = client.post(QUOTE, data="{" + order + "}", content_type=media, headers=owner)

    assert answer.status_code == 200


def test_the_same_input_comes_as_a_form(client, shop, owner) -> None:
    fields = {"userId": shop.customer, "orderAmount": "5"}

    for media in (FORM, "multipart/form-data"):
        answer = client.post(QUOTE, data=fields, content_type=media, headers=owner)
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x"),
        (b"--x", "multipart/form-data"),
        (b"%ff%fe=%zz&&==&\xff", FORM),
        (b"&" * 1000, FORM),
    ],
)
def test_a_broken_form_is_an_empty_one(client, shop, owner, body, media) -> None:
    answer = client.post(QUOTE, data=body, content_type=media, headers=owner)

    assert_problem(answer, 400, "userId is required")


# --- length -------------------------------------------------------------------------------


def padded(order: str, length: int) -> bytes:
    return ("{" + order + " " * (length - len(order) - 2) + "}").encode()


def test_one_mebibyte_is_taken(client, shop, owner, order) -> None:
    answer = client.post(QUOTE, data=padded(order, LIMIT), content_type=JSON, headers=owner)

    assert answer.status_code == 200


@pytest.mark.parametrize("length", [LIMIT + 1, LIMIT + 2, 2 * LIMIT])
@pytest.mark.parametrize("media", [JSON, FORM, "text/plain"])
def test_more_is_refused(client, shop, owner, order, length, media) -> None:
    answer = client.post(QUOTE, data=padded(order, length), content_type=media, headers=owner)

    assert_problem(answer, 413, "Request body too large", "BODY_TOO_LARGE")


def test_a_long_upload_is_refused(client, shop, owner) -> None:
    for fields in (
        {"file": (io.BytesIO(b"x" * 2 * LIMIT), "name")},
        {"userId": "x" * 2 * LIMIT},
        {f"field{n}": "x" for n in range(2000)},
    ):
        answer = client.post(QUOTE, data=fields, content_type="multipart/form-data", headers=owner)
        assert_problem(answer, 413, "Request body too large")


@pytest.mark.parametrize("media", [JSON, FORM])
@pytest.mark.parametrize("length", [LIMIT + 1, 2 * LIMIT])
def test_a_long_body_in_chunks_is_refused(client, shop, owner, order, media, length) -> None:
    """Its beginning alone would be a whole order."""
    body = padded(order, LIMIT) + b" " * (length - LIMIT)
    answer = client.post(
        QUOTE,
        input_stream=io.BytesIO(body),
        content_type=media,
        headers=owner,
        environ_overrides={
            "CONTENT_LENGTH": "",
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input_terminated": True,
        },
    )

    assert_problem(answer, 413, "Request body too large")


def test_a_long_form_on_a_page_is_refused(client, shop, owner) -> None:
    body = b"amount=5&method=CASH&note=" + b"x" * 2 * LIMIT
    url = f"/console/customers/{shop.customer}/top-ups"

    with_token = client.post(url, data=body, content_type=FORM, headers=owner)
    with_cookie = client.post(url, data=body, content_type=FORM)

    assert with_token.status_code == 413
    assert with_token.mimetype == "text/html"
    assert with_cookie.status_code in {303, 413}


def test_strangers_are_refused_before_their_body_is_read(client, shop) -> None:
    answer = client.post(QUOTE, data=b"x" * 2 * LIMIT, content_type=JSON)

    assert_problem(answer, 401)


@pytest.mark.parametrize("media", [JSON, FORM])
def test_half_a_body_is_no_body(client, shop, owner, order, media) -> None:
    """`amount=100` cut short is `amount=10`. Servers that end the stream do not tell."""
    body = b"{" + order.encode() + b"}"
    for ends_stream in (True, False):
        answer = client.post(
            QUOTE,
            input_stream=io.BytesIO(body),
            content_type=media,
            headers=owner,
            environ_overrides={
                "CONTENT_LENGTH": str(len(body) + 1),
                **({"wsgi.input_terminated": True} if ends_stream else {}),
            },
        )
        assert_problem(answer, 400)


@pytest.mark.parametrize("length", ["-5", "abc", "", "1e3", "9" * 30])
def test_a_length_that_is_no_number_harms_nobody(client, shop, owner, length) -> None:
    answer = client.post(
        QUOTE, headers=owner, content_type=JSON, environ_overrides={"CONTENT_LENGTH": length}
    )

    assert answer.status_code in {400, 413}
