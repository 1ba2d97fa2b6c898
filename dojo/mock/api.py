"""The mock's HTTP: every operation of the real API, asked and answered in its own types, with nothing behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from aiohttp import web

from dojo.mock import world
from dojo.mock.examples import Known, example, named_id
from dojo.mock.scenario import HttpPlan, Scenario, ScenarioError
from dojo.mock.world import DOJO, ROOM, Person, Tokens
from kernel.http.answering import answering
from kernel.http.body import decode, json_bytes, read_body
from kernel.http.operation import Operation
from kernel.http.problem import Problem, not_found, unauthenticated

_THERE: Final[Mapping[str, UUID]] = {"dojoId": DOJO, "roomId": ROOM}
"""Of a path's ids, those that only one thing has."""


class MockApi:
    """The operations, as an aiohttp application."""

    def __init__(
        self, operations: Sequence[Operation], scenario: Scenario, tokens: Tokens, live_url: Callable[[], str]
    ) -> None:
        """Raises `ScenarioError` for a failure of an operation that is not there."""
        self._operations = operations
        self._scenario = scenario
        self._tokens = tokens
        self._live_url = live_url
        self._plan = HttpPlan(scenario.http)
        names = {operation.name for operation in operations} | {"*"}
        if unknown := [failure.operation for failure in scenario.http if failure.operation not in names]:
            raise ScenarioError(f"there is no operation {unknown[0]!r}: see the operationIds in docs/openapi.json")

    def app(self) -> web.Application:
        """All routes, and `/health/ready`."""
        app = web.Application(middlewares=[answering])
        app.router.add_get("/health/ready", _ready)
        for operation in self._operations:
            app.router.add_route(operation.method, operation.path, self._bound(operation))
        return app

    def _bound(self, operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            failure = self._plan.next(operation.name)
            delay = self._scenario.http_delay_ms + (failure.delay_ms if failure is not None else 0)
            await asyncio.sleep(delay / 1000)
            if failure is not None and failure.status is not None:
                raise Problem(failure.status, failure.code, "as the scenario says")
            response = await self._answer(operation, request)
            if failure is not None and failure.lose_reply and request.transport is not None:
                request.transport.abort()
            return response

        return handle

    async def _answer(self, operation: Operation, request: web.Request) -> web.StreamResponse:
        caller = self._caller(operation, request)
        ids = _ids(operation, request)
        query = _query(operation, request)
        body: Any = None
        if operation.body is not None:
            body = decode(await read_body(request, operation.body_bytes), operation.body)
        said = {} if body is None else msgspec.to_builtins(body)
        person = self._person(operation, said, caller)
        nearer = [ids, self._granted(operation, person), said, query, _shown(person)]
        facts = world.fixed(
            self._scenario.partner, self._scenario.language, self._scenario.initial_code, self._live_url()
        )
        return _respond(operation, world.known_to(facts, *nearer))

    def _caller(self, operation: Operation, request: web.Request) -> Person | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if operation.access is None:
            return self._tokens.owner(token.strip())  # a guest's, where it matters
        if scheme.lower() != "bearer" or not token.strip():
            raise unauthenticated("no_token", "send Authorization: Bearer and an access token")
        person = self._tokens.request(token.strip())
        if person is None or person.guest:
            raise unauthenticated("invalid_token", "this is no access token")
        return person

    def _person(self, operation: Operation, said: Mapping[str, Any], caller: Person | None) -> Person:
        """Whom the answer is about: who asks, or who signs in."""
        if said.get("password") == world.WRONG_PASSWORD:
            raise Problem(401, "invalid_credentials", "e-mail or password is wrong")
        if "joinCode" in said and not world.lets_in(str(said["joinCode"])):
            raise Problem(404, "invalid_join_code", "this code lets nobody in")
        if operation.access is None and "joinCode" in said:
            return Person(named_id(f"guest {said['name']}"), str(said["name"]), guest=True)
        if operation.access is None and "refreshToken" in said:
            person = self._tokens.take(said["refreshToken"] or "")
            if person is None:
                raise unauthenticated("invalid_refresh_token", "sign in again")
            return person
        return caller or Person.of(str(said.get("email", "ada@example.com")))

    def _granted(self, operation: Operation, person: Person) -> dict[str, Any]:
        """Tokens, where the answer has a place for them."""
        fields = getattr(operation.result, "__struct_encode_fields__", ())
        granted = {
            field: self._tokens.issue(person, kind)
            for field, kind in (("accessToken", "access"), ("refreshToken", "refresh"), ("ticket", "ticket"))
            if field in fields
        }
        if person.guest and "token" in fields:
            granted["token"] = self._tokens.issue(person, "guest")
        return granted


async def _ready(_request: web.Request) -> web.Response:
    return json_bytes(b'{"status":"ok"}', 200, {})


def _shown(person: Person) -> dict[str, Any]:
    return {"userId": person.user, "fullName": person.name, "userName": person.name}


def _ids(operation: Operation, request: web.Request) -> dict[str, Any]:
    ids: dict[str, Any] = {}
    for name in operation.parameters:
        text = request.match_info[name]
        if not name.endswith("Id"):
            ids[name] = text
            continue
        try:
            ids[name] = UUID(text)
        except ValueError:
            raise not_found() from None
        if ids[name] != _THERE.get(name, ids[name]):
            raise not_found()
    return ids


def _query(operation: Operation, request: web.Request) -> dict[str, Any]:
    given = dict(request.rel_url.query)
    if operation.query is None:
        if given:
            raise Problem(400, "invalid_query", "this route takes no query")
        return {}
    try:
        query: Any = msgspec.convert(given, operation.query, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(400, "invalid_query", str(error)) from None
    named = ("page", "page_size", "pageSize")
    return {name: value for name, value in msgspec.to_builtins(query).items() if name in named}


def _respond(operation: Operation, known: Known) -> web.Response:
    result = operation.result
    if result is None:
        return web.Response(status=operation.status, headers={"Cache-Control": "no-store"})
    if isinstance(result, type) and issubclass(result, web.StreamResponse):
        return web.Response(status=operation.status, body=b"", content_type=operation.media_type)
    return json_bytes(msgspec.json.encode(example(result, known)), operation.status, {})
