"""The API's description is valid, whole, and true of what the routes answer."""

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from pydantic.alias_generators import to_camel

from mealquest.web.frame import Face
from tests.web.samples import ENDPOINTS, NAME_OF, readers, sample_of, send, writers

ROUTES = [endpoint for endpoint in ENDPOINTS if endpoint.api]
APP = [(endpoint, Face.API) for endpoint in ROUTES]


@pytest.fixture
def document(client) -> dict[str, Any]:
    return client.get("/api/openapi.json").get_json()


def operation_of(document: dict[str, Any], endpoint) -> dict[str, Any]:
    path = re.sub(r"<(\w+)>", r"{\1}", endpoint.api)
    return document["paths"][path][endpoint.method.lower()]


def assert_matches(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    whole = schema | {"components": document["components"]}
    wrong = [error.message for error in Draft202012Validator(whole).iter_errors(value)]
    assert wrong == []


def test_it_is_valid_openapi_3_1(document) -> None:
    assert document["openapi"].startswith("3.1.")
    validate(document)


def test_it_describes_every_route_and_no_other(document) -> None:
    described = {
        (method.upper(), re.sub(r"\{(\w+)\}", r"<\1>", path))
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert described == {(endpoint.method, endpoint.api) for endpoint in ROUTES}


def test_operations_have_names_of_their_own(document) -> None:
    names = [op["operationId"] for item in document["paths"].values() for op in item.values()]

    assert len(names) == len(set(names))


def test_a_route_says_what_it_takes_and_answers(document, subtests) -> None:
    for endpoint in ROUTES:
        with subtests.test(endpoint.full_name):
            check_what_is_said(document, endpoint)


def check_what_is_said(document, endpoint) -> None:
    operation = operation_of(document, endpoint)

    parameters = [(given["in"], given["name"]) for given in operation["parameters"]]
    assert len(parameters) == len(set(parameters))
    in_path = re.findall(r"<(\w+)>", endpoint.api)
    assert [name for place, name in parameters if place == "path"] == in_path
    in_query = {name for place, name in parameters if place == "query"}
    assert not in_query & {to_camel(name) for name in in_path}
    assert operation["summary"]
    assert "application/problem+json" in operation["responses"]["default"]["content"]
    for status in (endpoint.status, *endpoint.also):
        (media,) = operation["responses"][str(status)]["content"].items()
        if endpoint.answer:
            assert media[0] == "application/json"
            assert media[1]["schema"]
    if endpoint.mutates and endpoint.input.model_fields:
        assert operation["requestBody"]["content"]["application/json"]["schema"]
    open_to_all = endpoint.roles is None
    assert (operation["security"] == []) is open_to_all


@pytest.mark.parametrize("faces", readers(APP))
def test_what_it_says_of_what_is_read_is_true(document, client, shop, subtests, faces) -> None:
    for endpoint, face in faces:
        with subtests.test(NAME_OF[endpoint, face]):
            check_truth(document, client, shop, endpoint)


@pytest.mark.parametrize(("endpoint", "face"), writers(APP))
def test_what_it_says_of_what_changes_is_true(document, client, shop, endpoint, face) -> None:
    check_truth(document, client, shop, endpoint)


def check_truth(document, client, shop, endpoint) -> None:
    operation, sample = operation_of(document, endpoint), sample_of(endpoint, shop)
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert_matches(document, schema, sample.fields | _path_fields(endpoint, sample))

    answer = send(client, endpoint, Face.API, sample, shop)

    if answer.status_code >= 400:
        assert answer.status_code == sample.refused
        described = operation["responses"]["default"]
    else:
        described = operation["responses"][str(answer.status_code)]
    media = described["content"][answer.mimetype]
    if answer.is_json and "schema" in media:
        assert_matches(document, media["schema"], answer.get_json())


def _path_fields(endpoint, sample) -> dict[str, str]:
    """A model may also hold what the path names; the body then leaves it out."""
    fields = endpoint.input.model_fields
    return {fields[name].alias: value for name, value in sample.path.items() if name in fields}


def test_a_refusal_is_as_described(document, client, shop, owner) -> None:
    problem = document["components"]["schemas"]["Problem"]
    refusals = [
        client.get("/api/customers"),
        client.get("/api/nope", headers=owner),
        client.post("/api/payment/quote", json={}, headers=owner),
        client.post("/api/payment/quote", data="{", headers=owner),
    ]
    for answer in refusals:
        assert_matches(document, problem, answer.get_json())


def test_people_may_read_it_too(client, document) -> None:
    page = client.get("/api/docs")
    in_chinese = client.get("/api/docs", headers={"Accept-Language": "zh-CN"})

    assert page.status_code == in_chinese.status_code == 200
    for path in document["paths"]:
        assert f'<code class="mq-api-path">{path}</code>' in page.text
        assert f'<code class="mq-api-path">{path}</code>' in in_chinese.text
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in page.text
    assert 'lang="en"' in page.text
    assert 'lang="zh-Hans"' in in_chinese.text


def test_links_inside_the_page_lead_somewhere(client) -> None:
    page = client.get("/api/docs").text

    targets = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= targets
