from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis

from edge.dojos.bell import Bell
from edge.dojos.turns.commands import Flushed, Joined
from edge.dojos.turns.copies import Copies, roles_key
from edge.dojos.turns.routes import TurnRoutes
from kernel.buckets import Buckets
from kernel.http.answering import answering
from kernel.http.authentication import TokenAuthenticator
from kernel.http.limits import HttpLimits
from kernel.http.router import Guard, Router
from kernel.secrets import MasterKeys
from kernel.tokens.access import mint_access
from kernel.tokens.authority import Authority
from kernel.tokens.keyring import KeyRing
from tests.edge.dojos.turns.hall import Hall, node, until
from tests.edge.dojos.turns.people import NODE


@dataclass
class Turns:
    """The routes of one room, in which host and guests of the host sit."""

    session: aiohttp.ClientSession
    keys: KeyRing
    hall: Hall
    room: UUID
    people: tuple[UUID, UUID]

    async def ask(
        self,
        method: str,
        what: str,
        body: object = None,
        *,
        by: UUID | None = None,
        room: UUID | None = None,
        **claims: Any,
    ) -> tuple[int, Any]:
        token = mint_access(
            self.keys.key,
            tenant=claims.get("tenant", self.hall.tenant),
            user=by or self.hall.host,
            session=uuid4(),
            version=1,
            role=claims.get("role", "member"),
            name="Ana",
            now=time.time(),
        )
        path = f"/api/v1/dojos/{claims.get('dojo', self.hall.dojo)}/rooms/{room or self.room}/{what}"
        async with self.session.request(
            method, path, json=body, headers={"Authorization": f"Bearer {token}"}
        ) as answer:
            return answer.status, await answer.json()

    async def act(self, action: str, *, by: UUID | None = None, **more: object) -> tuple[int, Any]:
        return await self.ask("POST", "turns", {"action": action, **more}, by=by)


@pytest.fixture
async def turns(hall: Hall, redis: Redis) -> AsyncIterator[Turns]:
    master = MasterKeys([bytes(32)])
    authority, keys = Authority(hall.pool, redis), KeyRing(master)
    await keys.start(hall.pool)
    await authority.start()
    guard = Guard(
        TokenAuthenticator(authority), Buckets(redis), HttpLimits(user_burst=1000), frozenset(), trusted_proxies=1
    )
    app = web.Application(middlewares=[answering])
    Router(hall.pool, guard, master).add(TurnRoutes(Bell(redis), Copies(redis)).operations(), app.router)
    room = await hall.room()
    people = (uuid4(), uuid4())
    for user in people:
        await hall.everything.execute(
            "INSERT INTO users (tenant_id, user_id, full_name) VALUES ($1, $2, 'Somebody')", hall.tenant, user
        )
        await hall.everything.execute(
            "INSERT INTO dojo_participants (tenant_id, dojo_id, user_id, shown_name) VALUES ($1, $2, $3, 'Somebody')",
            hall.tenant,
            hall.dojo,
            user,
        )
        await hall.do(room, Joined(user, NODE, True))
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        yield Turns(session, keys, hall, room, people)
    await authority.close()
    await keys.close()


async def test_a_host_runs_a_session(turns: Turns, redis: Redis) -> None:
    ana, bia = map(str, turns.people)
    status, body = await turns.act("start", seconds=300)
    assert (status, body["turn"]["state"]) == (200, "ENDING"), "those who wrote freely are heard out"
    await turns.hall.do(turns.room, Flushed(NODE, 0))
    _, body = await turns.ask("GET", "turns")
    assert (body["roles"]["pilot"], body["roles"]["copilot"], body["turn"]["state"]) == (ana, bia, "RUNNING")
    assert 290_000 < body["turn"]["endsAt"] - body["turn"]["serverTime"] <= 300_000
    for action, more, state in (
        ("pause", {}, "PAUSED"),
        ("extend", {"seconds": 60}, "PAUSED"),
        ("resume", {}, "RUNNING"),
        ("break", {"seconds": 60}, "BREAK"),
        ("resume", {}, "RUNNING"),
        ("allow", {"userId": bia}, "RUNNING"),
        ("disallow", {"userId": bia}, "RUNNING"),
        ("skip", {}, "ENDING"),
    ):
        status, body = await turns.act(action, **more)
        assert (status, body["turn"]["state"]) == (200, state), action
    assert await redis.hget(roles_key(turns.hall.tenant, turns.room), "pilot") == ana.encode()
    await turns.hall.do(turns.room, Flushed(NODE, 1))
    status, body = await turns.ask("GET", "turns")
    assert (status, body["roles"]["pilot"], body["turn"]["number"]) == (200, bia, 2)
    assert (await turns.act("hand_over", by=UUID(bia), to=ana))[0] == 200
    assert (await turns.act("stop"))[1]["turn"]["state"] == "FREE"
    assert (await turns.act("take", by=UUID(bia)))[1]["roles"]["pilot"] == bia


