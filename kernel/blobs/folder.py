"""Blobs in a folder on a disk: a file each, at the path its key says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Final

from kernel.blobs.port import BlobError, BlobMissing, checked_key

DRAFTS: Final = ".drafts"
"""Where files are written before they get their name; no key begins with a dot."""
DRAFT_SECONDS: Final = 24 * 3600.0
"""A draft older than this was left by a process that was killed: no write takes a day."""


class FolderBlobs:
    """A store (`kernel.blobs.port.Blobs`) below `root`, which is made at the first `put`.

    A key that is also the folder of another (`a` and `a/b`) cannot be kept: the second `put` raises `BlobError`.
    Several processes may share the folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._swept = False

    async def put(self, key: str, content: bytes | Path) -> None:
        """See `Blobs.put`."""
        path = self._path(key)
        await asyncio.to_thread(self._put, path, content)

    async def get(self, key: str) -> bytes:
        """See `Blobs.get`."""
        return await asyncio.to_thread(self._get, key, self._path(key))

    async def list(self, folder: str) -> AsyncIterator[str]:
        """See `Blobs.list`."""
        start = self._path(folder) if folder else self._root
        for key in await asyncio.to_thread(self._keys, start):
            yield key

    async def delete(self, key: str) -> None:
        """See `Blobs.delete`. The folders it lay in stay: another `put` may be about to use them."""
        await asyncio.to_thread(self._delete, self._path(key))

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*checked_key(key).split("/"))

    def _put(self, path: Path, content: bytes | Path) -> None:
        try:
            drafts = self._root / DRAFTS
            _make_folder(drafts)
            self._sweep(drafts)
            _make_folder(path.parent)
            self._must_lie_inside(path)
            draft = drafts / secrets.token_hex(16)
            try:
                _write(draft, content)
                draft.rename(path)
            finally:
                draft.unlink(missing_ok=True)
            _sync_folder(path.parent)
        except OSError as error:
            raise BlobError(f"cannot write {path}: {error.strerror}") from error

    def _get(self, key: str, path: Path) -> bytes:
        try:
            self._must_lie_inside(path)
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise BlobMissing(f"no blob {key}") from error
        except OSError as error:
            raise BlobError(f"cannot read {path}: {error.strerror}") from error

    def _keys(self, start: Path) -> Sequence[str]:
        try:
            return sorted(path.relative_to(self._root).as_posix() for path in _files(start))
        except OSError as error:
            raise BlobError(f"cannot list {start}: {error.strerror}") from error

    def _delete(self, path: Path) -> None:
        try:
            self._must_lie_inside(path)
            path.unlink()
            _sync_folder(path.parent)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return
        except OSError as error:
            raise BlobError(f"cannot delete {path}: {error.strerror}") from error

    def _must_lie_inside(self, path: Path) -> None:
        """No key leads out by its text; a symbolic link somebody put into the folder might."""
        if not path.parent.resolve().is_relative_to(self._root.resolve()):
            raise BlobError(f"{path} leads out of {self._root}: remove the symbolic link")

    def _sweep(self, drafts: Path) -> None:
        if self._swept:
            return
        self._swept = True
        oldest = time.time() - DRAFT_SECONDS
        for draft in list(drafts.iterdir()):
            with contextlib.suppress(FileNotFoundError):  # another put gave it its name just now
                if draft.lstat().st_mtime < oldest:
                    draft.unlink()


def _files(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry))
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry)


def _write(draft: Path, content: bytes | Path) -> None:
    with draft.open("xb") as file:
        if isinstance(content, Path):
            with content.open("rb") as source:
                shutil.copyfileobj(source, file)
        else:
            file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _make_folder(folder: Path) -> None:
    """A folder and those above it, each durable: a file is only found again if the names that lead to it are."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
