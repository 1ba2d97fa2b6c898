"""Snapshots: a room's code at a moment, kept by name, whatever the retention of the journal."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from collab_core.identity import RoomKey
from edge.dojos import access
from edge.dojos.bell import Bell
from edge.dojos.code import texts_now
from edge.dojos.comparison import FileChange, compare
from edge.dojos.past import seat_of, seen_room
from edge.dojos.states import Status
from kernel import audit
from kernel.http.fields import Instant
from kernel.http.operation import SIGNED_IN, Call, Operation
from kernel.http.pagination import Page, PageQuery, page_of
from kernel.http.problem import Problem, not_found

SNAPSHOT_BYTES: Final = 4 * 1024 * 1024
"""Of all files of one snapshot, as JSON."""
SNAPSHOTS: Final = 1_000
"""Of one room, on demand."""

log = logging.getLogger(__name__)

Reason = Literal["DEMAND", "RUN", "END"]


class Snapshot(msgspec.Struct, frozen=True, rename="camel"):
    """A snapshot without its code. `size` is in bytes; `userId` is null if nobody asked for it."""

    snapshot_id: UUID
    dojo_id: UUID
    room_id: UUID
    timestamp: Instant
    reason: Reason
    user_id: UUID | None
    size: int


class SnapshotCode(msgspec.Struct, frozen=True, rename="camel"):
    """A snapshot. `code` is path -> text of every file."""

    snapshot_id: UUID
    dojo_id: UUID
    room_id: UUID
    timestamp: Instant
    reason: Reason
    user_id: UUID | None
    code: dict[str, str]


class SnapshotQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    sort_by: Literal["timestamp"] = "timestamp"


class CompareQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`with` is a later snapshot of the room; left out, it is the code as it is now."""

    with_: UUID | None = msgspec.field(name="with", default=None)


class Comparison(msgspec.Struct, frozen=True):
    """The files that differ, by path."""

    files: list[FileChange]


class Restore(msgspec.Struct, frozen=True, rename="camel"):
    """A restoration: under way until there is an `outcome`, DONE or SUPERSEDED by a later one."""

    command_id: UUID
    room_id: UUID
    user_id: UUID
    created_at: Instant
    done_at: Instant | None
    outcome: str | None


_META: Final = "snapshot_id, dojo_id, room_id, timestamp, reason, user_id, octet_length(code) AS size"
_OF_ROOM: Final = " FROM dojo_code_snapshots WHERE tenant_id = $1 AND room_id = $2"
_COMMAND: Final = "command_id, room_id, user_id, created_at, done_at, outcome"
_INSERT: Final = (
    "INSERT INTO dojo_code_snapshots (tenant_id, dojo_id, room_id, reason, code, user_id)"  # noqa: S608 - a constant
    f" VALUES ($1, $2, $3, $4, $5, $6) RETURNING {_META}"
)


class TooLarge(Exception):
    """The files are more than a snapshot holds."""


async def take(db: Any, room: RoomKey, dojo: UUID, reason: Reason, user: UUID | None) -> Snapshot:
    """Keep the code of one of the dojo's rooms as the journal has it now, in the transaction of `db`, which speaks for
    the room's tenant. Raises `TooLarge`."""
    tenant, room_id = room.tenant, UUID(room.room)
    texts, _ = await texts_now(db, tenant, room_id)
    code = msgspec.json.encode(texts).decode()
    if len(code.encode()) > SNAPSHOT_BYTES:
        raise TooLarge(f"the files of a snapshot have {SNAPSHOT_BYTES} bytes at most")
    return _snapshot(await db.fetchrow(_INSERT, tenant, dojo, room_id, reason, code, user))


async def take_all(db: Any, tenant: UUID, dojo: UUID) -> int:
    """A snapshot of each room at the end of a dojo; how many. A room too large for one, or that no document can be had
    of, is left out: a dojo can always be ended."""
    rooms = await db.fetch("SELECT room_id FROM dojo_rooms WHERE tenant_id = $1 AND dojo_id = $2", tenant, dojo)
    taken = 0
    for row in rooms:
        try:
            await take(db, RoomKey(tenant, str(row["room_id"])), dojo, "END", None)
            taken += 1
        except (TooLarge, ValueError) as error:
            log.warning("no snapshot of room %s at its end: %s", row["room_id"], error)
    return taken


