from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kernel.blobs.folder import DRAFTS, FolderBlobs
from kernel.blobs.port import BlobError, BlobKeyRefused, BlobMissing, Blobs


async def keys(blobs: Blobs, folder: str = "") -> list[str]:
    return [key async for key in blobs.list(folder)]


async def test_what_is_put_is_there_until_it_is_deleted(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "not" / "yet")
    await blobs.put("a/b/one", b"1")
    await blobs.put("a/b/one", b"2")
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)
    await blobs.put("a/two", tmp_path / "file")
    assert await blobs.get("a/b/one") == b"2"
    assert await blobs.get("a/two") == b"x" * 3_000_000
    await blobs.delete("a/b/one")
    await blobs.delete("a/b/one")
    await blobs.delete("never")
    with pytest.raises(BlobMissing):
        await blobs.get("a/b/one")
    assert await keys(blobs) == ["a/two"]


async def test_keys_are_listed_below_a_folder(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    assert await keys(blobs) == []
    for key in ("a/b/2", "a/b/10", "a/bc/1", "d"):
        await blobs.put(key, b"")
    assert await keys(blobs) == ["a/b/10", "a/b/2", "a/bc/1", "d"]
    assert await keys(blobs, "a/b") == ["a/b/10", "a/b/2"]
    assert await keys(blobs, "d") == await keys(blobs, "nothing") == []


async def test_no_key_leads_out(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "in")
    (tmp_path / "out").write_text("secret")
    for key in ("../out", "/etc/passwd", ".drafts/x"):
        with pytest.raises(BlobKeyRefused):
            await blobs.get(key)
        with pytest.raises(BlobKeyRefused):
            await blobs.put(key, b"")
        with pytest.raises(BlobKeyRefused):
            await blobs.delete(key)
    await blobs.put("a", b"")
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    for access in (blobs.get("link/out"), blobs.put("link/out", b""), blobs.delete("link/out")):
        with pytest.raises(BlobError, match="leads out"):
            await access
    assert await keys(blobs) == ["a"]
    assert (tmp_path / "out").read_text() == "secret"


async def test_a_put_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    await blobs.put("a", b"before")
    with pytest.raises(BlobError):
        await blobs.put("a", tmp_path / "missing")
    with pytest.raises(BlobError):
        await blobs.put("a/b", b"")
    assert await blobs.get("a") == b"before"
    with pytest.raises(BlobMissing):
        await blobs.get("a/b")
    assert list((tmp_path / "blobs" / DRAFTS).iterdir()) == []


async def test_readers_see_the_old_or_the_new_never_a_part(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    contents = [bytes([n]) * 1_000_000 for n in range(5)]
    await blobs.put("a", contents[0])
    writing = asyncio.gather(*(blobs.put("a", content) for content in contents))
    seen = 0
    while not writing.done():
        assert await blobs.get("a") in contents
        seen += 1
    await writing
    assert seen


async def test_drafts_of_killed_processes_are_swept(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    await blobs.put("a", b"")
    old, young = tmp_path / DRAFTS / "old", tmp_path / DRAFTS / "young"
    for draft in (old, young):
        draft.write_bytes(b"half")
    os.utime(old, (1, 1))
    blobs = FolderBlobs(tmp_path)  # the next process
    await blobs.put("b", b"")
    assert (old.exists(), young.exists()) == (False, True)
    assert await keys(blobs) == ["a", "b"]


async def test_entries_come_in_order_with_their_times(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    for key in ("b/1", "b-x/1", "b.json", "b/1-x", "b0", "a"):
        await blobs.put(key, b"")
    os.utime(tmp_path / "b" / "1", (86_400, 86_400))
    entries = [entry async for entry in blobs.entries("")]
    assert [entry.key for entry in entries] == sorted(["b/1", "b-x/1", "b.json", "b/1-x", "b0", "a"])
    times = {entry.key: entry.kept_at for entry in entries}
    assert times.pop("b/1") == datetime(1970, 1, 2, tzinfo=UTC)
    assert all(abs(datetime.now(UTC) - kept_at) < timedelta(minutes=5) for kept_at in times.values())


async def test_what_is_listed_may_be_deleted_meanwhile(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    for number in range(20):
        await blobs.put(f"a/{number % 3}/{number}", b"")
    async for key in blobs.list("a"):
        await blobs.delete(key)
    assert await keys(blobs) == []


async def test_folders_go_with_the_last_that_lay_in_them(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "in")
    await blobs.put("a/b/c/1", b"")
    await blobs.put("a/2", b"")
    await blobs.delete("a/b/c/1")
    assert [path.name for path in (tmp_path / "in" / "a").iterdir()] == ["2"]
    await blobs.delete("a/2")
    assert [path.name for path in (tmp_path / "in").iterdir()] == [DRAFTS]


async def test_a_folder_that_goes_while_something_is_put_into_it_is_made_again(tmp_path: Path) -> None:
    here, elsewhere = FolderBlobs(tmp_path), FolderBlobs(tmp_path)

    async def put_and_delete(blobs: Blobs, name: str) -> None:
        for number in range(60):
            await blobs.put(f"a/b/c/{name}{number}", b"x")
            await blobs.delete(f"a/b/c/{name}{number}")
        await blobs.put(f"a/b/c/{name}", b"x")

    await asyncio.gather(put_and_delete(here, "x"), put_and_delete(elsewhere, "y"))
    assert await keys(here) == ["a/b/c/x", "a/b/c/y"]


async def test_no_folder_is_made_behind_a_link_that_leads_out(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "in")
    await blobs.put("a", b"")
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "out")
    with pytest.raises(BlobError, match="leads out"):
        await blobs.put("link/deeper/1", b"")
    assert list((tmp_path / "out").iterdir()) == []
