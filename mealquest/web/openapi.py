"""OpenAPI 3.1 out of the same declarations that serve the requests."""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from mealquest import __version__
from mealquest.core.principal import Role
from mealquest.core.wire import Input, number
from mealquest.web.frame import Endpoint, Scope

REF = "#/components/schemas/{model}"
PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "error", "code", "requestId"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "error": {"type": "string", "description": "The contract's words."},
        "code": {"type": "string", "description": "Stable, UPPER_SNAKE."},
        "requestId": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Required, here or as `idempotencyKey` in the body.",
    "schema": {"type": "string", "maxLength": 255},
}


class Schemas(GenerateJsonSchema):
    """Writes the default of an amount as the number it is on the wire."""

    def encode_default(self, dft: Any) -> Any:
        return number(dft) if isinstance(dft, Decimal) else super().encode_default(dft)


def describe(endpoints: Iterable[Endpoint], base_url: str) -> dict[str, Any]:
    """The document of every declared JSON route."""
    routes = [endpoint for endpoint in endpoints if endpoint.api]
    models, definitions = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in routes:
        operation = _operation(endpoint, models)
        paths.setdefault(_path(endpoint.api or ""), {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MealQuest",
            "version": __version__,
            "description": "Amounts are numbers in major units; times are ISO-8601 UTC.",
        },
        "servers": [{"url": base_url}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**definitions, "Problem": PROBLEM},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "operator": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
                "partner": {"type": "apiKey", "in": "header", "name": "X-Partner-Key"},
            },
        },
    }


def _schemas(routes: list[Endpoint]) -> tuple[dict[Any, Any], dict[str, Any]]:
    inputs = {endpoint.input for endpoint in routes if endpoint.input.model_fields}
    outputs = {endpoint.answer for endpoint in routes if endpoint.answer}
    wanted: list[tuple[type[BaseModel], Any]] = [
        *((model, "validation") for model in sorted(inputs, key=lambda m: m.__name__)),
        *((model, "serialization") for model in sorted(outputs, key=lambda m: m.__name__)),
    ]
    refs, document = models_json_schema(
        wanted, by_alias=True, ref_template=REF, schema_generator=Schemas
    )
    return refs, document.get("$defs", {})


def _operation(endpoint: Endpoint, models: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.full_name.replace(".", "_"),
        "summary": endpoint.summary,
        "tags": [endpoint.feature],
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint, models),
        "security": _security(endpoint),
        "x-roles": sorted(endpoint.roles) if endpoint.roles is not None else [],
        "x-scope": endpoint.scope.value,
    }
    if endpoint.gate:
        operation["x-gate"] = endpoint.gate.value
    if endpoint.mutates and endpoint.input.model_fields:
        schema = models[(endpoint.input, "validation")]
        content = {"application/json": {"schema": schema}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _security(endpoint: Endpoint) -> list[dict[str, list[str]]]:
    """Any one of these; none at all for a route that is open to everybody."""
    roles = endpoint.roles or frozenset()
    keys = {Role.OPERATOR: "operator", Role.PARTNER: "partner"}
    bearer: list[dict[str, list[str]]] = [{"bearer": []}] if roles - keys.keys() else []
    return bearer + [{name: []} for role, name in keys.items() if role in roles]


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    text = {"type": "string"}
    in_path = re.findall(r"<(?:\w+:)?(\w+)>", endpoint.api or "")
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": text} for name in in_path
    ]
    if endpoint.idempotent:
        said = "Optional" if endpoint.key_optional else IDEMPOTENCY_KEY["description"]
        parameters.append(IDEMPOTENCY_KEY | {"description": said})
    if endpoint.signed:
        name = endpoint.signed.header
        parameters.append({"name": name, "in": "header", "required": True, "schema": text})
    if endpoint.mutates:
        return parameters
    query = _query(endpoint.input, {to_camel(name) for name in in_path})
    named_in_query = endpoint.scope in {Scope.QUERY, Scope.NAMED}
    if named_in_query and all(named["name"] != "merchantId" for named in query):
        parameters.append({"name": "merchantId", "in": "query", "schema": text})
    return parameters + query


def _query(model: type[Input], in_path: set[str]) -> list[dict[str, Any]]:
    schema = model.model_json_schema(by_alias=True, ref_template=REF, schema_generator=Schemas)
    required = set(schema.get("required", ()))
    return [
        {"name": name, "in": "query", "required": name in required, "schema": described}
        for name, described in schema.get("properties", {}).items()
        if name not in in_path
    ]


def _responses(endpoint: Endpoint, models: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"description": "Success"}
    if endpoint.answer:
        schema = models[(endpoint.answer, "serialization")]
        found["content"] = {"application/json": {"schema": schema}}
    else:
        found["content"] = {endpoint.media: {}}
    problem = {
        "description": "Refused, with the reason",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
    statuses = (endpoint.status, *endpoint.also)
    return {**{str(status): found for status in statuses}, "default": problem}


def _path(rule: str) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)
