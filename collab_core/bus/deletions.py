"""A room's delete set in eight bytes: no state vector shows a deletion."""

from __future__ import annotations

import hashlib

from collab_core.log import RoomLog
from collab_core.wire.id_ranges import DeleteSet


class Deletions:
    """The hash of one room's, worked out once per version of the room."""

    def __init__(self, log: RoomLog) -> None:
        self._log = log
        self._version = -1
        self._hash = b""

    @property
    def hash(self) -> bytes:
        """Of what is deleted at this moment."""
        if self._version != self._log.version:
            self._version = self._log.version
            self._hash = hash_of(self._log.deleted)
        return self._hash


def hash_of(deleted: DeleteSet) -> bytes:
    """Eight bytes that are equal for equal delete sets, in whatever order they were made."""
    digest = hashlib.blake2b(digest_size=8)
    for client in sorted(deleted):
        if ranges := list(deleted[client]):
            digest.update(repr((client, ranges)).encode())
    return digest.digest()
