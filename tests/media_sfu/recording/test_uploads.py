from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kernel.blobs.folder import FolderBlobs
from kernel.blobs.port import BlobError
from media_sfu.recording import uploads as module
from media_sfu.recording.leftovers import Upload
from media_sfu.recording.uploads import AT_ONCE, Uploader

DEADLINE_SECONDS = 10.0


class Slow(FolderBlobs):
    """A store whose door is opened by the test."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.door = asyncio.Event()
        self.inside = 0
        self.most = 0
        self.failures = 0

    async def put(self, key: str, content: bytes | Path) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.door.wait()
            if self.failures:
                self.failures -= 1
                raise BlobError("not now")
            await super().put(key, content)
        finally:
            self.inside -= 1


async def until_idle(uploader: Uploader) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while uploader.waiting:  # noqa: ASYNC110 - no event of its own
            await asyncio.sleep(0.005)


async def test_few_go_at_once_and_files_are_gone_when_they_are_there(tmp_path: Path) -> None:
    blobs = Slow(tmp_path / "blobs")
    uploader = Uploader(blobs)
    uploader.start()
    for n in range(20):
        path = tmp_path / f"{n}"
        path.write_bytes(bytes([n]))
        uploader.add(Upload(path, f"key/{n}", keep=n == 0))
    async with asyncio.timeout(DEADLINE_SECONDS):
        while blobs.inside < AT_ONCE:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    blobs.door.set()
    await until_idle(uploader)
    assert blobs.most == AT_ONCE
    assert [await blobs.get(f"key/{n}") for n in range(20)] == [bytes([n]) for n in range(20)]
    assert [n for n in range(20) if (tmp_path / f"{n}").exists()] == [0]
    await uploader.close(1.0)


async def test_two_of_one_key_never_overtake_each_other(tmp_path: Path) -> None:
    blobs = Slow(tmp_path / "blobs")
    uploader = Uploader(blobs)
    uploader.start()
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    uploader.add(Upload(old, "key"))
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not blobs.inside:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    uploader.add(Upload(new, "key"))
    blobs.door.set()
    await until_idle(uploader)
    assert await blobs.get("key") == b"new"
    assert blobs.most == 1
    await uploader.close(1.0)


async def test_it_is_tried_again_with_growing_pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", (0.001, 0.01))
    blobs = Slow(tmp_path / "blobs")
    blobs.door.set()
    blobs.failures = 12
    uploader = Uploader(blobs)
    uploader.start()
    (tmp_path / "file").write_bytes(b"x")
    uploader.add(Upload(tmp_path / "file", "ours/key"))
    while blobs.failures > 10:  # noqa: ASYNC110 - until a try or two have failed
        await asyncio.sleep(0.001)
    assert uploader.fails("ours")
    assert uploader.waits("ours")
    assert not uploader.fails("theirs")
    await until_idle(uploader)
    assert await blobs.get("ours/key") == b"x"
    assert not uploader.fails("ours")
    assert not uploader.waits("ours")
    await uploader.close(1.0)


async def test_what_is_not_uploaded_in_time_stays_on_the_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    uploader = Uploader(Slow(tmp_path / "blobs"))
    uploader.start()
    (tmp_path / "file").write_bytes(b"x")
    uploader.add(Upload(tmp_path / "file", "key"))
    await uploader.close(0.05)
    assert "1 files stay for the next start" in caplog.text
    assert (tmp_path / "file").exists()
