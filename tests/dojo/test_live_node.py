"""The live node as a process of its own: real Postgres, real tokens, health, metrics, a clean end."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from collab_core.closes import CloseCode
from collab_core.limits import Limits
from dojo.process import Child, ChildFailed, Program
from dojo.settings import DatabaseSettings, LiveSettings, Settings, TrustedKey
from kernel.tokens import SigningKey
from tests.collab_core.client import Client
from tests.collab_core.live import tenant_of, user_of
from tests.conftest import Database

PROGRAM = Program("live node", (sys.executable, "-m", "dojo.live_node"))
KEY = SigningKey.generate()


def settings(database: Database) -> Settings:
    return settings_for(DatabaseSettings(journal=database.dsn("dojo_journal"), service=database.dsn("dojo_service")))


def settings_for(database: DatabaseSettings) -> Settings:
    return Settings(
        live=LiveSettings(port=0),
        database=database,
        trusted_keys=(msgspec.convert(KEY.public_jwk(), TrustedKey),),
        limits=Limits(closes_share=1.0),
        allowed_origins=("http://dojo.example",),
    )


def token(user: str = "ana", *, tenant: str = "acme", rooms: str = "*", write: bool = True, seconds: float = 60) -> str:
    return KEY.mint(
        tenant=tenant_of(tenant),
        user=user_of(user),
        name=user,
        rooms=[rooms],
        write=write,
        now=time.time(),
        seconds=seconds,
    )


class Node:
    """A running live node."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.port = int(child.addresses["live"].rpartition(":")[2])
        self._clients: list[Client] = []

    async def enter(self, ticket: str, room: str = "room", *, dojo: bool = True) -> Client:
        return await self.enter_with(f"/api/v1/rooms/{room}/sync?token={ticket}", dojo=dojo)

    async def enter_with(self, target: str, *, dojo: bool = True) -> Client:
        client = await Client.connect(self.port)
        self._clients.append(client)
        await client.upgrade(target, subprotocol="dojo.v1" if dojo else None)
        client.read()
        return client

    async def member(self, user: str = "ana", room: str = "room", *, tenant: str = "acme") -> Client:
        client = await self.enter(token(user, tenant=tenant), room)
        await client.sync()
        return client

    async def get(self, path: str) -> tuple[int, str]:
        client = await Client.connect(self.port)
        async with client:
            await client.send_raw(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            head, _, body = (await client.everything()).partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()

    async def stop(self) -> None:
        for client in self._clients:
            await client.end()
        await self.child.stop()


@asynccontextmanager
async def running(chosen: Settings) -> AsyncIterator[Node]:
    node = Node(await Child.start(PROGRAM, chosen))
    try:
        yield node
    finally:
        await node.stop()


async def test_members_edit_and_a_new_node_has_it_all(database: Database) -> None:
    async with running(settings(database)) as node:
        ana, ben = await node.member("ana"), await node.member("ben")
        assert ana.told[0]["userId"] == str(user_of("ana"))
        await ana.type("hello ")
        await ben.until_text("hello ")
        await ben.type("world")
        await ana.until_text("hello world")
        other = await node.member("ana", tenant="another")
        assert other.text == ""
        await ana.until(lambda: ana.saved == ana.sent)
        await ben.until(lambda: ben.saved == ben.sent)
        await node.child.kill()
    async with running(settings(database)) as node:
        assert (await node.member("eve")).text == "hello world"


async def test_it_drains_on_sigterm(database: Database) -> None:
    async with running(settings(database)) as node:
        clients = [await node.member(f"user{number}") for number in range(5)]
        await clients[0].type("typed just before the end")
        await clients[1].until(lambda: clients[1].text)
        stopping = asyncio.create_task(node.child.stop())
        for client in clients:
            assert (await client.until_closed()).code == CloseCode.RESTARTING
        assert clients[0].saved == clients[0].sent
        await stopping
        assert await node.child.wait() == "exit code 0"
    async with running(settings(database)) as node:
        assert (await node.member("eve")).text == "typed just before the end"


async def test_health_and_metrics(database: Database) -> None:
    async with running(settings(database)) as node:
        assert await node.get("/health/live") == (200, '{"status":"ok"}')
        assert await node.get("/health/ready") == (200, '{"status":"ok"}')
        assert (await node.get("/api/v1/rooms/room/sync"))[0] == 404
        ana = await node.member("ana")
        await ana.type("counted")
        await ana.until(lambda: ana.saved == ana.sent)
        intruder = await node.enter("forged")
        assert (await intruder.until_closed()).code == CloseCode.UNAUTHENTICATED
        status, body = await node.get("/metrics")
        assert status == 200
        values = dict(re.findall(r"^(dojo_[a-z_]+(?:\{[^}]*\})?) ([0-9.e+-]+)$", body, re.MULTILINE))
        expected = {
            "dojo_rooms": 1,
            "dojo_members": 1,
            "dojo_updates_total": 1,
            "dojo_journal_entries_total": 1,
            'dojo_closes_total{code="unauthenticated"}': 1,
            "dojo_journal_behind": 0,
        }
        assert {name: float(values[name]) for name in expected} == expected


async def test_the_gate_is_the_one_with_tokens(database: Database) -> None:
    async with running(settings(database)) as node:
        refusals = {
            token(seconds=-60): CloseCode.UNAUTHENTICATED,
            token(rooms="elsewhere"): CloseCode.FORBIDDEN,
            "": CloseCode.UNAUTHENTICATED,
        }
        for ticket, code in refusals.items():
            client = await node.enter(ticket)
            assert (await client.until_closed()).code == code
            await client.until_hung_up()
        reader = await node.enter(token(write=False), dojo=False)
        await reader.sync()
        await reader.type("not mine to write")
        assert (await reader.until_closed()).code == CloseCode.FORBIDDEN
        renewing = await node.member("ana")
        await renewing.tell({"type": "auth", "token": token("ben")})
        await renewing.until(lambda: renewing.told_of("error"))
        await renewing.tell({"type": "auth", "token": token("ana", seconds=1_000)})
        await renewing.until(lambda: renewing.told_of("renewed"))
        assert renewing.told_of("renewed")[0]["expiresAt"] > renewing.told[0]["expiresAt"]


async def test_without_a_database_it_does_not_start() -> None:
    with pytest.raises(ChildFailed, match=r"did not start \(exit code 1\)"):
        await Child.start(PROGRAM, settings_for(DatabaseSettings()))
    gone = DatabaseSettings(
        journal="postgresql://dojo_journal@127.0.0.1:1/dojo", service="postgresql://dojo_service@127.0.0.1:1/dojo"
    )
    with pytest.raises(ChildFailed, match=r"did not start \(exit code 1\)"):
        await Child.start(PROGRAM, settings_for(gone))
