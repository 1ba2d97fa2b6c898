"""The journal's port: where accepted updates become durable.

The journal is append-only and any node may append: an edit needs no leader, no lock, no lease. What a row
holds is exactly what arrived, one entry per update in arrival order, so that authorship survives; merging
is for the wire and for the base only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from collab_core.identity import RoomKey

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
MARK_BYTES: Final = 8


class Entry(NamedTuple):
    """One accepted update. `author` is who sent it; `at_ms` is Unix time in milliseconds on the accepting node's clock.

    `healed`: it may bring what others wrote, see `collab_core.authorship`. What it inserts is then not for sure its
    author's; what it deletes is.

    `mark`: `MARK_BYTES` by which an edit made on somebody's behalf is known if they send it again, see
    `collab_core.marks`; empty: it has none.
    """

    author: UUID
    at_ms: int
    update: bytes
    healed: bool = False
    mark: bytes = b""


class Row(NamedTuple):
    """What one group commit holds of one room. (`epoch`, `sequence`) is unique over all nodes and times:
    the epoch is one process's life, the sequence counts its rows."""

    key: RoomKey
    epoch: UUID
    sequence: int
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A room as the journal knows it, read in one statement: the base (`b""` if there is none yet) and all unfolded
    rows. The rows' order is not causal: merge their updates as bytes before a document sees them.

    `owners` says whose structs the base holds (`collab_core.owners`). `moment` is when this was read, by the store's
    clock, for `Journal.since`."""

    base: bytes
    rows: Sequence[Row] = ()
    owners: bytes = b""
    moment: datetime = BEGINNING

    @property
    def entries(self) -> list[Entry]:
        """Who sent the rows' updates, and when."""
        return [entry for row in self.rows for entry in row.entries]

    @property
    def updates(self) -> list[bytes]:
        """The rows' updates."""
        return [entry.update for row in self.rows for entry in row.entries]


class JournalUnavailable(Exception):
    """The store could not be reached or refused the statement; whether a commit happened is unknown."""


Fold = Callable[[bytes, Sequence[bytes]], bytes]
"""(base, updates) -> new base. Pure; the journal calls it inside the compaction's transaction."""


class Journal(Protocol):
    """A durable, append-only log of updates. Every method raises `JournalUnavailable` when the store is away."""

    async def load(self, key: RoomKey) -> Loaded:
        """Base plus unfolded rows of one room, in one statement."""
        ...

    async def since(self, key: RoomKey, moment: datetime) -> Loaded:
        """What `load` gives, without what was there already when a former answer of that `moment` was read. May give
        some of that again: a row that was being committed then has an earlier time than its commit. The base is given
        (else `b""`) if anything was folded since."""
        ...

    async def append(self, rows: Sequence[Row]) -> None:
        """Commit the rows in one transaction. A row whose (epoch, sequence) is there already is left alone,
        so that a retry after an unknown outcome is safe."""
        ...

    async def compact(self, key: RoomKey, fold: Fold) -> int:
        """Fold exactly the rows read into a new base, in one transaction under the room's advisory lock, and move
        them to the history. Returns how many rows were folded; 0 if another node holds the lock. Whose structs they
        bring goes to the owners, in the same transaction."""
        ...

    async def close(self) -> None:
        """Give back all connections."""
        ...
