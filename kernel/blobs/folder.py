"""Blobs in a folder on a disk: a file each, at the path its key says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from kernel.blobs.port import BlobError, BlobMissing, Entry, checked_key
from kernel.durable_folder import sync_folder

DRAFTS: Final = ".drafts"
"""Where files are written before they get their name; no key begins with a dot."""
DRAFT_SECONDS: Final = 24 * 3600.0
"""A draft older than this was left by a process that was killed: no write takes a day."""

NAMING_TRIES: Final = 5
"""A folder that is made for a blob may go before the blob is in it, with the last one that another process deletes."""


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
        async for entry in self.entries(folder):
            yield entry.key

    async def entries(self, folder: str) -> AsyncIterator[Entry]:
        """See `Blobs.entries`. Holds one folder's names at a time, and those of the folders above it."""
        start = self._path(folder) if folder else self._root
        waiting: list[Entry | Path] = [start]
        while waiting:
            found = waiting.pop()
            if isinstance(found, Entry):
                yield found
            else:
                waiting += reversed(await asyncio.to_thread(self._entries, found))

    async def delete(self, key: str) -> None:
        """See `Blobs.delete`. Folders that are empty then go with it."""
        await asyncio.to_thread(self._delete, self._path(key))

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*checked_key(key).split("/"))

    def _put(self, path: Path, content: bytes | Path) -> None:
        try:
            drafts = self._root / DRAFTS
            _make_folder(drafts)
            self._sweep(drafts)
            self._must_lie_inside(path)
            draft = drafts / secrets.token_hex(16)
            try:
                _write(draft, content)
                _give_name(draft, path)
            finally:
                draft.unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):  # deleted just now, and its folder with it
                sync_folder(path.parent)
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

    def _entries(self, folder: Path) -> Sequence[Entry | Path]:
        """What is right below, in the order that the text of all keys has."""
        found: list[tuple[str, Entry | Path]] = []
        try:
            with os.scandir(folder) as names:
                for name in names:
                    if name.name.startswith("."):
                        continue
                    path = Path(name)
                    if name.is_dir(follow_symlinks=False):
                        found.append((name.name + "/", path))
                    elif name.is_file(follow_symlinks=False):
                        with contextlib.suppress(FileNotFoundError):  # deleted just now
                            kept_at = datetime.fromtimestamp(name.stat(follow_symlinks=False).st_mtime, UTC)
                            found.append((name.name, Entry(path.relative_to(self._root).as_posix(), kept_at)))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise BlobError(f"cannot list {folder}: {error.strerror}") from error
        return [entry for _, entry in sorted(found, key=lambda pair: pair[0])]

    def _delete(self, path: Path) -> None:
        try:
            self._must_lie_inside(path)
            path.unlink()
            with contextlib.suppress(FileNotFoundError):  # others deleted the last of it
                sync_folder(path.parent)
            self._remove_empty(path.parent)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return
        except OSError as error:
            raise BlobError(f"cannot delete {path}: {error.strerror}") from error

    def _remove_empty(self, folder: Path) -> None:
        """Else all folders of all that was ever kept would be gone through at every list."""
        with contextlib.suppress(OSError):  # not empty
            while folder != self._root:
                folder.rmdir()
                folder = folder.parent

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


def _give_name(draft: Path, path: Path) -> None:
    for left in reversed(range(NAMING_TRIES)):
        try:
            _make_folder(path.parent)
            draft.rename(path)
            return
        except FileNotFoundError:
            if not left:
                raise


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
    sync_folder(folder.parent)