class Snapshots:
    """The routes of snapshots."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell

    def operations(self) -> tuple[Operation, ...]:
        room = "/api/v1/dojos/{dojoId}/rooms/{roomId}"
        snapshots, one = f"{room}/snapshots", f"{room}/snapshots/{{snapshotId}}"
        tag, access_ = "dojos", SIGNED_IN
        return (
            Operation(
                "POST",
                snapshots,
                self.take_snapshot,
                access=access_,
                tag=tag,
                status=201,
                idempotent=True,
                problems={"not_participant": 403, "too_many_snapshots": 409, "too_large": 413},
                cost=3.0,
            ),
            Operation("GET", snapshots, self.list_snapshots, access=access_, tag=tag),
            Operation("GET", one, self.get_snapshot, access=access_, tag=tag),
            Operation("GET", f"{one}/compare", self.compare_snapshot, access=access_, tag=tag, cost=3.0),
            Operation(
                "POST",
                f"{one}/restore",
                self.restore_snapshot,
                access=access_,
                tag=tag,
                status=202,
                idempotent=True,
                problems={"not_host": 403, "dojo_over": 409},
            ),
            Operation("GET", f"{room}/restores/{{commandId}}", self.get_restore, access=access_, tag=tag),
        )

    async def take_snapshot(self, call: Call[None, None]) -> Snapshot:
        """Keep the code of a room as it is now.

        It is what is saved: what was typed in the last milliseconds may be missing.
        """
        dojo, room = await seen_room(call)
        if not access.runs(call, dojo):
            await seat_of(call, dojo["dojo_id"])
        tenant, room_id = call.caller.tenant, room["room_id"]
        # Two requests at once must not pass the bound together.
        await call.db.execute(
            "SELECT FROM dojo_rooms WHERE tenant_id = $1 AND room_id = $2 FOR NO KEY UPDATE", tenant, room_id
        )
        count = await call.db.fetchval(f"SELECT count(*) {_OF_ROOM} AND reason = 'DEMAND'", tenant, room_id)
        if count >= SNAPSHOTS:
            raise Problem(409, "too_many_snapshots", f"a room has at most {SNAPSHOTS} snapshots")
        try:
            return await take(call.db, RoomKey(tenant, str(room_id)), dojo["dojo_id"], "DEMAND", call.caller.user)
        except TooLarge as error:
            raise Problem(413, "too_large", str(error)) from None

    async def list_snapshots(self, call: Call[None, SnapshotQuery]) -> Page[Snapshot]:
        """The snapshots of a room, without their code."""
        _, room = await seen_room(call)
        query = call.query
        given = (call.caller.tenant, room["room_id"])
        total = await call.db.fetchval(f"SELECT count(*) {_OF_ROOM}", *given)
        rows = await call.db.fetch(
            f"SELECT {_META} {_OF_ROOM} ORDER BY timestamp {query.sort_order}, snapshot_id LIMIT $3 OFFSET $4",
            *given,
            query.page_size,
            query.offset,
        )
        return page_of([_snapshot(row) for row in rows], query, total)

    async def get_snapshot(self, call: Call[None, None]) -> SnapshotCode:
        """A snapshot with its code."""
        await seen_room(call)
        row, code = await self._code(call, call.ids["snapshotId"])
        snapshot = _snapshot(row)
        return SnapshotCode(
            snapshot.snapshot_id,
            snapshot.dojo_id,
            snapshot.room_id,
            snapshot.timestamp,
            snapshot.reason,
            snapshot.user_id,
            code,
        )

    async def compare_snapshot(self, call: Call[None, CompareQuery]) -> Comparison:
        """What changed since a snapshot: until another one, or until now."""
        await seen_room(call)
        _, before = await self._code(call, call.ids["snapshotId"])
        if call.query.with_ is not None:
            _, after = await self._code(call, call.query.with_)
        else:
            after, _ = await texts_now(call.db, call.caller.tenant, call.ids["roomId"])
        return Comparison(await asyncio.to_thread(compare, before, after))

    async def restore_snapshot(self, call: Call[None, None]) -> Restore:
        """Bring a room's code back to a snapshot, as new edits.

        Whoever runs the dojo, the room's sensei and its pilot may. Everyone sees it as edits of the caller's, so
        nobody's undo breaks; files that the snapshot does not know stay as they are. The server that has the room open
        does it, usually at once, or as soon as somebody opens the room: ask for `restores/{commandId}` to know.
        """
        dojo, room = await seen_room(call)
        tenant, user, room_id = call.caller.tenant, call.caller.user, room["room_id"]
        turn = msgspec.json.decode(room["turn"], type=dict[str, Any])
        if not access.runs(call, dojo) and user != room["sensei_id"] and str(user) != turn.get("pilot"):
            raise Problem(403, "not_host", "only the host, the room's sensei and its pilot may do this")
        if Status(dojo["status"]).over or room["status"] != "ACTIVE":
            raise Problem(409, "dojo_over", "this room has ended")
        snapshot = call.ids["snapshotId"]
        await self._code(call, snapshot)
        await call.db.execute(
            "UPDATE dojo_room_commands SET done_at = clock_timestamp(), outcome = 'SUPERSEDED'"
            " WHERE tenant_id = $1 AND room_id = $2 AND kind = 'RESTORE' AND done_at IS NULL",
            tenant,
            room_id,
        )
        row = await call.db.fetchrow(
            "INSERT INTO dojo_room_commands (tenant_id, room_id, user_id, kind, payload)"  # noqa: S608 - a constant
            f" VALUES ($1, $2, $3, 'RESTORE', $4) RETURNING {_COMMAND}",
            tenant,
            room_id,
            user,
            msgspec.json.encode({"snapshot": snapshot}).decode(),
        )
        await audit.append(
            call.db,
            tenant=tenant,
            actor=user,
            action="dojo.snapshot_restored",
            target=snapshot,
            origin=call.origin,
        )
        call.after_commit(partial(self._bell.ring, tenant, [room_id]))
        return Restore(*row)

    async def get_restore(self, call: Call[None, None]) -> Restore:
        """How far a restoration is."""
        await seen_room(call)
        row = await call.db.fetchrow(
            f"SELECT {_COMMAND} FROM dojo_room_commands"  # noqa: S608 - a constant
            " WHERE tenant_id = $1 AND room_id = $2 AND command_id = $3 AND kind = 'RESTORE'",
            call.caller.tenant,
            call.ids["roomId"],
            call.ids["commandId"],
        )
        if row is None:
            raise not_found()
        return Restore(*row)

    @staticmethod
    async def _code(call: Call[Any, Any], snapshot: UUID) -> tuple[Any, dict[str, str]]:
        row = await call.db.fetchrow(
            f"SELECT {_META}, code {_OF_ROOM} AND snapshot_id = $3",
            call.caller.tenant,
            call.ids["roomId"],
            snapshot,
        )
        if row is None:
            raise not_found()
        return row, msgspec.json.decode(row["code"], type=dict[str, str])


def _snapshot(row: Any) -> Snapshot:
    return Snapshot(**{name: row[name] for name in Snapshot.__struct_fields__})
