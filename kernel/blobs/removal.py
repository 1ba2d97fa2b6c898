"""Many blobs deleted, as many as can be: one that cannot does not keep the others from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from typing import Final

from kernel.blobs.port import BlobError, Blobs

AT_ONCE: Final = 8
"""Deletions at a time: each waits for its disk, and others use the store, too."""
DELETE_SECONDS: Final = 30.0
"""For one: a store that hangs counts as one that fails."""


@dataclass(frozen=True, slots=True)
class Removed:
    """How many went and how many could not, and why the first of those could not."""

    gone: int = 0
    failed: int = 0
    trouble: str | None = None

    def __add__(self, other: Removed) -> Removed:
        return Removed(self.gone + other.gone, self.failed + other.failed, self.trouble or other.trouble)


async def remove(blobs: Blobs, keys: AsyncIterable[str]) -> Removed:
    """Delete `keys`; what is gone already counts as deleted. Raises what `keys` raises: `BlobError` of a list."""
    removed = Removed()
    batch: list[str] = []
    async for key in keys:
        batch.append(key)
        if len(batch) == AT_ONCE:
            removed += await _remove(blobs, batch)
            batch.clear()
    return removed + await _remove(blobs, batch)


async def remove_below(blobs: Blobs, folder: str) -> int:
    """Delete everything below `folder`; how many went. Raises `BlobError`, after the others went, if one could not:
    try again."""
    removed = await remove(blobs, blobs.list(folder))
    if removed.trouble is not None:
        raise BlobError(f"{removed.failed} blobs below {folder} are still there: {removed.trouble}")
    return removed.gone


async def _remove(blobs: Blobs, keys: Sequence[str]) -> Removed:
    troubles = [trouble for trouble in await asyncio.gather(*(_delete(blobs, key) for key in keys)) if trouble]
    return Removed(len(keys) - len(troubles), len(troubles), troubles[0] if troubles else None)


async def _delete(blobs: Blobs, key: str) -> str | None:
    """What was wrong."""
    try:
        async with asyncio.timeout(DELETE_SECONDS):
            await blobs.delete(key)
    except BlobError as error:
        return str(error)
    except TimeoutError:
        return f"no answer within {DELETE_SECONDS:g} s"
    return None
