"""A stranger tries every declared endpoint with our ids: nothing of ours is shown or changed."""

from collections.abc import Iterator

import pytest
from werkzeug.test import TestResponse

from mealquest.core.principal import Role
from mealquest.web.frame import Endpoint, Face
from tests.factories.http import Client, bearer, customer_token, signed_in
from tests.factories.rows import digest
from tests.web.samples import (
    FACES,
    NAME_OF,
    Declared,
    Sample,
    cases,
    readers,
    sample_of,
    send,
    writers,
)
from tests.web.shops import SAME, Shop

# The same for everybody: about merchants as such, about the product, of development only, and
# what a link opens for whoever was given it.
PUBLIC = {
    "tenancy.catalog",
    "tenancy.exists",
    "ops.docs",
    "ops.metrics",
    "ops.openapi_document",
    "ops.outbox",
    "payer.clicked",
    "payer.go_on",
    "payer.leave",
    "payer.leaving",
    "payer.opened",
    "payer.pay",
    "receipts.shared",
    "sandbox.asked",
    "sandbox.decide",
}
# What is sent to prove who one is makes a stranger no stranger: the code of our own phone, or one
# of a provider of sign-ins.
PROOF = {"identity.request_code", "identity.sign_in", "social.alipay", "social.wechat"}
# Asks for a header of its own before it looks at the caller.
ASKS_FIRST = {"merchants.change"}
# Shows an empty answer where others refuse: what is half typed is no mistake yet.
LENIENT = {"wallet.top_up_preview"}
TRIED = [each for each in FACES if each[0].full_name not in PUBLIC | PROOF and not each[0].signed]
OPEN_TO_CUSTOMERS = [each for each in TRIED if not each[0].roles or Role.CUSTOMER in each[0].roles]


def attempts(sample: Sample, shop: Shop) -> Iterator[Sample]:
    """Our ids as they would be sent, alone, with our merchant named, and by other names."""
    ids = {
        "merchantId": shop.merchant_id,
        "merchant_id": shop.merchant_id,
        "userId": shop.customer,
        "user_id": shop.customer,
        "paymentId": shop.payment,
        "payment_id": shop.payment,
        "voucherId": shop.voucher,
    }
    yield sample
    yield Sample({}, sample.path, sample.key)
    yield Sample(sample.fields | {"merchantId": shop.merchant_id}, sample.path, sample.key)
    yield Sample(ids | sample.fields, sample.path, sample.key)


def assert_nothing_of(shop: Shop, answer: TestResponse) -> None:
    assert answer.status_code < 500, answer.text
    shown = answer.data.decode(errors="replace") + str(answer.headers)  # some are files
    for secret in shop.secrets:
        assert secret not in shown
    if answer.is_json and answer.status_code < 300:
        assert f'"merchantId":"{shop.merchant_id}"' not in answer.text.replace(" ", "")


@pytest.mark.parametrize("faces", readers(TRIED))
def test_another_shops_people_read_nothing_of_ours(
    client: Client, shop: Shop, stranger: Shop, subtests, faces: list[Declared]
) -> None:
    for endpoint, face in faces:
        with subtests.test(NAME_OF[endpoint, face]):
            get_nowhere(client, shop, stranger, endpoint, face)


@pytest.mark.parametrize(("endpoint", "face"), writers(TRIED))
def test_another_shops_people_change_nothing_of_ours(
    client: Client, shop: Shop, stranger: Shop, endpoint: Endpoint, face: Face
) -> None:
    get_nowhere(client, shop, stranger, endpoint, face)


def get_nowhere(client: Client, shop: Shop, stranger: Shop, endpoint: Endpoint, face: Face) -> None:
    sample = sample_of(endpoint, shop)
    before = digest(shop.merchant_id)
    assert before["wallets"].startswith("2 rows")

    # Ids of staff, numbers of attempts and names of operations are the same in every shop.
    theirs = sample.path.keys() - {"staff_id", "retry_attempt", "operation"}
    for role in (Role.OWNER, Role.CUSTOMER):
        may_call = not endpoint.roles or role in endpoint.roles
        headers = bearer(stranger.tokens[role])
        for attempt in attempts(sample, shop) if may_call else [sample]:
            answer = send(client, endpoint, face, attempt, shop, headers=headers)
            assert_nothing_of(shop, answer)
            if theirs and endpoint.full_name not in LENIENT:
                unasked = {401} if endpoint.full_name in ASKS_FIRST else set()
                assert answer.status_code in {400, 403, 404} | unasked, (role, answer.text)

    assert digest(shop.merchant_id) == before


@pytest.mark.parametrize(("endpoint", "face"), cases(OPEN_TO_CUSTOMERS))
def test_a_customer_sees_nothing_of_the_next_one(
    client: Client, shop: Shop, endpoint: Endpoint, face: Face
) -> None:
    """The twin has a token of the same shop, and tries with the ids of its best customer."""
    twin = bearer(customer_token(shop.merchant_id, SAME))
    guests = [text for text in shop.secrets if "Twin" not in text]

    for attempt in attempts(sample_of(endpoint, shop), shop):
        answer = send(client, endpoint, face, attempt, shop, headers=twin)

        assert answer.status_code < 500
        assert not [secret for secret in guests if secret in answer.text]


def test_the_console_of_another_shop_shows_nothing_of_ours(app, shop, stranger) -> None:
    """By the cookie, as a person would: pages that exist, with our ids in their addresses."""
    browser = signed_in(app, stranger.phones[Role.OWNER], stranger.merchant_id)
    tries = [
        (endpoint, face, attempt)
        for endpoint, face in FACES
        if face is Face.PAGE and not endpoint.mutates and endpoint.full_name not in PUBLIC
        for attempt in attempts(sample_of(endpoint, shop), shop)
    ]
    before = digest(shop.merchant_id)

    for endpoint, face, attempt in tries:
        assert_nothing_of(shop, send(browser, endpoint, face, attempt, shop, headers={}))

    assert digest(shop.merchant_id) == before


def test_what_is_searched_for_is_found_when_it_is_ones_own(client, shop) -> None:
    """Or the texts that no answer may hold are in none, and nothing is proved."""
    seen = ""
    for endpoint, face in FACES:
        if not endpoint.mutates:
            for attempt in attempts(sample_of(endpoint, shop), shop):
                answer = send(client, endpoint, face, attempt, shop)
                seen += answer.data.decode(errors="replace")  # some are files

    assert [secret for secret in shop.secrets if secret not in seen] == []
    assert f'"merchantId":"{shop.merchant_id}"' in seen.replace(" ", "")
