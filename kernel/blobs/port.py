"""What a store of large content can do, and which keys it takes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

LONGEST_KEY: Final = 512
"""Characters. S3 takes 1,024 bytes; a folder's name may lie in a long path."""

_PART: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)


class BlobError(Exception):
    """The store could not do it; the text says why. Worth another try later, unless it is a `BlobMissing`."""


class BlobMissing(BlobError):
    """Nothing is kept under this key."""


class BlobKeyRefused(ValueError):
    """Not a key: parts of letters, digits, `.`, `_` and `-`, none beginning with `.` or `-`, joined by single `/`."""


def checked_key(key: str) -> str:
    """`key` as it is. Raises `BlobKeyRefused`: what passes names a place below any root, the same in every
    store."""
    if len(key) > LONGEST_KEY or not all(_PART.fullmatch(part) for part in key.split("/")):
        raise BlobKeyRefused(f"not a key for a blob: {key[:80]!r}")
    return key


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a blob without reading it."""

    key: str
    kept_at: datetime
    """When it was put last (UTC), by the store's clock."""


class Blobs(Protocol):
    """A store. All of it may raise `BlobError`, and `BlobKeyRefused` before anything is touched."""

    async def put(self, key: str, content: bytes | Path) -> None:
        """Keep `content` (a `Path`: what that file holds) under `key`, whole or not at all; what was there is replaced.

        On return it is durable. Putting the same again is harmless, so a failed try may simply be repeated.
        """

    async def get(self, key: str) -> bytes:
        """What is kept under `key`. Raises `BlobMissing`."""

    def list(self, folder: str) -> AsyncIterator[str]:
        """Every key below `folder` (`a/b` lists `a/b/c`, never `a/bc`; `""` lists all), in order of the text.

        What comes or goes meanwhile may be in it or not. Deleting what was listed is no trouble.
        """

    def entries(self, folder: str) -> AsyncIterator[Entry]:
        """The same with times."""

    async def delete(self, key: str) -> None:
        """Keep it no longer. It is no error if it is not there."""
