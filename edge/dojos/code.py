"""The code in a room, now and at any time."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from edge.dojos.files import File, files_of
from edge.dojos.past import HISTORY_DROPPED, gone, milliseconds, seen_room
from edge.dojos.replay.keyframes import NotReplayable, extend, reach, seek
from edge.dojos.replay.player import texts_in
from edge.dojos.replay.rows import state_now
from kernel.http.fields import Instant
from kernel.http.operation import SIGNED_IN, Call, Operation
from kernel.http.problem import not_found

Path = Annotated[str, Meta(min_length=1, max_length=255)]


class Files(msgspec.Struct, frozen=True):
    """The files of a room."""

    files: list[File]


class FilesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`at` is the moment; left out, it is now."""

    at: Instant | None = None


class TextQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`at` is the moment; left out, it is now."""

    file: Path
    at: Instant | None = None


class FileText(msgspec.Struct, frozen=True):
    """What a file said."""

    file: str
    text: str
    language: str | None
    at: Instant | None


class Code:
    """Reading a room's files."""

    def operations(self) -> tuple[Operation, ...]:
        room = "/api/v1/dojos/{dojoId}/rooms/{roomId}"
        return (
            Operation(
                "GET", f"{room}/files", self.list_room_files, access=SIGNED_IN, tag="dojos", problems=HISTORY_DROPPED
            ),
            Operation(
                "GET", f"{room}/text", self.get_room_text, access=SIGNED_IN, tag="dojos", problems=HISTORY_DROPPED
            ),
        )

    async def list_room_files(self, call: Call[None, FilesQuery]) -> Files:
        """The files of a room, now or at a moment."""
        texts, described = await self._at(call, call.query.at)
        return Files(files_of(described, texts))

    async def get_room_text(self, call: Call[None, TextQuery]) -> FileText:
        """What a file of a room says, or said at a moment."""
        query = call.query
        texts, described = await self._at(call, query.at)
        file = next((each for each in files_of(described, texts) if each.path == query.file), None)
        if file is None:
            raise not_found()
        text = texts.get(query.file, "")  # of a file that nobody has typed in yet there is a name only
        return FileText(query.file, text, file.language, query.at)

    @staticmethod
    async def _at(call: Call[Any, Any], at: datetime | None) -> tuple[dict[str, str], Any]:
        await seen_room(call)
        tenant, room = call.caller.tenant, call.ids["roomId"]
        if at is None:
            return await texts_now(call.db, tenant, room)
        at_ms = milliseconds(at)
        await extend(call.db, tenant, room)
        try:
            sought = await seek(call.db, tenant, room, at_ms, await reach(call.db, tenant, room))
        except NotReplayable as error:
            raise gone(error) from None
        return await asyncio.to_thread(texts_in, sought.state)


async def texts_now(db: Any, tenant: UUID, room: UUID) -> tuple[dict[str, str], Any]:
    """Path -> text of every file as the journal has it now, and the map of files. What was typed in the last
    milliseconds may not be committed yet."""
    return await asyncio.to_thread(texts_in, await state_now(db, tenant, room))
