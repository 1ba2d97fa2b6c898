from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kernel.blobs.folder import FolderBlobs
from kernel.blobs.port import BlobError
from kernel.blobs.removal import AT_ONCE, remove, remove_below
from tests.kernel.blobs.leading_out import leading_out


async def each(*keys: str) -> AsyncIterator[str]:
    for key in keys:
        yield key


async def test_everything_below_a_folder_goes_and_nothing_beside_it(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    for number in range(2 * AT_ONCE + 1):
        await blobs.put(f"a/{number % 5}/{number}", b"")
    await blobs.put("ab/1", b"")
    assert await remove_below(blobs, "a") == 2 * AT_ONCE + 1
    assert await remove_below(blobs, "a") == 0
    assert [key async for key in blobs.list("")] == ["ab/1"]


async def test_one_that_cannot_go_keeps_no_other(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "in")
    await blobs.put("b/1", b"")
    await blobs.put("a/stuck/1", b"")
    await blobs.put("a/1", b"")
    with leading_out(tmp_path / "in" / "a" / "stuck", tmp_path / "out"):
        with pytest.raises(BlobError, match=r"1 blobs below a/stuck are still there: .*leads out"):
            await remove_below(blobs, "a/stuck")
        removed = await remove(blobs, each("b/1", "a/stuck/1", "a/1"))
        assert (removed.gone, removed.failed) == (2, 1)
        assert "leads out" in str(removed.trouble)
    assert [key async for key in blobs.list("")] == ["a/stuck/1"]
    assert await remove_below(blobs, "a/stuck") == 1
