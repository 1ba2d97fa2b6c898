"""Programs that tests run as their children: ended as they want it, or by force."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process


async def end(process: Process, seconds: float) -> None:
    """Ask it to end; kill it if it has not within so long. Nothing if it has ended already."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
