"""The mock's HTTP speaks the API's own contract: every operation, asked as the contract says, answered as it says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import msgspec
import pytest
from openapi_schema_validator import OAS31Validator

from dojo import contract
from dojo.mock import world
from dojo.mock.examples import example
from dojo.mock.scenario import HttpFailure, Scenario
from dojo.mock.serve import Addresses, mock
from kernel.http.operation import Operation

OPERATIONS = [operation for operation in contract.operations() if operation.media_type == "application/json"]
SAID = {"joinCode": [world.JOIN_CODE], "refreshToken": ["mock-refresh-2"]}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """What `docs/openapi.json` is compared with elsewhere."""
    document: dict[str, Any] = json.loads(contract.openapi_text())
    return document


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as opened:
        yield opened


async def sign_in(session: aiohttp.ClientSession, at: Addresses, email: str = "ada@example.com") -> dict[str, Any]:
    body = {"email": email, "password": "anything"}
    async with session.post(f"{at.http}/api/v1/auth/login", json=body) as answer:
        assert answer.status == 200
        grant: dict[str, Any] = await answer.json()
        return grant


def bearer(grant: Mapping[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {grant['accessToken']}"}


def path_of(operation: Operation) -> str:
    there = {"dojoId": world.DOJO, "roomId": world.ROOM}
    path = operation.path
    for name in operation.parameters:
        value = there.get(name, world.PARTNER) if name.endswith("Id") else "some"
        path = path.replace(f"{{{name}}}", str(value))
    return path


def query_of(operation: Operation) -> dict[str, str]:
    """Only what must be given."""
    if operation.query is None:
        return {}
    required = [field for field in msgspec.structs.fields(operation.query) if field.required]
    whole = msgspec.to_builtins(example(operation.query, {}))
    return {field.encode_name: str(whole[field.encode_name]) for field in required}


def misfits(operation: Operation, described: dict[str, Any], content: bytes) -> list[str]:
    """Where the answer is none of the contract's."""
    told = described["paths"][operation.path][operation.method.lower()]["responses"][str(operation.status)]
    if "content" not in told:
        return [] if content == b"" else ["no content is described"]
    schema = {**told["content"]["application/json"]["schema"], "components": described["components"]}
    return [error.message for error in OAS31Validator(schema).iter_errors(json.loads(content))]


async def test_every_answer_is_one_of_the_contract(session: aiohttp.ClientSession, described: dict[str, Any]) -> None:
    wrong: dict[str, object] = {}
    async with mock(Scenario()) as at:
        headers = bearer(await sign_in(session, at))
        for operation in OPERATIONS:
            body = None if operation.body is None else msgspec.to_builtins(example(operation.body, SAID))
            url, query = at.http + path_of(operation), query_of(operation)
            async with session.request(operation.method, url, json=body, params=query, headers=headers) as answer:
                content = await answer.read()
            if answer.status != operation.status:
                wrong[operation.name] = (answer.status, content)
            elif errors := misfits(operation, described, content):
                wrong[operation.name] = errors
    assert wrong == {}
    assert len(OPERATIONS) > 60


async def test_answers_are_the_same_each_time(session: aiohttp.ClientSession) -> None:
    seen = []
    for _ in range(2):
        async with mock(Scenario()) as at:
            grant = await sign_in(session, at)
            async with session.get(f"{at.http}/api/v1/dojos", headers=bearer(grant)) as answer:
                seen.append((grant, await answer.json()))
    assert seen[0] == seen[1]
    dojo = seen[0][1]["items"][0]
    assert (dojo["dojoId"], dojo["status"]) == (str(world.DOJO), "ACTIVE")


async def test_what_a_request_says_comes_back(session: aiohttp.ClientSession) -> None:
    async with mock(Scenario()) as at:
        headers = bearer(await sign_in(session, at, "grace.hopper@example.com"))
        body = {"name": "Roman numerals", "description": "", "language": "ruby", "isPrivate": True}
        async with session.post(f"{at.http}/api/v1/dojos", json=body, headers=headers) as answer:
            made = await answer.json()
        assert (answer.status, made["joinCode"]) == (201, world.JOIN_CODE)
        assert {name: made[name] for name in body} == body
        async with session.get(f"{at.http}/api/v1/users/me", headers=headers) as answer:
            assert (await answer.json())["fullName"] == "Grace Hopper"


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        (("POST", "/api/v1/dojos/join", {"joinCode": "AAAAA-AAAAA"}), 404, "invalid_join_code"),
        (("POST", "/api/v1/dojos/join", {"joinCode": 7}), 400, "invalid_body"),
        (("GET", f"/api/v1/dojos/{world.PARTNER}", None), 404, "not_found"),
        (("GET", "/api/v1/dojos/none", None), 404, "not_found"),
        (("GET", "/api/v1/dojos?status=NEVER", None), 400, "invalid_query"),
        (("POST", "/api/v1/auth/login", {"email": "a@example.com", "password": "wrong"}), 401, "invalid_credentials"),
        (("POST", "/api/v1/auth/refresh", {"refreshToken": "unknown"}), 401, "invalid_refresh_token"),
    ],
)
async def test_what_the_api_refuses_the_mock_refuses(
    session: aiohttp.ClientSession, asked: tuple[str, str, object], status: int, code: str
) -> None:
    method, path, body = asked
    async with mock(Scenario()) as at:
        headers = bearer(await sign_in(session, at))
        async with session.request(method, at.http + path, json=body, headers=headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (status, code)


async def test_without_a_token_nobody_is_answered(session: aiohttp.ClientSession) -> None:
    async with mock(Scenario()) as at:
        for headers, code in (({}, "no_token"), ({"Authorization": "Bearer forged"}, "invalid_token")):
            async with session.get(f"{at.http}/api/v1/dojos", headers=headers) as answer:
                assert (answer.status, (await answer.json())["code"]) == (401, code)


async def test_an_access_token_is_good_for_so_many_requests(session: aiohttp.ClientSession) -> None:
    async with mock(Scenario(access_requests=2)) as at:
        grant = await sign_in(session, at)

        async def status(of: Mapping[str, Any]) -> int:
            async with session.get(f"{at.http}/api/v1/users/me", headers=bearer(of)) as answer:
                return answer.status

        assert [await status(grant) for _ in range(3)] == [200, 200, 401]
        body = {"refreshToken": grant["refreshToken"]}
        async with session.post(f"{at.http}/api/v1/auth/refresh", json=body) as answer:
            assert answer.status == 200
            assert await status(await answer.json()) == 200
        async with session.post(f"{at.http}/api/v1/auth/refresh", json=body) as answer:
            assert answer.status == 401, "a refresh token is good for one refresh"


async def test_chosen_requests_fail_as_chosen(session: aiohttp.ClientSession) -> None:
    failures = (
        HttpFailure(operation="listDojos", requests=(2,), status=503, code="database_busy"),
        HttpFailure(operation="createSocketTicket", requests=(1,), lose_reply=True),
    )
    async with mock(Scenario(http=failures)) as at:
        headers = bearer(await sign_in(session, at))
        statuses = []
        for _ in range(3):
            async with session.get(f"{at.http}/api/v1/dojos", headers=headers) as answer:
                statuses.append(answer.status)
        assert statuses == [200, 503, 200]
        with pytest.raises(aiohttp.ClientError):
            await session.post(f"{at.http}/api/v1/auth/tickets", headers=headers)
        async with session.post(f"{at.http}/api/v1/auth/tickets", headers=headers) as answer:
            assert answer.status == 201
