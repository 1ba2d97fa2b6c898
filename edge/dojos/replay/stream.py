"""A replay as JSON lines, for a player.

    {"type": "header", ...}                           people, turns, from when to when
    {"type": "keyframe", "at": ms, "files": {...}}    all files, first of all and every few thousand changes
    {"type": "change", "at": ms, "userId", "file", "edits": [{"from", "to", "insert"}]}
    {"type": "end", "changes": n}                     without this line the replay is not whole

A player that is at a keyframe has exactly its files. Times are Unix milliseconds and never go back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta

from collab_core.engine import EngineRefused
from collab_core.journal.port import Entry
from collab_core.owners import Owners
from edge.dojos.files import File
from edge.dojos.past import HISTORY_DROPPED, gone, milliseconds, seen_room
from edge.dojos.replay.keyframes import NotReplayable, Sought, extend, reach, seek
from edge.dojos.replay.player import Player
from edge.dojos.replay.rows import KeptRow, owners_now, rows_after
from kernel.http.fields import Instant
from kernel.http.operation import SIGNED_IN, Call, Operation
from kernel.http.problem import busy
from kernel.http.streaming import Streamed

MEDIA_TYPE: Final = "application/x-ndjson"
FORMAT: Final = "dojo-replay/1"
AT_ONCE: Final = 4
"""Replays of one process at the same time: each takes some 60 us of the event loop per change."""
WHOLE_SECONDS: Final = 900.0
KEYFRAME_CHANGES: Final = 2_000
"""Changes between two keyframes of the answer."""
PIECE_BYTES: Final = 64 * 1024
SLICE_ENTRIES: Final = 64
"""Entries played between two turns of the event loop: some 4 ms."""


class Person(msgspec.Struct, frozen=True, rename="camel"):
    """Somebody of the dojo."""

    user_id: UUID
    user_name: str
    is_guest: bool


class Turn(msgspec.Struct, frozen=True, rename="camel"):
    """A turn that has ended; times in Unix milliseconds."""

    number: int
    pilot: UUID
    copilot: UUID | None
    started_at: int
    ended_at: int


class Header(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="header"):
    """What a replay is of. `from` and `to` in Unix milliseconds: `to` is the last change that is known. Before
    `replayableFrom` nothing can be replayed; `complete` says that this is the room's beginning. `files` are those at
    `from`."""

    format: str
    dojo_id: UUID
    room_id: UUID
    from_: Annotated[int, Meta(ge=0)] = msgspec.field(name="from")
    to: int
    replayable_from: int
    complete: bool
    files: list[File]
    people: list[Person]
    turns: list[Turn]


class KeyframeLine(msgspec.Struct, frozen=True, tag_field="type", tag="keyframe"):
    """Path -> text of every file at a moment."""

    at: int
    files: dict[str, str]


class End(msgspec.Struct, frozen=True, tag_field="type", tag="end"):
    """Everything was sent."""

    changes: int


class ReplayQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`from` is where to begin; left out, as early as can be."""

    from_: Instant | None = msgspec.field(name="from", default=None)