async def test_roles_name_the_version_they_change(turns: Turns) -> None:
    ana, bia = map(str, turns.people)
    _, body = await turns.ask("GET", "turns")
    version = body["roles"]["version"]
    wanted = {"pilot": bia, "copilot": ana, "sensei": ana, "version": version}
    status, body = await turns.ask("PUT", "roles", wanted)
    assert (status, body["roles"]["pilot"], body["roles"]["sensei"]) == (200, bia, ana)
    status, body = await turns.ask("PUT", "roles", {"pilot": None, "version": version})
    assert (status, body["code"]) == (409, "stale_version")
    status, body = await turns.ask("PUT", "roles", {"sensei": str(uuid4()), "version": version + 1})
    assert (status, body["code"]) == (400, "no_such_sensei")
    assert (await turns.ask("PUT", "roles", {"pilot": bia}))[0] == 400
    status, body = await turns.ask("PUT", "format", {"turnSeconds": 60}, by=UUID(ana))
    assert (status, body["turn"]["durationMs"]) == (200, 60_000), "the sensei leads the room"


async def test_formats(turns: Turns) -> None:
    ana, bia = map(str, turns.people)
    wanted = {"format": "PAIRS", "rotation": "RANDOM", "turnSeconds": 120, "order": [bia, ana], "writers": [ana]}
    status, body = await turns.ask("PUT", "format", wanted)
    assert status == 200
    assert (body["turn"]["format"], body["turn"]["rotation"], body["turn"]["order"]) == ("PAIRS", "RANDOM", [bia, ana])
    assert body["roles"]["writers"] == [ana]
    for bad in ({"turnSeconds": 5}, {"order": [ana, ana]}, {"format": "NONE"}, {"turnSeconds": 99_999}, {"order": 7}):
        assert (await turns.ask("PUT", "format", bad))[0] == 400, bad


@pytest.mark.parametrize(
    ("action", "more", "status", "code"),
    [
        ("pause", {}, 409, "not_running"),
        ("skip", {}, 409, "not_running"),
        ("stop", {}, 409, "not_running"),
        ("extend", {}, 400, "missing_field"),
        ("hand_over", {}, 400, "missing_field"),
        ("start", {"seconds": 3}, 400, "bad_duration"),
        ("start", {"version": 99}, 409, "stale_version"),
        ("take", {}, 409, "not_in_room"),
    ],
)
async def test_what_does_not_apply_says_why(
    turns: Turns, action: str, more: dict[str, object], status: int, code: str
) -> None:
    answered, body = await turns.ask("POST", "turns", {"action": action, **more})
    assert (answered, body["code"]) == (status, code)


async def test_who_does_not_lead_leads_nothing(turns: Turns) -> None:
    ana = turns.people[0]
    status, body = await turns.act("start", by=ana)
    assert (status, body["code"]) == (403, "not_host")
    assert (await turns.ask("PUT", "format", {"turnSeconds": 60}, by=ana))[0] == 403
    assert (await turns.ask("POST", "turns", {"action": "start"}, by=uuid4(), role="admin"))[0] == 200


async def test_what_is_somebody_elses_or_not_there_is_not_found(turns: Turns) -> None:
    for claims in ({"tenant": uuid4()}, {"dojo": uuid4()}, {"room": uuid4()}, {"by": uuid4()}):
        for method, what, body in (
            ("GET", "turns", None),
            ("POST", "turns", {"action": "start"}),
            ("PUT", "roles", {"version": 1}),
            ("PUT", "format", {}),
        ):
            status, _ = await turns.ask(method, what, body, **claims)
            assert status == 404, (claims, method, what)
    assert (await turns.hall.load(turns.room)).state.turn_number == 0


async def test_live_nodes_hear_of_it(turns: Turns, redis_url: str) -> None:
    async with node(turns.hall, redis_url, "n7") as live:
        await live.open(turns.hall, turns.room)
        await turns.act("start")
        await until(lambda: live.state(turns.hall, turns.room).handover is not None, seconds=1)
        await live.watch.ask(turns.hall.tenant, turns.room, Flushed(NODE, 0))
        await until(lambda: live.state(turns.hall, turns.room).pilot == turns.people[0], seconds=1)
