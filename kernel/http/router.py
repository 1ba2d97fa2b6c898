"""Binds operations to aiohttp: what stands between a request and the work.

Every request of every operation passes here in the same order: token, rate limits, role, path, query, body,
transaction.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

import asyncpg
import msgspec
from aiohttp import web

from kernel.buckets import Bucket, Buckets, Draw
from kernel.database import tenant_scope
from kernel.http import idempotency
from kernel.http.answering import LOGGED, REQUEST_ID
from kernel.http.body import FAILURE_CHARACTERS, JSON, decode, decode_text, json_bytes, read_body
from kernel.http.limits import HttpLimits
from kernel.http.operation import Answer, Call, Caller, Operation, Origin, PublicCall
from kernel.http.problem import Problem, busy, not_found, too_many, unauthenticated
from kernel.network import client_address, prefix_of
from kernel.secrets import MasterKeys

ACQUIRE_SECONDS: Final = 2.0
"""How long a request waits for a database connection before it is told to come back."""
ATTEMPTS: Final = 3
"""Runs of a transaction that the database undid because of another one."""
USER_AGENT_CHARACTERS: Final = 200

log = logging.getLogger(__name__)

OPERATION: web.RequestKey[Operation] = web.RequestKey("operation", Operation)
"""The operation that a request asks for."""

_DATABASE_AWAY = (
    OSError,  # a TimeoutError too
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.InvalidAuthorizationSpecificationError,  # a password that was changed: wrong here, and only for now
)
_DATABASE_BUSY = (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError, asyncpg.TooManyConnectionsError)
_NOT_TEXT = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)
_UNDONE = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)


AUTHENTICATION_PROBLEMS: Final[Mapping[str, int]] = {
    "no_token": 401,
    "invalid_token": 401,
    "token_unverifiable": 503,
}
"""The codes that any operation for somebody signed in may answer with before it has begun."""


class Authenticator(Protocol):
    """Tells who holds a token."""

    async def authenticate(self, token: str) -> Caller:
        """Whose access token this is. Raises `Problem`: 401 when it is not good, 503 when nobody can tell, with a code
        of `AUTHENTICATION_PROBLEMS`."""
        ...


@dataclass(frozen=True, slots=True)
class Guard:
    """What every request passes: tokens, limits, addresses."""

    authenticator: Authenticator
    buckets: Buckets
    limits: HttpLimits
    allowed_origins: frozenset[str]
    """Origins whose pages may act here, lower case."""
    trusted_proxies: int = 0


class Router:
    """Adds operations to an aiohttp application. `pool` has connections of the services' role; `master` seals the
    answers that are kept for repetitions."""

    def __init__(self, pool: Any, guard: Guard, master: MasterKeys) -> None:
        self._pool = pool
        self._guard = guard
        self._master = master
        limits = guard.limits
        self._network = Bucket(limits.network_burst, limits.network_per_second)
        self._user = Bucket(limits.user_burst, limits.user_per_second)
        self._tenant = Bucket(limits.tenant_burst, limits.tenant_per_second)

    def add(self, operations: Sequence[Operation], router: web.UrlDispatcher) -> None:
        """Bind `operations`. A parameter named `...Id` is a UUID; one that is none is not found. Where something else
        than JSON is posted, OPTIONS says what (RFC 9725)."""
        for operation in operations:
            router.add_route(operation.method, operation.path, self._bound(operation))
            if operation.method == "POST" and operation.body_type != JSON:
                router.add_route("OPTIONS", operation.path, _options(operation))

    def _bound(self, operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            request[OPERATION] = operation
            return await self._answer(operation, request)

        return handle

    async def _answer(self, operation: Operation, request: web.Request) -> web.StreamResponse:
        origin = self._origin(request)
        token = _bearer(request)
        if operation.access is None:
            await self._limit(operation, origin, None)
            query, body, _ = await _read(operation, request)
            asked = PublicCall(body, query, _segments(operation, request), origin, token)
            try:
                with _database_problems():
                    return _response(operation, await operation.handler(asked))
            except _UNDONE:
                # Its transactions are its own: only the client can tell whether all of it may be done again.
                raise _conflict() from None
        caller = await self._caller(operation, origin, token)
        request[LOGGED].update(tenant_id=caller.tenant, user_id=caller.user)
        await self._limit(operation, origin, caller)
        if caller.role not in operation.access:
            raise Problem(403, "forbidden", f"this is not for the role {caller.role.value}")
        ids = _ids(operation, request)
        query, body, raw = await _read(operation, request)
        key = request.headers.get(idempotency.HEADER)
        repeat = None
        if key is not None and operation.idempotent:
            route = f"{operation.method} {request.path}"
            repeat = idempotency.IdempotentRequest(self._master, key, caller, route, raw)
        call = Call(body, query, ids, caller, origin, None, _if_match(operation, request))
        if operation.apart:
            try:
                with _database_problems():
                    return _response(operation, await operation.handler(call))
            except _UNDONE:
                raise _conflict() from None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with _database_problems():
                    return await self._work(operation, repeat, call)
            except _UNDONE:
                if attempt == ATTEMPTS:
                    raise _conflict() from None
                await asyncio.sleep(random.uniform(0, 0.02 * attempt))  # noqa: S311 - spreads load, hides nothing
        raise AssertionError("the last attempt returns or raises")

    async def _work(
        self,
        operation: Operation,
        repeat: idempotency.IdempotentRequest | None,
        asked: Call[Any, Any],
    ) -> web.StreamResponse:
        async with tenant_scope(self._pool, asked.caller.tenant, acquire_seconds=ACQUIRE_SECONDS) as db:
            call = asked.inside(db)
            if repeat is not None:
                stored = await repeat.before(db)
                if stored is not None:
                    return _bytes(stored.body, stored.status, {"Idempotency-Replayed": "true"})
            answer = await operation.handler(call)
            response = _response(operation, answer)
            if repeat is not None:
                assert isinstance(response, web.Response)
                await repeat.after(db, response.status, bytes(response.body or b""))  # type: ignore[arg-type]
        for then in call.wanted_after:
            try:
                await then()
            except Exception:
                log.exception("what %s wanted after its commit failed", operation.name)
        return response

    async def _caller(self, operation: Operation, origin: Origin, token: str | None) -> Caller:
        try:
            if token is None:
                raise unauthenticated("no_token", "send Authorization: Bearer and an access token")
            if not token.isascii():
                raise unauthenticated("invalid_token", "this is no access token")
            return await self._guard.authenticator.authenticate(token)
        except Problem as problem:
            if problem.status == 401:  # or guessing would be free
                await self._limit(operation, origin, None)
            raise

    def _origin(self, request: web.Request) -> Origin:
        forwarded = request.headers.getall("X-Forwarded-For", [])
        web_origin = _utf8(request.headers["Origin"]) if "Origin" in request.headers else None
        return Origin(
            network=client_address(request.remote, forwarded, self._guard.trusted_proxies),
            user_agent=_utf8(request.headers.get("User-Agent", ""))[:USER_AGENT_CHARACTERS],
            request_id=request[REQUEST_ID],
            host=_utf8(request.headers.get("Host", "")),
            web_origin=web_origin,
            foreign=web_origin is not None and web_origin.lower() not in self._guard.allowed_origins,
            cookies=request.cookies,
        )

    async def _limit(self, operation: Operation, origin: Origin, caller: Caller | None) -> None:
        draws = [Draw("http.network", prefix_of(origin.network), self._network, operation.cost)]
        if caller is not None:
            draws.append(Draw("http.user", str(caller.user), self._user, operation.cost))
            draws.append(Draw("http.tenant", str(caller.tenant), self._tenant, operation.cost))
        wait = await self._guard.buckets.take(*draws)
        if wait > 0:
            raise too_many(wait)


@contextmanager
def _database_problems() -> Iterator[None]:
    """The database's troubles as problems; what is our own fault stays what it is."""
    try:
        yield
    except _NOT_TEXT:
        raise Problem(400, "invalid_text", "a text holds a character that cannot be stored") from None
    except _DATABASE_BUSY as error:
        log.warning("the database is busy: %s", type(error).__name__)
        raise busy("database_busy", "the database is busy; try again") from None
    except _DATABASE_AWAY as error:
        if isinstance(error, ValueError):  # asyncpg's word for an argument of the wrong type or out of range
            raise
        log.error("the database is away: %s", type(error).__name__)
        raise busy("database_unavailable", "the database does not answer; try again") from None


