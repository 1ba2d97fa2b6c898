"""What the HTTP API asks of the node that has a room open: restoring a snapshot.

A command is a row. Any node that has the room open may carry it out; the row's lock sees to it that one does.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from collab_core.engine import EngineRefused
from collab_core.identity import RoomKey
from collab_core.intake import NotTaken
from collab_core.room import Room
from edge.dojos.files import FILE_ROOT
from edge.live.json.difference import difference
from kernel.database import tenant_scope

ACQUIRE_SECONDS: Final = 5.0
"""How long a command waits for a database connection."""

logger = logging.getLogger(__name__)

# A restoration whose room nobody opens waits for whoever does. SKIP LOCKED: another node is at it.
_NEXT: Final = """
SELECT command_id, user_id, payload FROM dojo_room_commands
WHERE tenant_id = $1 AND room_id = $2 AND done_at IS NULL AND kind = 'RESTORE'
ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_CODE: Final = "SELECT code FROM dojo_code_snapshots WHERE tenant_id = $1 AND room_id = $2 AND snapshot_id = $3"
_DONE: Final = (
    "UPDATE dojo_room_commands SET done_at = clock_timestamp(), outcome = $3 WHERE tenant_id = $1 AND command_id = $2"
)


class _Restore(msgspec.Struct):
    snapshot: UUID


class RoomCommands:
    """Carries out commands in rooms that this node has open. `rooms` are those, as the hub keeps them; `pool` has
    connections of the services' role."""

    def __init__(self, pool: Any, rooms: Mapping[RoomKey, Room]) -> None:
        self._pool = pool
        self._rooms = rooms

    async def run(self, key: RoomKey) -> int:
        """Carry out what waits for this room; how many. To be called when the room is opened, when its bell rings, and
        at each look. Raises what asyncpg raises: then what was not done is still there."""
        done = 0
        try:
            while key in self._rooms and await self._run_one(key):
                done += 1
        except _Closed:
            pass
        except NotTaken as error:
            logger.warning("a snapshot could not be restored in room %s, it will be tried again: %s", key, error)
        return done

    async def _run_one(self, key: RoomKey) -> bool:
        async with tenant_scope(self._pool, key.tenant, acquire_seconds=ACQUIRE_SECONDS) as db:
            room_id = UUID(key.room)
            command = await db.fetchrow(_NEXT, key.tenant, room_id)
            if command is None:
                return False
            restore = msgspec.json.decode(command["payload"], type=_Restore)
            code = await db.fetchval(_CODE, key.tenant, room_id, restore.snapshot)
            outcome = "DONE" if code is not None else "GONE"
            await db.execute(_DONE, key.tenant, command["command_id"], outcome)
            # The edits come last: had the row's change failed, they would be made again.
            room = self._rooms.get(key)
            if room is None:
                raise _Closed  # undone with the transaction: whoever opens the room next does it
            if code is not None:
                restore_files(room, command["user_id"], msgspec.json.decode(code, type=dict[str, str]))
            return True


class _Closed(Exception):
    """The room left this node meanwhile."""


def restore_files(room: Room, user: UUID, files: Mapping[str, str]) -> None:
    """Make the files of a room say what `files` (path -> text) say, as edits of `user`: what is equal stays, so cursors
    and undo of others do. Other files stay as they are. Raises `NotTaken`; files already done stay done, and doing it
    again changes nothing in them."""
    for path, text in sorted(files.items()):
        name = FILE_ROOT + path
        try:
            splices = difference(room.view.text(name), text)
        except EngineRefused as error:
            raise NotTaken("no document can be had of this room") from error
        if splices:
            room.compose(user, name, splices)
