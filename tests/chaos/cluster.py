"""Live nodes, a Redis and a Postgres as real child processes, each of which can be made to fail."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import msgspec
import psutil

from collab_core.identity import RoomKey
from collab_core.journal.postgres import PostgresJournal
from collab_core.tuning import Tuning
from dojo.embedded.postgres import DATABASE, OWNER, EmbeddedPostgres
from dojo.embedded.redis import EmbeddedRedis
from dojo.migrate import migrate
from dojo.process import Child, ChildFailed, Program
from dojo.settings import DatabaseSettings, LiveSettings, RedisSettings, Settings, TrustedKey
from kernel.redis import create_client
from kernel.secrets import MasterKeys
from kernel.tokens import SigningKey
from kernel.tokens.access import mint_access
from tests.chaos.namespaces import Ground
from tests.chaos.wire import LOOPBACK, Wire
from tests.conftest import Database
from tests.edge.dojos.hosting import serving_dojos

EVICT_SECONDS: Final = 1.0
"""Until an empty room is put to sleep: short, so that a test can wait for it."""
COMPACT_ROWS: Final = 60
"""Few, so that several nodes fold one room again and again while people type."""
START_SECONDS: Final = 40.0
"""Longer than any fault keeps a node from starting."""
START_AGAIN_SECONDS: Final = 0.3
BUS_SECONDS: Final = 10.0
"""Until a node has noticed that Redis is out of reach, or is back: it tries every 2 s."""
METRICS_SECONDS: Final = 5.0
_TUNING: Final = Tuning(evict_after_seconds=EVICT_SECONDS, compact_rows=COMPACT_ROWS, heartbeat_seconds=2.0)


@dataclass(frozen=True, slots=True)
class Place:
    """A room as one person comes to it."""

    key: RoomKey
    path: str
    root: str
    """The root text."""
    token: Callable[[], str]
    """A fresh one each time: access tokens end after minutes."""


class Node:
    """One live node: a process, and its wire to Redis."""

    def __init__(
        self, number: int, settings: Settings, wire: Wire, *, clock_shift: float, ground: Ground | None
    ) -> None:
        self.number = number
        self.wire = wire
        self._ground = ground
        self.clock_shift = clock_shift
        self._settings = settings
        self._child: Child | None = None
        self.live = ""

    @property
    def serves_all(self) -> bool:
        """Whether it takes everybody's tokens: a wrong clock takes those of minutes for ended, or for not yet begun."""
        return abs(self.clock_shift) < 60

    @property
    def pid(self) -> int:
        """Of the process that runs, or was killed last."""
        assert self._child is not None
        return self._child.pid

    async def start(self) -> None:
        """Start it, again and again if need be, as a supervisor does; always on the same port."""
        inside = self._ground.inside if self._ground is not None else ()
        command = (*inside, sys.executable, "-m", "tests.chaos.launch", str(self.clock_shift))
        program = Program("live node", command)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._child = await Child.start(program, self._settings)
                break
            except ChildFailed:  # Postgres may be away just now
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(START_AGAIN_SECONDS)
        self.live = self._child.addresses["live"]
        port = int(self.live.rpartition(":")[2])
        self._settings = msgspec.structs.replace(
            self._settings, live=msgspec.structs.replace(self._settings.live, port=port)
        )

    async def kill(self) -> None:
        """SIGKILL."""
        if self._child is not None:
            await self._child.kill()

    async def stop(self) -> str:
        """SIGTERM; how it ended."""
        assert self._child is not None
        await self._child.stop()
        return await self._child.wait()

    def freeze(self) -> None:
        """SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)

    def cut(self) -> None:
        """Redis is out of reach, silently."""
        (self._ground or self.wire).cut()

    def mend(self) -> None:
        """It is within reach again."""
        (self._ground or self.wire).mend()

    async def until_bus(self, *, up: bool) -> None:
        """Wait until the node knows whether it reaches Redis. Raises `TimeoutError`."""
        async with asyncio.timeout(BUS_SECONDS):
            while (await self.metrics())["dojo_bus_up"] != float(up):  # noqa: ASYNC110 - another process's state
                await asyncio.sleep(0.05)

    def resident_bytes(self) -> int:
        """Its memory."""
        return int(psutil.Process(self.pid).memory_info().rss)

    async def metrics(self) -> dict[str, float]:
        """All of /metrics without those that have labels."""
        found: dict[str, float] = {}
        address = self.live.replace("ws://", "http://") + "/metrics"
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=METRICS_SECONDS)) as http,
            http.get(address) as answer,
        ):
            for line in (await answer.text()).splitlines():
                name, _, value = line.partition(" ")
                if not line.startswith("#") and "{" not in name:
                    found[name] = float(value)
        return found


class Cluster:
    """`nodes` live nodes behind one Redis and one Postgres. A context manager; start it from the main thread."""

    def __init__(
        self,
        folder: Path,
        nodes: int = 3,
        *,
        clock_shifts: dict[int, float] | None = None,
        grounds: Sequence[Ground] = (),
    ) -> None:
        """`grounds`: a network for each node."""
        self.nodes: list[Node] = []
        self.postgres = EmbeddedPostgres(folder / "pg")
        self.redis = EmbeddedRedis(folder / "redis")
        self._count = nodes
        self._clock_shifts = clock_shifts or {}
        self._grounds = grounds
        self._room_key = SigningKey.generate()
        self._access_key: Any = None
        self._master = MasterKeys([os.urandom(32)])
        self.tenant = uuid4()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _start(self) -> None:
        await asyncio.gather(self.postgres.start(), self.redis.start())
        await migrate(self.postgres.dsn(OWNER))
        await self._found_company()
        for number in range(self._count):
            ground = self._grounds[number] if self._grounds else None
            redis_socket = self.redis.url().removeprefix("unix://").partition("?")[0]
            wire = await Wire(redis_socket, ground.redis_host if ground else LOOPBACK).lay()
            settings = Settings(
                live=LiveSettings(host=ground.host if ground else LOOPBACK, port=0),
                database=DatabaseSettings(
                    journal=self.postgres.dsn("dojo_journal"), service=self.postgres.dsn("dojo_service")
                ),
                redis=RedisSettings(url=wire.url),
                trusted_keys=(msgspec.convert(self._room_key.public_jwk(), TrustedKey),),
                engine=_TUNING,
                log_level="warning",
            )
            shift = self._clock_shifts.get(number, 0.0)
            self.nodes.append(Node(number, settings, wire, clock_shift=shift, ground=ground))
        await asyncio.gather(*(node.start() for node in self.nodes))

    async def close(self) -> None:
        """End every process, whatever state it is in."""
        self.resume_postgres()
        self.resume_redis()
        for node in self.nodes:
            if node.live:
                node.thaw()
                await node.kill()
            await node.wire.close()
        await self.redis.stop()
        await self.postgres.stop()

    # Who is in what

    async def _found_company(self) -> None:
        connection = await asyncpg.connect(self.postgres.dsn("postgres"))
        try:
            await connection.execute("INSERT INTO tenants (tenant_id, name) VALUES ($1, 'Chaos')", self.tenant)
        finally:
            await connection.close()

    async def dojo(self, people: int) -> list[Place]:
        """A new dojo, and `people` of the company who may enter it."""
        redis = create_client(self.redis.url())
        try:
            async with serving_dojos(Database(self.postgres, DATABASE), redis, self._master) as api:
                members = [await api.person(self.tenant, f"Person{number}") for number in range(people)]
                made = await api.dojo(members[0])
                for member in members[1:]:
                    assert (await api.join(member, made["joinCode"])).status in {200, 201}
                self._access_key = api.services.keys.key
        finally:
            await redis.aclose()
        room = made["rooms"][0]["roomId"]
        path = f"/api/v1/dojos/{made['dojoId']}/live"
        key = RoomKey(self.tenant, room)
        return [Place(key, path, "file/main.py", partial(self._access_token, member.user)) for member in members]

    def room(self, name: str, *, write: bool = True) -> Place:
        """A room of its own, and somebody new in it."""
        user = uuid4()
        token = self._room_key.mint(
            tenant=self.tenant, user=user, name="x", rooms=["*"], write=write, now=time.time(), seconds=12 * 3600
        )
        return Place(RoomKey(self.tenant, name), f"/api/v1/rooms/{name}/sync", "text", lambda: token)

    def _access_token(self, user: UUID) -> str:
        return mint_access(
            self._access_key,
            tenant=self.tenant,
            user=user,
            session=uuid4(),
            version=1,
            role="member",
            name="x",
            now=time.time(),
        )

    async def journal(self) -> PostgresJournal:
        """The journal, read past all nodes."""
        return await PostgresJournal.open(self.postgres.dsn("dojo_journal"), self.postgres.dsn("dojo_service"))

    # Redis fails

    async def kill_redis(self) -> None:
        """SIGKILL."""
        await self.redis.kill()

    def pause_redis(self) -> None:
        """SIGSTOP."""
        assert self.redis.pid is not None
        os.kill(self.redis.pid, signal.SIGSTOP)

    def resume_redis(self) -> None:
        """SIGCONT."""
        if self.redis.pid is not None:
            os.kill(self.redis.pid, signal.SIGCONT)

    async def redis_memory(self, amount: str) -> None:
        """Set how much memory Redis may use."""
        client = create_client(self.redis.url())
        try:
            await client.config_set("maxmemory", amount)
        finally:
            await client.aclose()

    # Postgres fails

    async def kill_postgres(self) -> None:
        """SIGKILL to the postmaster; its children end by themselves."""
        pid = self.postgres.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await self.postgres.wait()

    def pause_postgres(self) -> None:
        """SIGSTOP to all of it."""
        self._signal_postgres(signal.SIGSTOP)

    def resume_postgres(self) -> None:
        """SIGCONT to all of it."""
        self._signal_postgres(signal.SIGCONT)

    def _signal_postgres(self, number: signal.Signals) -> None:
        if self.postgres.pid is None:
            return
        root = psutil.Process(self.postgres.pid)
        root.send_signal(number)  # first: it makes no children then
        for child in root.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.send_signal(number)

    async def read_only_postgres(self, *, read_only: bool) -> None:
        """As after a failover to a replica, or by an operator's hand."""
        connection = await asyncpg.connect(self.postgres.dsn("postgres", "postgres"))
        try:
            value = "on" if read_only else "off"
            await connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
            await connection.execute("SELECT pg_reload_conf()")
        finally:
            await connection.close()
