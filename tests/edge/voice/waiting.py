"""Waiting for what comes about in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

SECONDS = 1.0
"""What is taken away ends within so long."""


async def until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait until `condition` holds. Raises `TimeoutError`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.005)
