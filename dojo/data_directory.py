"""The data directory: what lies where, and the lock that keeps it to one server.

The lock is a `flock` on a file whose open descriptor every child inherits. The system frees it when the last process
that holds the descriptor is gone, however it went: nothing stale to clean up, and a start after `kill -9` cannot
overlap with a child that is still writing.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from pathlib import Path

LOCK_SECONDS = 20.0
"""How long a start waits for a former server's processes to end; Postgres writes a checkpoint first."""
LOCK_POLL_SECONDS = 0.05
"""flock has no asynchronous form, and a thread that waits for it could not be cancelled."""
LOCK_NOTE_SECONDS = 1.0
"""After this long a start says what it waits for."""

log = logging.getLogger(__name__)


class DataDirectoryError(Exception):
    """The data directory cannot be used; the text says why and who holds it."""


class DataDirectory:
    """One folder, mode 0700, that holds all state of an embedded Dojo."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @property
    def signing_key(self) -> Path:
        return self.path / "keys" / "token.jwk"

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def postgres_log(self) -> Path:
        return self.path / "postgres.log"

    @property
    def redis(self) -> Path:
        return self.path / "redis"

    @property
    def redis_log(self) -> Path:
        return self.path / "redis.log"

    @property
    def blobs(self) -> Path:
        """What is kept as files: recordings, reports, films."""
        return self.path / "blobs"

    @property
    def recordings(self) -> Path:
        """Of voice, until they are stored."""
        return self.path / "recordings"

    def create(self) -> None:
        """Make the folder if it is not there. Raises `DataDirectoryError`."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise DataDirectoryError(f"cannot create the data directory {self.path}: {error.strerror}") from error

    async def lock(self, seconds: float = LOCK_SECONDS) -> DirectoryLock:
        """Take the lock, waiting up to `seconds`. Raises `DataDirectoryError` that names the holders."""
        self.create()
        path = self.path / "lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        started = time.monotonic()
        noted = False
        try:
            while not _try_lock(descriptor):
                waited = time.monotonic() - started
                if waited >= seconds:
                    raise DataDirectoryError(
                        f"the data directory {self.path} is in use by {_holders(path)}; stop that server,"
                        f" or choose another --data-dir (waited {seconds:g} s)"
                    )
                if waited >= LOCK_NOTE_SECONDS and not noted:
                    noted = True
                    log.info("waiting for the data directory, in use by %s", _holders(path))
                await asyncio.sleep(LOCK_POLL_SECONDS)
        except BaseException:
            os.close(descriptor)
            raise
        return DirectoryLock(descriptor)


class DirectoryLock:
    """The lock, held. Hand `descriptor` to every child; the lock is free once all of them and this process are gone."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def close(self) -> None:
        """Let go of this process' share."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holders(lock: Path) -> str:
    """Who has the lock file open, as far as /proc tells: "process 12 (dojo serve), process 15 (postgres)"."""
    found: list[str] = []
    for process in sorted((p for p in Path("/proc").glob("[0-9]*") if p.name != str(os.getpid())), key=_number):
        try:
            if any(_points_to(link, lock) for link in (process / "fd").iterdir()):
                found.append(f"process {process.name} ({_command(process)})")
        except OSError:  # gone meanwhile, or another user's
            continue
    return ", ".join(found) or "another process"


def _number(process: Path) -> int:
    return int(process.name)


def _points_to(link: Path, target: Path) -> bool:
    try:
        return os.path.samestat(link.stat(), target.stat())
    except OSError:
        return False


def _command(process: Path) -> str:
    words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    return " ".join(Path(word).name if number == 0 else word for number, word in enumerate(words[:4])).strip()
