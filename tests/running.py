"""The real server, started as a child process by the command an operator would use."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import msgspec
import psutil

from dojo.data_directory import DataDirectory
from dojo.names import tenant_id, user_id
from kernel.tokens import SigningKey

READY_SECONDS = 60.0
"""From start to the ready line: a first start makes the database, and the machine may be busy."""
STOP_SECONDS = 30.0
"""From SIGTERM to the end: closes are spread over time, and the journal writes what it holds."""
LOG_SHOWN = 12_000
"""How much of the log's end an error shows, in characters."""


class DojoError(Exception):
    """The server did not start, stop or answer as it should. The text ends with its log."""


class _Ready(msgspec.Struct, frozen=True):
    http: str
    live: str
    voice: str = ""


class RunningDojo:
    """`dojo serve` on a data directory. A context manager; also driven by `start`, `kill9`, `restart`, `stop`.

    `settings` are environment variables (`DOJO_LIMITS__MESSAGE_BYTES`) set for the server and all its children;
    no other `DOJO_` variable of the environment reaches it. Usable from any event loop."""

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir
        # Half a second of a core at each start, which only tests of voice need.
        self.settings = {"DOJO_VOICE__ENABLED": "false"} | dict(settings or {})
        self.http = ""
        self.live = ""
        self.voice = ""
        """Where media is taken; "" with voice switched off. Another port after a restart."""
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """For fixtures that live longer than an event loop."""
        self.start_blocking()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_blocking()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # Starting

    async def start(self) -> None:
        """Start and wait for the ready line; `http` and `live` are addresses then, the same ones after a restart."""
        await asyncio.to_thread(self.start_blocking)

    def start_blocking(self) -> None:
        if self._process is not None:
            raise DojoError("the server runs already")
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._log = (self.data_dir.parent / f"{self.data_dir.name}.log").open("ab")
        self._process = subprocess.Popen(
            self._command(),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        try:
            ready = msgspec.json.decode(self._ready_line().removeprefix(b"ready "), type=_Ready)
        except BaseException:
            self.stop_blocking()
            raise
        self.http, self.live, self.voice = ready.http, ready.live, ready.voice

    async def restart(self) -> None:
        """Start again on the same data and ports, after `kill9` or of a running server."""
        await self.stop()
        await self.start()

    def _command(self) -> list[str]:
        serve = [str(Path(sys.executable).parent / "dojo"), "serve", "--data-dir", str(self.data_dir)]
        if self.http:
            return [*serve, "--port", self.http.rpartition(":")[2], "--live-port", self.live.rpartition(":")[2]]
        return [*serve, "--port", "0", "--live-port", "0"]

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DOJO_")}
        return inherited | self.settings

    def _ready_line(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        deadline = time.monotonic() + READY_SECONDS
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise DojoError(f"no ready line within {READY_SECONDS} s, but {line!r}\n{self.log()}")
            byte = os.read(descriptor, 1)
            if not byte:
                raise DojoError(f"the server ended instead of getting ready\n{self.log()}")
            line += byte
        if not line.startswith(b"ready "):
            raise DojoError(f"the first line on standard output is not the ready line: {line!r}\n{self.log()}")
        return line

    # Ending

    async def stop(self) -> None:
        """Stop cleanly; raises when the exit code is not 0 or children are left. Does nothing if it is not running."""
        await asyncio.to_thread(self.stop_blocking)

    def stop_blocking(self) -> None:
        if self._process is None:
            return
        family = self._family()
        ended_before = self._process.poll()
        if ended_before is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._end_family(family)
            raise DojoError(f"the server did not stop within {STOP_SECONDS} s\n{self.log()}") from None
        finally:
            self._forget()
        _, left = psutil.wait_procs(family, timeout=STOP_SECONDS)
        if left:
            self._end_family(left)
            raise DojoError(f"left behind: {left}\n{self.log()}")
        if ended_before is None and code != 0:
            raise DojoError(f"the server ended with {code}\n{self.log()}")

    async def kill9(self) -> None:
        """SIGKILL the supervisor, as a crash would, and wait until it is gone. Its children follow by themselves."""
        if self._process is None:
            raise DojoError("the server is not running")
        self._process.kill()
        await asyncio.to_thread(self._process.wait, STOP_SECONDS)
        self._forget()

    def _family(self) -> list[psutil.Process]:
        assert self._process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self._process.pid).children(recursive=True)
        return []

    def _end_family(self, family: list[psutil.Process]) -> None:
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)

    def _forget(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    # While it runs

    @property
    def pid(self) -> int:
        """The supervisor."""
        if self._process is None:
            raise DojoError("the server is not running")
        return self._process.pid

    @property
    def live_node_pid(self) -> int:
        """The process that holds the sockets and the documents."""
        return self._child(lambda command: "dojo.live_node" in command)

    @property
    def voice_pid(self) -> int:
        """The process that media goes through."""
        return self._child(lambda command: "dojo.voice_node" in command)

    @property
    def postgres_pid(self) -> int:
        """The embedded Postgres' postmaster: the oldest process of that name."""
        return self._child(lambda command: bool(command) and Path(command[0]).name == "postgres")

    def _child(self, wanted: Callable[[list[str]], bool]) -> int:
        for process in psutil.Process(self.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if wanted(process.cmdline()):
                    return process.pid
        raise DojoError(f"there is no such child\n{self.log()}")

    async def token(
        self,
        tenant: str = "acme",
        user: str = "ana",
        rooms: str | Sequence[str] = "*",
        read_only: bool = False,
        hours: float = 1.0,
    ) -> str:
        """A token this server accepts, as `dojo token` makes it; in this process, because tests need many."""
        directory = DataDirectory(self.data_dir)
        directory.create()
        tenant_uuid = tenant_id(tenant)
        return SigningKey.load_or_create(directory.signing_key).mint(
            tenant=tenant_uuid,
            user=user_id(tenant_uuid, user),
            name=user,
            rooms=[rooms] if isinstance(rooms, str) else list(rooms),
            write=not read_only,
            now=time.time(),
            seconds=hours * 3600,
        )

    def log(self) -> str:
        """The end of what the server wrote on standard error, over all its starts."""
        path = self.data_dir.parent / f"{self.data_dir.name}.log"
        if not path.exists():
            return ""
        return path.read_text("utf-8", "replace")[-LOG_SHOWN:]

    def log_lines(self) -> list[dict[str, Any]]:
        """Its log as parsed JSON; lines that are none (a crash's traceback) are left out."""
        lines: list[dict[str, Any]] = []
        path = self.data_dir.parent / f"{self.data_dir.name}.log"
        for line in path.read_text("utf-8", "replace").splitlines():
            with contextlib.suppress(msgspec.DecodeError):
                lines.append(msgspec.json.decode(line, type=dict[str, Any]))
        return lines