class Replay:
    """`GET .../replay`. `pool` has connections of the services' role: the journal is read while the answer is sent."""

    def __init__(self, pool: Any, *, whole_seconds: float = WHOLE_SECONDS) -> None:
        self._pool = pool
        self._whole_seconds = whole_seconds
        self._running = 0

    def operations(self) -> tuple[Operation, ...]:
        return (
            Operation(
                "GET",
                "/api/v1/dojos/{dojoId}/rooms/{roomId}/replay",
                self.replay_room,
                access=SIGNED_IN,
                tag="dojos",
                problems={"invalid_query": 400, "replay_busy": 503, **HISTORY_DROPPED},
                cost=5.0,
                media_type=MEDIA_TYPE,
            ),
        )

    async def replay_room(self, call: Call[None, ReplayQuery]) -> web.StreamResponse:
        """Everything that was typed in a room, as JSON lines for a player.

        A header, the files at `from` (a keyframe), then each change with its time and author, and a keyframe now and
        then. The last line says `{"type": "end"}`: without it the replay was cut off. What is older than the retention
        of the journal cannot be replayed: the header's `replayableFrom` says from when on it can, and an earlier `from`
        is answered 410.
        """
        if self._running >= AT_ONCE:
            raise busy("replay_busy", "other replays are under way; try again in a few seconds", seconds=5)
        dojo, room = await seen_room(call)
        tenant, room_id, db = call.caller.tenant, room["room_id"], call.db
        await extend(db, tenant, room_id)
        reached = await reach(db, tenant, room_id)
        began = milliseconds(room["created_at"])
        since = began if reached.complete else reached.since_ms
        if since is None:
            raise gone(NotReplayable(None))
        from_ms = since if call.query.from_ is None else milliseconds(call.query.from_)
        try:
            sought = await seek(db, tenant, room_id, from_ms, reached)
        except NotReplayable as error:
            raise gone(error) from None
        owners = await owners_now(db, tenant, room_id)
        try:
            player, caught_up = _player(sought, owners)
        except EngineRefused:
            raise gone(NotReplayable(None)) from None
        header = Header(
            FORMAT,
            dojo["dojo_id"],
            room_id,
            from_ms,
            max(from_ms, milliseconds(reached.kept.last)) if reached.kept.last is not None else from_ms,
            since,
            reached.complete,
            player.files(),
            await people_of(db, tenant, dojo["dojo_id"]),
            await turns_of(db, tenant, room_id),
        )
        rows = rows_after(self._pool, tenant, room_id, sought.before.position)
        return Streamed(
            self._pieces(_Session(header, player, caught_up), rows),
            self._whole_seconds,
            headers={"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"},
        )

    async def _pieces(self, session: _Session, rows: AsyncGenerator[KeptRow]) -> AsyncGenerator[bytes]:
        """Lines, put together to pieces worth sending."""
        self._running += 1
        try:
            piece = session.begin()
            yield bytes(piece)  # what a player shows at once
            piece.clear()
            played = 0
            async with aclosing(rows):
                async for row in rows:
                    for entry in row.entries:
                        piece += session.play(entry)
                        played += 1
                        if played % SLICE_ENTRIES == 0:
                            await asyncio.sleep(0)
                        if len(piece) >= PIECE_BYTES:
                            yield bytes(piece)
                            piece.clear()
            piece += session.end()
            yield bytes(piece)
        finally:
            self._running -= 1


class _Session:
    """The lines of one replay, made one by one."""

    def __init__(self, header: Header, player: Player, caught_up: bool) -> None:
        """`caught_up`: the player holds all entries up to the header's `from` already."""
        self._header = header
        self._player = player
        self._caught_up = caught_up
        self._shown = False
        self._changes = 0
        self._at = header.from_

    def begin(self) -> bytearray:
        """The header, and the first keyframe if the player is there."""
        lines = bytearray(_line(self._header))
        if self._caught_up:
            lines += self._keyframe()
        return lines

    def play(self, entry: Entry) -> bytes:
        """What one entry changed, as lines."""
        if entry.at_ms <= self._header.from_:
            if not self._caught_up:
                self._player.play(entry)
            return b""
        lines = b"" if self._shown else self._keyframe()
        for change in self._player.play(entry):
            lines += _line(change)
            self._at = change.at
            self._changes += 1
            if self._changes % KEYFRAME_CHANGES == 0:
                # Not between two people's parts of one entry: the player's files hold both.
                self._shown = False
        return lines

    def end(self) -> bytes:
        """The last lines."""
        return (b"" if self._shown else self._keyframe()) + _line(End(self._changes))

    def _keyframe(self) -> bytes:
        self._shown = True
        return _line(KeyframeLine(self._at, self._player.texts()))


def _player(sought: Sought, owners: Owners) -> tuple[Player, bool]:
    """A player of the room as it was, and whether it is there already. An entry whose dependency came later, over
    another node, leaves a gap at some moments: then the player starts at the keyframe before. Raises `EngineRefused`.
    """
    try:
        return Player(sought.state, owners.user_of), True
    except EngineRefused:
        return Player(sought.before_state, owners.user_of), False


async def people_of(db: Any, tenant: UUID, dojo: UUID) -> list[Person]:
    """Everybody who ever had a place in a dojo, by name."""
    rows = await db.fetch(
        "SELECT user_id, shown_name, is_guest FROM dojo_participants WHERE tenant_id = $1 AND dojo_id = $2"
        " AND status IN ('ADMITTED', 'REMOVED', 'BANNED') ORDER BY shown_name, user_id",
        tenant,
        dojo,
    )
    return [Person(*row) for row in rows]


async def turns_of(db: Any, tenant: UUID, room: UUID) -> list[Turn]:
    """The turns of a room that have ended, in order."""
    rows = await db.fetch(
        "SELECT turn_number, pilot_id, copilot_id, started_at, ended_at FROM dojo_turns"
        " WHERE tenant_id = $1 AND room_id = $2 ORDER BY turn_number",
        tenant,
        room,
    )
    return [
        Turn(
            row["turn_number"],
            row["pilot_id"],
            row["copilot_id"],
            milliseconds(row["started_at"]),
            milliseconds(row["ended_at"]),
        )
        for row in rows
    ]


def _line(value: msgspec.Struct) -> bytes:
    return msgspec.json.encode(value) + b"\n"