def _conflict() -> Problem:
    return busy("conflict_with_others", "others changed the same just now; try again")


def _utf8(header: str) -> str:
    """A header whose bytes may be anything, as text that can be stored and sent."""
    return header.encode(errors="replace").decode().replace("\0", "")


def _options(operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        resource = request.match_info.route.resource
        methods = sorted({route.method for route in resource}) if resource is not None else []
        return web.Response(status=204, headers={"Allow": ", ".join(methods), "Accept-Post": operation.body_type})

    return answer


def _if_match(operation: Operation, request: web.Request) -> str | None:
    given = request.headers.get("If-Match") if operation.takes_if_match else None
    return None if given is None else _utf8(given)


def _bearer(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return (token.strip() or None) if scheme.lower() == "bearer" else None


def _segments(operation: Operation, request: web.Request) -> dict[str, str]:
    raw = request.rel_url.raw_path.split("/")
    return {part[1:-1]: raw[at] for at, part in enumerate(operation.path.split("/")) if part.startswith("{")}


def _ids(operation: Operation, request: web.Request) -> dict[str, UUID]:
    ids = {}
    for name in operation.parameters:
        text = request.match_info[name]
        try:
            ids[name] = UUID(text)
        except ValueError:
            raise not_found() from None
        if str(ids[name]) != text.lower():  # the type also reads braces, prefixes and missing dashes
            raise not_found()
    return ids


async def _read(operation: Operation, request: web.Request) -> tuple[Any, Any, bytes]:
    """Query and body as the handler takes them, and the body as it came."""
    query: Any = None
    given = request.rel_url.query
    if operation.query is not None:
        if len(given) != len(set(given)):
            raise Problem(400, "invalid_query", "a parameter of the query is given twice")
        try:
            query = msgspec.convert(dict(given), operation.query, strict=False)
        except (msgspec.ValidationError, UnicodeError) as error:
            raise Problem(400, "invalid_query", str(error)[:FAILURE_CHARACTERS]) from None
    elif given:
        raise Problem(400, "invalid_query", "this route takes no query")
    if operation.body is None:
        return query, None, b""
    raw = await read_body(request, operation.body_bytes, operation.body_type)
    return query, decode_text(raw) if operation.body_type != JSON else decode(raw, operation.body), raw


def _response(operation: Operation, answer: Any) -> web.StreamResponse:
    headers: dict[str, str] = {}
    if isinstance(answer, web.StreamResponse):
        return answer
    if isinstance(answer, Answer):
        answer, headers = answer.value, dict(answer.headers)
    return _bytes(b"" if operation.result is None else msgspec.json.encode(answer), operation.status, headers)


def _bytes(body: bytes, status: int, headers: Mapping[str, str]) -> web.Response:
    if not body:
        return web.Response(status=status, headers={"Cache-Control": "no-store", **headers})
    return json_bytes(body, status, headers)
