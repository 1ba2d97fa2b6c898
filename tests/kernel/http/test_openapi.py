"""The description of the small service."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from kernel.http.openapi import document, problems_of, text_of
from kernel.http.operation import Operation
from tests.kernel.http.things import Things


def described(operations: list[Operation] | None = None) -> dict[str, Any]:
    wanted = Things(None).operations() if operations is None else operations
    return document(wanted, title="Things", version="1", description="All of them.")


def test_it_is_valid_and_always_the_same_text() -> None:
    assert list(OpenAPIV31SpecValidator(described()).iter_errors()) == []
    assert text_of(described()) == text_of(described())
    assert json.loads(text_of(described())) == described()


def test_names_are_readable_and_queries_are_no_schemas() -> None:
    assert set(described()["components"]["schemas"]) == {
        "NewThing", "PageOfThingView", "Pagination", "Part", "Problem", "Seen", "ThingView",
    }  # fmt: skip


def test_an_operation_is_described_from_its_handler() -> None:
    listing = described()["paths"]["/api/v1/things"]["get"]
    assert (listing["operationId"], listing["summary"]) == ("listThings", "List the things")
    assert listing["description"] == "A page at a time, by name or by weight."
    assert listing["x-roles"] == ["admin", "host", "member", "guest"]
    by_name = {parameter["name"]: parameter for parameter in listing["parameters"]}
    assert by_name["sortBy"]["schema"] == {"enum": ["name", "weight"], "default": "name"}
    assert by_name["pageSize"]["schema"]["maximum"] == 100
    assert by_name["search"]["schema"]["type"] == "string"
    assert not any(parameter["required"] for parameter in by_name.values())
    assert listing["responses"]["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/PageOfThingView"
    }


def test_bodies_are_closed_and_bounded_and_times_are_times() -> None:
    schemas = described()["components"]["schemas"]
    assert schemas["NewThing"]["additionalProperties"] is False
    assert schemas["NewThing"]["properties"]["parts"]["maxItems"] == 3
    assert schemas["NewThing"]["required"] == ["name"]
    assert schemas["ThingView"]["properties"]["createdAt"] == {"type": "string", "format": "date-time"}


def test_a_post_that_may_be_repeated_says_so() -> None:
    making = described()["paths"]["/api/v1/things"]["post"]
    assert [parameter["name"] for parameter in making["parameters"]] == ["Idempotency-Key"]
    assert "Idempotency-Replayed" in making["responses"]["201"]["headers"]
    assert {"heavy", "request_in_progress"} <= codes(making, 409)
    assert codes(making, 422) == {"idempotency_key_reused"}


def test_what_needs_no_token_or_answers_no_json() -> None:
    paths = described()["paths"]
    assert paths["/api/v1/seen"]["get"]["security"] == []
    assert "401" not in paths["/api/v1/seen"]["get"]["responses"]
    assert list(paths["/api/v1/things-as-text"]["get"]["responses"]["200"]["content"]) == ["text/csv"]
    assert "content" not in paths["/api/v1/things/{thingId}"]["delete"]["responses"]["204"]


def test_each_operation_names_the_problems_that_it_can_have() -> None:
    by_name = {operation.name: problems_of(operation) for operation in Things(None).operations()}
    assert "not_found" in by_name["getThing"]
    assert "not_found" not in by_name["listThings"]
    assert "forbidden" in by_name["createThing"]
    assert "forbidden" not in by_name["listThings"]
    assert by_name["createThing"]["heavy"] == 409
    assert "invalid_body" not in by_name["deleteThing"]


def test_two_operations_of_one_name_or_route_are_refused() -> None:
    operations = Things(None).operations()
    with pytest.raises(ValueError, match="more than one operation is listThings"):
        described([*operations, operations[0]])
    with pytest.raises(ValueError, match="more than one operation is GET /api/v1/seen"):
        described([*operations[1:], replace(operations[0], path="/api/v1/seen")])


def codes(operation: dict[str, Any], status: int) -> set[str]:
    response = operation["responses"][str(status)]
    if "$ref" in response:
        response = described()["components"]["responses"][response["$ref"].rpartition("/")[2]]
    found: list[str] = response["content"]["application/problem+json"]["schema"]["properties"]["code"]["enum"]
    return set(found)
