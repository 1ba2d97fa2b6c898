"""A small service on the framework: things that a tenant has. What the framework promises is tried on it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid4

import msgspec
from aiohttp import web
from msgspec import Meta

from kernel.database import tenant_scope
from kernel.http.fields import Instant, Name, Search, Text
from kernel.http.operation import ADMINS, ANYBODY, HOSTS, SIGNED_IN, Answer, Call, Caller, Operation, PublicCall, Role
from kernel.http.pagination import Page, PageQuery, page_of
from kernel.http.problem import Problem, not_found, unauthenticated

SCHEMA: Final = """
CREATE TABLE things (
    tenant_id uuid NOT NULL,
    thing_id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL,
    weight int NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, thing_id)
);
ALTER TABLE things ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON things TO dojo_service;
CREATE POLICY tenant ON things TO dojo_service
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid);
"""

TENANT: Final = uuid4()
CALLERS: Final = {
    role.value: Caller(TENANT, uuid4(), uuid4(), role, f"the {role.value}", version=0, expires_at=4e9) for role in Role
}
"""By token: the role's name."""
OTHER: Final = Caller(uuid4(), uuid4(), uuid4(), Role.ADMIN, "somebody else", version=0, expires_at=4e9)


class Tokens:
    """Takes the name of a role as the token of somebody in it."""

    async def authenticate(self, token: str) -> Caller:
        caller = OTHER if token == "other" else CALLERS.get(token)
        if caller is None:
            raise unauthenticated("invalid_token", "this is no access token")
        return caller


class NewThing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A thing to be."""

    name: Name
    weight: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    note: Text | None = None
    parts: Annotated[list[Part], Meta(max_length=3)] = []


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a thing is made of."""

    name: Name


class ThingView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A thing."""

    thing_id: UUID
    name: str
    weight: int
    created_at: Instant


class ThingsQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Which things."""

    sort_by: Literal["name", "weight"] = "name"
    search: Search | None = None


class Seen(msgspec.Struct, frozen=True, rename="camel"):
    """What a handler was told of where a request came from."""

    user_agent: str
    host: str
    web_origin: str | None
    foreign: bool
    network: str


class Things:
    """The service. Tests look at `after` and set the traps."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.after: list[str] = []
        self.gate: asyncio.Event | None = None
        self.entered = asyncio.Event()
        self.other_first: asyncio.Event | None = None

    def operations(self) -> list[Operation]:
        one = "/api/v1/things/{thingId}"
        return [
            Operation("GET", "/api/v1/things", self.list_things, SIGNED_IN, "things"),
            Operation("POST", "/api/v1/things", self.create_thing, HOSTS, "things", 201, {"heavy": 409}, True),
            Operation("GET", one, self.get_thing, SIGNED_IN, "things"),
            Operation("PATCH", one, self.change_thing, HOSTS, "things"),
            Operation("DELETE", one, self.delete_thing, ADMINS, "things", 204),
            Operation("POST", "/api/v1/things/clear", self.clear_things, ADMINS, "things", 204, idempotent=True),
            Operation("POST", "/api/v1/echo", self.echo, ANYBODY, "public", body_bytes=64 * 1024),
            Operation("GET", "/api/v1/count/{tenantId}", self.count_things, ANYBODY, "public", cost=5.0),
            Operation("GET", "/api/v1/seen", self.seen, ANYBODY, "public"),
            Operation("GET", "/api/v1/things-as-text", self.things_as_text, SIGNED_IN, "things", media_type="text/csv"),
        ]

    async def list_things(self, call: Call[None, ThingsQuery]) -> Page[ThingView]:
        """List the things.

        A page at a time, by name or by weight.
        """
        query = call.query
        rows = await call.db.fetch(
            "SELECT * FROM things WHERE $1::text IS NULL OR name LIKE '%' || $1 || '%'"
            f" ORDER BY {query.sort_by} {query.sort_order} LIMIT $2 OFFSET $3",
            query.search,
            query.page_size,
            query.offset,
        )
        total = await call.db.fetchval("SELECT count(*) FROM things")
        return page_of([_view(row) for row in rows], query, total)

    async def create_thing(self, call: Call[NewThing, None]) -> Answer[ThingView]:
        """Make a thing."""
        row = await call.db.fetchrow(
            "INSERT INTO things (tenant_id, name, weight) VALUES ($1, $2, $3) RETURNING *",
            call.caller.tenant,
            call.body.name,
            call.body.weight,
        )
        call.after_commit(self._note(f"made {call.body.name}"))
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        if call.body.weight == 999_999:
            raise Problem(409, "heavy", "too heavy", weightLimit=999_998)
        if call.body.name == "bug":
            await call.db.execute("SELECT $1::int", 2**40)
        if call.body.name == "twice":
            await call.db.execute("INSERT INTO things SELECT * FROM things WHERE thing_id = $1", row["thing_id"])
        return Answer(_view(row), {"Location": f"/api/v1/things/{row['thing_id']}"})

    async def get_thing(self, call: Call[None, None]) -> ThingView:
        """Show a thing."""
        row = await call.db.fetchrow("SELECT * FROM things WHERE thing_id = $1", call.ids["thingId"])
        if row is None:
            raise not_found()
        return _view(row)

    async def change_thing(self, call: Call[NewThing, None]) -> ThingView:
        """Change a thing."""
        row = await call.db.fetchrow(
            "UPDATE things SET name = $2, weight = $3 WHERE thing_id = $1 RETURNING *",
            call.ids["thingId"],
            call.body.name,
            call.body.weight,
        )
        if row is None:
            raise not_found()
        if call.body.note is not None:  # the id of the thing to be locked second: two of these can deadlock
            self.entered.set()
            if self.other_first is not None:
                await self.other_first.wait()
            await call.db.execute("UPDATE things SET weight = weight + 1 WHERE thing_id = $1", UUID(call.body.note))
        return _view(row)

    async def delete_thing(self, call: Call[None, None]) -> None:
        """Delete a thing."""
        if await call.db.execute("DELETE FROM things WHERE thing_id = $1", call.ids["thingId"]) == "DELETE 0":
            raise not_found()

    async def clear_things(self, call: Call[None, None]) -> None:
        """Delete all things."""
        await call.db.execute("DELETE FROM things")

    async def echo(self, call: PublicCall[NewThing, None]) -> NewThing:
        """Say it again."""
        return call.body

    async def count_things(self, call: PublicCall[None, None]) -> int:
        """Count a tenant's things."""
        try:
            tenant = UUID(call.path["tenantId"])
        except ValueError:
            raise not_found() from None
        async with tenant_scope(self._pool, tenant) as db:
            number: int = await db.fetchval("SELECT count(*) FROM things")
        return number

    async def seen(self, call: PublicCall[None, None]) -> Seen:
        """Say where this request came from."""
        origin = call.origin
        return Seen(origin.user_agent, origin.host, origin.web_origin, origin.foreign, origin.network)

    async def things_as_text(self, call: Call[None, None]) -> web.Response:
        """List the things as text."""
        rows = await call.db.fetch("SELECT name FROM things ORDER BY name")
        return web.Response(text="\n".join(row["name"] for row in rows), content_type="text/csv")

    def _note(self, what: str) -> Any:
        async def then() -> None:
            self.after.append(what)
            if "explosive" in what:
                raise RuntimeError("bang")

        return then


def _view(row: Any) -> ThingView:
    return ThingView(thing_id=row["thing_id"], name=row["name"], weight=row["weight"], created_at=row["created_at"])
