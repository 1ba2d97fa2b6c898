"""Wait for the end of a child process from any event loop."""

from __future__ import annotations

import asyncio
import os
import subprocess


async def exit_of(process: subprocess.Popen[bytes]) -> int:
    """The exit code (negative: the signal that ended it). Cancelling leaves the process alone."""
    if process.poll() is not None:
        return process.returncode
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    watch = os.pidfd_open(process.pid)
    loop.add_reader(watch, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(watch)
        os.close(watch)
    return process.wait()
