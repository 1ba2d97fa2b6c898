"""Edits that were taken, so that one that is sent again after a lost connection is not made twice."""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from edge.live.json.messages import CodeUpdate

REMEMBERED = 4_096
"""Edits of one room. A client has one in flight, so this outlives a lost connection of everyone in a full room."""


class Applied:
    """Who sent what to which version. A client that sends one again sends the same `seq`, `baseVersion` and text."""

    def __init__(self) -> None:
        self._edits: OrderedDict[tuple[object, ...], int] = OrderedDict()

    def find(self, user: UUID, file: str, update: CodeUpdate) -> int | None:
        """The journal position of this edit if it was taken before."""
        return self._edits.get(_key(user, file, update))

    def note(self, user: UUID, file: str, update: CodeUpdate, position: int) -> None:
        """It was taken. Edits without `seq` and `baseVersion` cannot be told apart and are forgotten."""
        if update.seq is None or update.base_version is None:
            return
        self._edits[_key(user, file, update)] = position
        if len(self._edits) > REMEMBERED:
            self._edits.popitem(last=False)


def _key(user: UUID, file: str, update: CodeUpdate) -> tuple[object, ...]:
    edits = None if update.edits is None else tuple(update.edits)
    return user, file, update.seq, update.base_version, hash((update.content, edits))
