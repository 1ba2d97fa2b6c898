"""A process that starts an embedded server and does nothing else, and what becomes of the server when it dies."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

import psutil

_PROGRAM: Final = """
import asyncio, sys
from pathlib import Path
from dojo.embedded.postgres import EmbeddedPostgres
from dojo.embedded.redis import EmbeddedRedis

async def main():
    server = {"postgres": EmbeddedPostgres, "redis": EmbeddedRedis}[sys.argv[1]](Path(sys.argv[2]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
START_SECONDS: Final = 30.0


async def start_parent(server: str, data_dir: Path) -> tuple[asyncio.subprocess.Process, int]:
    """The parent of a `server`, "postgres" or "redis", and the server's process id."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, server, str(data_dir), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    return parent, int(await asyncio.wait_for(parent.stdout.readline(), START_SECONDS))


def lives(pid: int) -> bool:
    """Whether the process runs; an orphan that has ended may not have been reaped yet."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def gone(pid: int, seconds: float = 20.0) -> None:
    """Wait until a process that is not ours has ended."""
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(watch, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), seconds)
    finally:
        loop.remove_reader(watch)
        os.close(watch)
