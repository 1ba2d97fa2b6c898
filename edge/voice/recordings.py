"""Recordings end: those of people who were removed, and those whose time is over.

What is to go is told by the store itself and by numbers that stay in Postgres, and nothing is ever marked as done: a
pass that failed, or a file that comes late from the disk of a voice process that was away, is for the next pass.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from kernel.blobs.port import Blobs, Entry
from kernel.blobs.removal import Removed, remove

AT_ONCE_FOR: Final = timedelta(days=1)
"""How long the dojos of somebody who was removed are looked through every time. A room that they were recorded in may
be recorded on, and what is kept of them there is put once more when that ends; whatever comes later waits for a
`sweep`."""

Numbers = Mapping[tuple[UUID, UUID], Collection[int]]
"""Participants' numbers, by tenant and dojo."""

_UUID: Final = "([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_FILE: Final = re.compile(rf"({_UUID}/{_UUID}/{_UUID}/{_UUID}/[^/]+)/([1-9][0-9]{{0,9}})(?:-[0-9]{{5,}}\.opus|\.json)")


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """What the key of a file says: `{tenant}/{dojo}/{room}/{recording}/{part}/{number}-{segment}.opus`, or the sidecar
    `{number}.json` beside it."""

    tenant: UUID
    dojo: UUID
    part: str
    """All before the last `/`: what one process recorded without an interruption."""
    number: int

    @classmethod
    def of(cls, key: str) -> RecordedFile | None:
        """None: it is something else, and none of ours."""
        found = _FILE.fullmatch(key)
        return None if found is None else cls(UUID(found[2]), UUID(found[3]), found[1], int(found[6]))


async def forget_removed(worker: Any, blobs: Blobs) -> Removed:
    """Delete what was recorded of people removed within `AT_ONCE_FOR`.

    `worker` is a connection of the worker's role. Raises what asyncpg raises, and `BlobError` when there is no list to
    be had; what could not be deleted is counted, and found again by the next pass.
    """
    numbers = await _removed(worker, AT_ONCE_FOR)
    removed = Removed()
    for tenant, dojo in numbers:
        removed += await remove(blobs, _of_people(blobs.entries(f"{tenant}/{dojo}"), numbers))
    return removed


async def sweep(worker: Any, blobs: Blobs, before: datetime) -> Removed:
    """Go through all recordings and delete those of people removed at any time, and parts of which nothing was kept
    since `before`. Raises as `forget_removed` does."""
    numbers = await _removed(worker, None)
    return await remove(blobs, _to_go(blobs.entries(""), numbers, before))


async def _removed(worker: Any, since: timedelta | None) -> Numbers:
    numbers: dict[tuple[UUID, UUID], set[int]] = {}
    for row in await worker.fetch("SELECT tenant_id, dojo_id, number FROM dojo_voice_removed($1)", since):
        numbers.setdefault((row["tenant_id"], row["dojo_id"]), set()).add(row["number"])
    return numbers


async def _of_people(entries: AsyncIterator[Entry], numbers: Numbers) -> AsyncIterator[str]:
    async for entry in entries:
        file = RecordedFile.of(entry.key)
        if file is not None and _is_of(file, numbers):
            yield entry.key


async def _to_go(entries: AsyncIterator[Entry], numbers: Numbers, before: datetime) -> AsyncIterator[str]:
    """A part goes as a whole: half of one, with a sidecar that names what is gone, is of use to nobody."""
    part: str | None = None
    old: list[str] = []  # of `part`, whose files come one after the other, as long as none is young
    young = False
    async for entry in entries:
        file = RecordedFile.of(entry.key)
        if file is None:
            continue
        if _is_of(file, numbers):
            yield entry.key
            continue
        if file.part != part:
            for key in old:
                yield key
            part, old, young = file.part, [], False
        young = young or entry.kept_at >= before
        if young:
            old.clear()
        else:
            old.append(entry.key)
    for key in old:
        yield key


def _is_of(file: RecordedFile, numbers: Numbers) -> bool:
    return file.number in numbers.get((file.tenant, file.dojo), ())
