"""Who did how much in a room: characters typed and deleted, time present."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from collab_core.engine import EngineRefused
from collab_core.wire.lib0 import WireError
from collab_core.wire.update import walk
from edge.dojos.replay.edits import Edit, code_units
from edge.dojos.replay.keyframes import extend, reach, seek
from edge.dojos.replay.player import Player
from edge.dojos.replay.rows import PAGE_ROWS, KeptRow, owners_now, page_of
from edge.dojos.replay.stream import SLICE_ENTRIES
from edge.dojos.seed import seed_client


@dataclass(slots=True)
class Typed:
    """How much each person typed and deleted in one room, in UTF-16 code units."""

    typed: Counter[UUID] = field(default_factory=Counter)
    deleted: Counter[UUID] = field(default_factory=Counter)
    complete: bool = True
    """False if a part of it is not kept any more."""

    def note(self, user: UUID, edits: Iterable[Edit]) -> None:
        """Add one change."""
        for edit in edits:
            self.typed[user] += code_units(edit.insert.encode())
            self.deleted[user] += edit.end - edit.start


async def count_typed(db: Any, tenant: UUID, room: UUID) -> Typed:
    """Play all that is kept of a room's journal; some 60 us for each entry, in slices. `db` speaks for the tenant. The
    room's initial code was typed by nobody."""
    counted = Typed()
    await extend(db, tenant, room)  # for whoever comes next; counting needs the first keyframe at most
    reached = await reach(db, tenant, room)
    counted.complete = reached.complete
    if reached.since_ms is None:
        return counted
    first = reached.frames[0]
    sought = await seek(db, tenant, room, first.last_ms, reached)
    owners = await owners_now(db, tenant, room)
    try:
        player = Player(sought.before_state, owners.user_of)
    except EngineRefused:
        counted.complete = False
        return counted
    after = first.position
    played = 0
    while True:
        page = await page_of(db, tenant, room, after)
        for row in page:
            seeded = played == 0 and _is_seed(row, room)
            for entry in row.entries:
                for change in player.play(entry):
                    if not seeded:
                        counted.note(change.user_id, change.edits)
                played += 1
                if played % SLICE_ENTRIES == 0:
                    await asyncio.sleep(0)
        if len(page) < PAGE_ROWS:
            return counted
        after = page[-1].position


def _is_seed(row: KeptRow, room: UUID) -> bool:
    try:
        return {section.client for section in walk(row.entries[0].update).sections} == {seed_client(room)}
    except WireError:
        return False


def presence(stays: Iterable[tuple[UUID, datetime, datetime]]) -> dict[UUID, float]:
    """Seconds that each person was there, from (who, from when, to when); in two rooms at once counts once."""
    by_person: dict[UUID, list[tuple[datetime, datetime]]] = {}
    for user, began, ended in stays:
        by_person.setdefault(user, []).append((began, ended))
    present: dict[UUID, float] = {}
    for user, spans in by_person.items():
        seconds = 0.0
        reached: datetime | None = None
        for began, ended in sorted(spans):
            start = began if reached is None else max(began, reached)
            seconds += max(0.0, (ended - start).total_seconds())
            reached = ended if reached is None else max(reached, ended)
        present[user] = seconds
    return present
