"""The rooms of a dojo: each a document, its chat and its roles, side by side."""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from edge.dojos import access, seats
from edge.dojos.bell import Bell
from edge.dojos.refusals import no_seat, over
from edge.dojos.seats import Newcomer, NoSeat
from edge.dojos.states import Status
from edge.dojos.turns.store import end_turns
from edge.dojos.views import ROOMS, RoomStatus, RoomView, room_view
from edge.identity.me import shown_name
from kernel import audit
from kernel.http.fields import Name
from kernel.http.operation import SIGNED_IN, Call, Operation
from kernel.http.pagination import Page, PageQuery, page_of
from kernel.http.problem import Problem, not_found

ROOMS_OF_A_DOJO: Final = 50
"""Pairs of a hundred people. The bell names all of them in one message."""


class NewRoom(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What the challenge is, and who looks after it: the caller, if nobody is named."""

    name: Name
    sensei_id: UUID | None = None


class RoomQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    status: RoomStatus | None = None
    sort_order: Literal["asc", "desc"] = "asc"
    sort_by: Literal["createdAt", "name"] = "createdAt"


class EnteredRoom(RoomView, frozen=True, kw_only=True, rename="camel"):
    """A room, and whether one is let in."""

    participant_status: Literal["WAITING", "ADMITTED"]


class CompleteQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the challenge was met."""

    outcome: Literal["FINISHED", "FAILED"] = "FINISHED"


_ORDER: Final = {"createdAt": "r.created_at", "name": "lower(r.name)"}


class Rooms:
    """Making rooms, going in and out, and closing them."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell

    def operations(self) -> tuple[Operation, ...]:
        path, tag = "/api/v1/dojos/{dojoId}/rooms", "rooms"
        one = path + "/{roomId}"
        create = {"not_host": 403, "dojo_over": 409, "too_many_rooms": 409, "invalid_name": 400, "not_in_dojo": 409}
        join = {
            "removed": 403,
            "dojo_over": 409,
            "dojo_full": 409,
            "dojo_locked": 409,
            "room_over": 409,
        }
        return (
            Operation(
                "POST",
                path,
                self.create_room,
                access=SIGNED_IN,
                tag=tag,
                status=201,
                problems=create,
                idempotent=True,
            ),
            Operation("GET", path, self.list_rooms, access=SIGNED_IN, tag=tag),
            Operation("GET", one, self.get_room, access=SIGNED_IN, tag=tag),
            Operation("PUT", one + "/join", self.join_room, access=SIGNED_IN, tag=tag, problems=join),
            Operation("PUT", one + "/leave", self.leave_room, access=SIGNED_IN, tag=tag),
            Operation(
                "PUT",
                one + "/complete",
                self.complete_room,
                access=SIGNED_IN,
                tag=tag,
                problems={"not_sensei": 403, "room_over": 409},
            ),
        )

    async def create_room(self, call: Call[NewRoom, None]) -> RoomView:
        """Open another room in a dojo."""
        dojo, tenant = await access.managed(call), call.caller.tenant
        if Status(dojo["status"]).over:
            raise over()
        count = await call.db.fetchval(
            "SELECT count(*) FROM dojo_rooms WHERE tenant_id = $1 AND dojo_id = $2", tenant, dojo["dojo_id"]
        )
        if count >= ROOMS_OF_A_DOJO:
            raise Problem(409, "too_many_rooms", f"a dojo has at most {ROOMS_OF_A_DOJO} rooms")
        sensei = call.body.sensei_id
        if sensei is not None and not await _in_dojo(call.db, tenant, dojo["dojo_id"], sensei):
            raise Problem(409, "not_in_dojo", "the sensei must be a participant of the dojo")
        room = await call.db.fetchval(
            "INSERT INTO dojo_rooms (tenant_id, dojo_id, name, sensei_id, created_at)"
            " VALUES ($1, $2, $3, $4, clock_timestamp()) RETURNING room_id",
            tenant,
            dojo["dojo_id"],
            shown_name(call.body.name),
            sensei or call.caller.user,
        )
        await audit.note(call, "dojo.room_created", room, {"dojo": str(dojo["dojo_id"])})
        await self._bell.after_commit(call, dojo["dojo_id"])
        return await _view(call, room)

    async def list_rooms(self, call: Call[None, RoomQuery]) -> Page[RoomView]:
        """The rooms of a dojo, with who pilots."""
        dojo, query = await access.seen(call), call.query
        given = (call.caller.tenant, dojo["dojo_id"], query.status)
        total = await call.db.fetchval(
            "SELECT count(*) FROM dojo_rooms WHERE tenant_id = $1 AND dojo_id = $2"
            " AND ($3::text IS NULL OR status = $3)",
            *given,
        )
        rows = await call.db.fetch(
            f"{ROOMS} AND r.dojo_id = $2 AND ($3::text IS NULL OR r.status = $3)"
            f" ORDER BY {_ORDER[query.sort_by]} {query.sort_order}, r.room_id LIMIT $4 OFFSET $5",
            *given,
            query.page_size,
            query.offset,
        )
        return page_of([room_view(row) for row in rows], query, total)

    async def get_room(self, call: Call[None, None]) -> RoomView:
        """One room."""
        await access.seen(call)
        return await _view(call, call.ids["roomId"])

    async def join_room(self, call: Call[None, None]) -> EnteredRoom:
        """Go into a room, taking a seat in its dojo if one has none.

        `participantStatus` WAITING: the host must admit one first, and one is in no room yet.
        """
        caller, dojo, room = call.caller, call.ids["dojoId"], call.ids["roomId"]
        if await _status(call) is None:
            raise not_found()
        who = Newcomer(caller.user, caller.name, caller.role)
        try:
            seat = await seats.take(call.db, caller.tenant, dojo, who)
        except NoSeat as none:
            raise no_seat(none.why) from None
        if seat.waiting:
            # An answer and no problem: that would undo their place in the waiting room.
            await self._bell.after_commit(call, dojo)
            return await _entered(call, "WAITING")
        if await _status(call) != "ACTIVE":
            raise _room_over()
        came = await call.db.fetchval(
            "INSERT INTO dojo_room_participants (tenant_id, room_id, user_id, joined_at)"
            " VALUES ($1, $2, $3, clock_timestamp())"
            " ON CONFLICT (tenant_id, room_id, user_id) WHERE left_at IS NULL DO NOTHING RETURNING true",
            caller.tenant,
            room,
            caller.user,
        )
        if came:
            await self._bell.after_commit(call, dojo)
        return await _entered(call, "ADMITTED")

    async def leave_room(self, call: Call[None, None]) -> RoomView:
        """Go out of a room.

        Whoever is in no other room of the dojo gives the seat back, unless they host it: to change rooms, go into the
        next one first. Sockets that one has open in the room are closed.
        """
        await access.seen(call)
        view = await _view(call, call.ids["roomId"])
        caller = call.caller
        if not await seats.leave_room(call.db, caller.tenant, view.dojo_id, view.room_id, caller.user, by_choice=True):
            return view
        await self._bell.after_commit(call, view.dojo_id)
        return await _view(call, view.room_id)

    async def complete_room(self, call: Call[None, CompleteQuery]) -> RoomView:
        """Close a room: nothing in it changes any more."""
        dojo, tenant, room = await access.seen(call), call.caller.tenant, call.ids["roomId"]
        row = await call.db.fetchrow(
            "SELECT status, sensei_id FROM dojo_rooms WHERE tenant_id = $1 AND dojo_id = $2 AND room_id = $3"
            " FOR NO KEY UPDATE",
            tenant,
            dojo["dojo_id"],
            room,
        )
        if row is None:
            raise not_found()
        if row["sensei_id"] != call.caller.user and not access.runs(call, dojo):
            raise Problem(403, "not_sensei", "only the sensei, the host and administrators may close a room")
        if row["status"] == call.query.outcome:
            return await _view(call, room)
        if row["status"] != "ACTIVE":
            raise _room_over()
        await end_turns(call.db, tenant, room)
        await call.db.execute(
            "UPDATE dojo_rooms SET status = $3, ended_at = now() WHERE tenant_id = $1 AND room_id = $2",
            tenant,
            room,
            call.query.outcome,
        )
        await call.db.execute(
            "UPDATE dojo_room_participants SET left_at = clock_timestamp()"
            " WHERE tenant_id = $1 AND room_id = $2 AND left_at IS NULL",
            tenant,
            room,
        )
        await audit.note(call, "dojo.room_completed", room, {"outcome": call.query.outcome})
        await self._bell.after_commit(call, dojo["dojo_id"])
        return await _view(call, room)


def _room_over() -> Problem:
    return Problem(409, "room_over", "this room is closed")


async def _status(call: Call[Any, Any]) -> str | None:
    status: str | None = await call.db.fetchval(
        "SELECT status FROM dojo_rooms WHERE tenant_id = $1 AND dojo_id = $2 AND room_id = $3",
        call.caller.tenant,
        call.ids["dojoId"],
        call.ids["roomId"],
    )
    return status


async def _in_dojo(db: Any, tenant: UUID, dojo: UUID, user: UUID) -> bool:
    return bool(
        await db.fetchval(
            "SELECT EXISTS (SELECT FROM dojo_participants WHERE tenant_id = $1 AND dojo_id = $2 AND user_id = $3"
            " AND status = 'ADMITTED')",
            tenant,
            dojo,
            user,
        )
    )


async def _entered(call: Call[Any, Any], status: Literal["WAITING", "ADMITTED"]) -> EnteredRoom:
    view = await _view(call, call.ids["roomId"])
    return EnteredRoom(**msgspec.structs.asdict(view), participant_status=status)


async def _view(call: Call[Any, Any], room: UUID) -> RoomView:
    """Raises `Problem` 404 for a room of another dojo."""
    row = await call.db.fetchrow(
        ROOMS + " AND r.dojo_id = $2 AND r.room_id = $3", call.caller.tenant, call.ids["dojoId"], room
    )
    if row is None:
        raise not_found()
    return room_view(row)
