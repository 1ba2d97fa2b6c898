"""The committed contract is that of the code, and a valid OpenAPI document."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from openapi_spec_validator import OpenAPIV31SpecValidator

from dojo import contract
from dojo.cli import main
from kernel.http.answering import answering
from kernel.http.openapi import text_of

DOCS = Path(__file__).parents[2] / "docs"
AGAIN = "the API has changed: run `make openapi`, read what changed, and commit it"


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return contract.describe(contract.operations())


def test_listing_the_operations_leaves_nothing_running() -> None:
    before = set(threading.enumerate())
    assert contract.operations()
    assert set(threading.enumerate()) == before


def test_the_committed_description_is_that_of_the_code() -> None:
    assert (DOCS / "openapi.json").read_text() == contract.openapi_text(), AGAIN


def test_the_committed_table_of_roles_is_that_of_the_code() -> None:
    assert (DOCS / "roles.md").read_text() == contract.roles_text(), AGAIN


def test_the_description_is_valid_openapi(described: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(described).iter_errors()) == []


def test_every_operation_says_what_it_is_for_and_what_can_go_wrong(described: dict[str, Any]) -> None:
    for path in described["paths"].values():
        for operation in path.values():
            assert operation["summary"], operation["operationId"]
            assert {"429", "500", "503"} <= operation["responses"].keys()
            assert ("401" in operation["responses"]) or operation["security"] == []


def test_every_operation_for_some_roles_only_can_answer_403(described: dict[str, Any]) -> None:
    roles = [
        (operation.get("x-roles"), operation["responses"].keys())
        for path in described["paths"].values()
        for operation in path.values()
    ]
    assert all("403" in responses for names, responses in roles if names is not None and len(names) < 4)
    assert any(names == ["admin"] for names, _ in roles)


def test_every_reference_leads_somewhere_and_every_schema_is_used(described: dict[str, Any]) -> None:
    used = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                used.add(value["$ref"])
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(described)
    there = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "responses", "headers")
        for name in described["components"][kind]
    }
    assert used == there


def test_the_commands_print_what_is_committed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi"]) == 0
    assert json.loads(capsys.readouterr().out)["openapi"] == "3.1.0"
    assert main(["openapi", "--roles"]) == 0
    assert capsys.readouterr().out == contract.roles_text()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[TestClient[Any, Any]]:
    app = web.Application(middlewares=[answering])
    contract.Reference(contract.operations(), "ws://127.0.0.1:8081", tmp_path).add_to(app.router)
    client: TestClient[Any, Any] = TestClient(TestServer(app))
    await client.start_server()
    yield client
    await client.close()


async def test_the_description_is_served_once_and_then_compared(
    client: TestClient[Any, Any], described: dict[str, Any]
) -> None:
    answer = await client.get(contract.PATH)
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert await answer.text() == text_of(described)
    again = await client.get(contract.PATH, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304


async def test_the_page_is_served_under_a_policy_that_lets_nothing_in_from_elsewhere(
    client: TestClient[Any, Any], tmp_path: Path
) -> None:
    assert (await client.get(contract.PAGE_PATH)).status == 503
    (tmp_path / "api.html").write_text("<!doctype html><title>API</title>")
    answer = await client.get(contract.PAGE_PATH)
    assert (answer.status, answer.content_type) == (200, "text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
