"""A dojo from its creation to its end, as its host runs it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from edge.dojos import access, join_codes, names, seats
from edge.dojos.bell import Bell
from edge.dojos.ending import end
from edge.dojos.refusals import over
from edge.dojos.states import NotPossible, Status, step
from edge.dojos.views import CreatedDojo, DojoDetail, DojoView, created_dojo, dojo_detail, dojo_view
from edge.identity.me import shown_name
from kernel import audit
from kernel.http.fields import Instant, Name, Text
from kernel.http.operation import SIGNED_IN, Call, Operation, Role
from kernel.http.problem import Problem

CREATORS: Final = frozenset({Role.ADMIN, Role.HOST, Role.MEMBER})
OPEN_DOJOS: Final = 100
"""Of one person, scheduled and active: a term of weekly dojos, but no queue without an end."""
CODE_CHARACTERS: Final = 100_000
BODY_BYTES: Final = 1_300_000
"""`CODE_CHARACTERS` written with twelve bytes each, as JSON may, and the rest."""

Language = Annotated[str, Meta(min_length=1, max_length=50, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
Code = Annotated[str, Meta(max_length=CODE_CHARACTERS, pattern=r"^[^\x00]*$(?!\n)")]
Seats = Annotated[int, Meta(ge=1, le=seats.SEATS)]


class NewDojo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What is to be. Without `scheduledStartTime`, or with one that has passed, it begins at once."""

    name: Name
    description: Text = ""
    language: Language
    max_participants: Seats | None = None
    scheduled_start_time: Instant | None = None
    is_private: bool = True
    initial_code: Code = ""
    waiting_room: bool = False
    """Who joins by code, or just comes, waits until the host admits them."""
    allow_guests: bool = False
    """People without an account may join by code."""


class DojoChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What is left out stays as it is. `scheduledStartTime` and `initialCode` change only before the start."""

    name: Name | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    max_participants: Seats | UnsetType | None = UNSET
    scheduled_start_time: Instant | UnsetType = UNSET
    is_private: bool | UnsetType = UNSET
    initial_code: Code | UnsetType = UNSET
    waiting_room: bool | UnsetType = UNSET
    allow_guests: bool | UnsetType = UNSET


class EndQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How it ended."""

    outcome: Literal["COMPLETED", "FAILED"] = "COMPLETED"


_COLUMNS: Final = (
    "name",
    "description",
    "language",
    "max_participants",
    "scheduled_start_time",
    "is_private",
    "initial_code",
    "waiting_room",
    "allow_guests",
)


class Lifecycle:
    """Creating, changing, starting and ending dojos."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell

    def operations(self) -> tuple[Operation, ...]:
        path, one, tag = "/api/v1/dojos", "/api/v1/dojos/{dojoId}", "dojos"
        host: Mapping[str, int] = {"not_host": 403}
        impossible = {**host, "not_possible": 409}
        ended = {**host, "dojo_over": 409}
        new = {"invalid_name": 400, "too_many_dojos": 409}
        change = {**ended, "invalid_name": 400, "already_started": 409}
        return (
            Operation(
                "POST",
                path,
                self.create_dojo,
                access=CREATORS,
                tag=tag,
                status=201,
                problems=new,
                idempotent=True,
                body_bytes=BODY_BYTES,
            ),
            Operation("GET", one, self.get_dojo, access=SIGNED_IN, tag=tag),
            Operation(
                "PATCH", one, self.change_dojo, access=SIGNED_IN, tag=tag, problems=change, body_bytes=BODY_BYTES
            ),
            Operation("PUT", one + "/start", self.start_dojo, access=SIGNED_IN, tag=tag, problems=impossible),
            Operation("PUT", one + "/lock", self.lock_dojo, access=SIGNED_IN, tag=tag, problems=ended),
            Operation("PUT", one + "/unlock", self.unlock_dojo, access=SIGNED_IN, tag=tag, problems=ended),
            Operation("PUT", one + "/end", self.end_dojo, access=SIGNED_IN, tag=tag, problems=impossible),
            Operation("PUT", one + "/cancel", self.cancel_dojo, access=SIGNED_IN, tag=tag, problems=impossible),
        )

    async def create_dojo(self, call: Call[NewDojo, None]) -> CreatedDojo:
        """Open or schedule a dojo.

        The caller is its host. Its first room is made with it. The join code is shown in this answer only,
        and in its repetitions under the same idempotency key.
        """
        db, caller, body = call.db, call.caller, call.body
        open_now = await db.fetchval(
            "SELECT count(*) FROM dojos WHERE tenant_id = $1 AND creator_id = $2 AND status IN ('SCHEDULED', 'ACTIVE')",
            caller.tenant,
            caller.user,
        )
        if open_now >= OPEN_DOJOS:
            raise Problem(409, "too_many_dojos", f"end or cancel one of your {OPEN_DOJOS} open dojos first")
        code = join_codes.new_code()
        starts = body.scheduled_start_time
        scheduled = starts is not None and starts > datetime.now(UTC)
        dojo = await db.fetchval(
            "INSERT INTO dojos (tenant_id, creator_id, name, description, language, max_participants,"
            " scheduled_start_time, is_private, initial_code, waiting_room, allow_guests, join_code_hash, status,"
            " started_at) VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, now()), $8, $9, $10, $11, $12, $13::text,"
            " CASE WHEN $13::text = 'ACTIVE' THEN now() END) RETURNING dojo_id",
            caller.tenant,
            caller.user,
            shown_name(body.name),
            body.description,
            shown_name(body.language),
            body.max_participants,
            starts,
            body.is_private,
            body.initial_code,
            body.waiting_room,
            body.allow_guests,
            join_codes.hashed(code),
            (Status.SCHEDULED if scheduled else Status.ACTIVE).value,
        )
        await db.execute(
            "INSERT INTO dojo_rooms (tenant_id, dojo_id, name, sensei_id, is_main) VALUES ($1, $2, $3, $4, true)",
            caller.tenant,
            dojo,
            shown_name(body.name),
            caller.user,
        )
        shown = names.member_name(caller.name)
        await db.execute(
            "INSERT INTO dojo_participants (tenant_id, dojo_id, user_id, shown_name, name_key, role)"
            " VALUES ($1, $2, $3, $4, $5, 'HOST')",
            caller.tenant,
            dojo,
            caller.user,
            shown,
            names.key(shown),
        )
        await audit.note(call, "dojo.created", dojo, {"private": body.is_private, "guests": body.allow_guests})
        return await created_dojo(db, caller.tenant, dojo, join_codes.shown(code))

    async def get_dojo(self, call: Call[None, None]) -> DojoDetail:
        """A dojo, its rooms, and who is in it."""
        row = await access.seen(call)
        return await dojo_detail(call.db, call.caller.tenant, row["dojo_id"])

    async def change_dojo(self, call: Call[DojoChange, None]) -> DojoView:
        """Change a dojo that has not ended. Who is in stays in, also when it becomes private or smaller."""
        row, tenant = await access.managed(call), call.caller.tenant
        status = Status(row["status"])
        if status.over:
            raise over()
        changes = {name: getattr(call.body, name) for name in _COLUMNS if getattr(call.body, name) is not UNSET}
        for name in ("name", "language"):
            if name in changes:
                changes[name] = shown_name(changes[name])
        changes = {name: value for name, value in changes.items() if value != row[name]}
        if status is not Status.SCHEDULED and changes.keys() & {"scheduled_start_time", "initial_code"}:
            raise Problem(409, "already_started", "start time and initial code change only before the start")
        if changes:
            columns = ", ".join(f"{name} = ${at}" for at, name in enumerate(changes, start=3))
            await call.db.execute(
                f"UPDATE dojos SET {columns}, updated_at = now() WHERE tenant_id = $1 AND dojo_id = $2",  # noqa: S608 - names of ours
                tenant,
                row["dojo_id"],
                *changes.values(),
            )
            await audit.note(call, "dojo.changed", row["dojo_id"], {"fields": ",".join(sorted(changes))})
            await self._bell.after_commit(call, row["dojo_id"])
        return await dojo_view(call.db, tenant, row["dojo_id"])

    async def start_dojo(self, call: Call[None, None]) -> DojoView:
        """Begin a scheduled dojo, whatever the hour. One that has begun stays so."""
        return await self._become(call, Status.ACTIVE)

    async def end_dojo(self, call: Call[None, EndQuery]) -> DojoView:
        """End a dojo: its rooms close, its join code is void, and its guests are out.

        The code of every room is kept as a snapshot.
        """
        return await self._become(call, Status(call.query.outcome))

    async def cancel_dojo(self, call: Call[None, None]) -> DojoView:
        """Cancel a dojo that has not begun."""
        return await self._become(call, Status.CANCELLED)

    async def lock_dojo(self, call: Call[None, None]) -> DojoView:
        """Let nobody new in. Who has a seat keeps it and may come back."""
        return await self._lock(call, locked=True)

    async def unlock_dojo(self, call: Call[None, None]) -> DojoView:
        """Let people in again."""
        return await self._lock(call, locked=False)

    async def _lock(self, call: Call[None, None], *, locked: bool) -> DojoView:
        row, tenant = await access.managed(call), call.caller.tenant
        if Status(row["status"]).over:
            raise over()
        if row["locked"] != locked:
            await call.db.execute(
                "UPDATE dojos SET locked = $3, updated_at = now() WHERE tenant_id = $1 AND dojo_id = $2",
                tenant,
                row["dojo_id"],
                locked,
            )
            await audit.note(call, "dojo.locked" if locked else "dojo.unlocked", row["dojo_id"])
            await self._bell.after_commit(call, row["dojo_id"])
        return await dojo_view(call.db, tenant, row["dojo_id"])

    async def _become(self, call: Call[Any, Any], wanted: Status) -> DojoView:
        row, tenant = await access.managed(call), call.caller.tenant
        dojo = row["dojo_id"]
        try:
            changes = step(Status(row["status"]), wanted)
        except NotPossible as impossible:
            raise Problem(409, "not_possible", str(impossible)) from None
        if changes and wanted.over:
            await end(call.db, tenant, dojo, Status(row["status"]), wanted)
        elif changes:
            await call.db.execute(
                "UPDATE dojos SET status = 'ACTIVE', updated_at = now(), started_at = now()"
                " WHERE tenant_id = $1 AND dojo_id = $2",
                tenant,
                dojo,
            )
        if changes:
            await audit.note(call, f"dojo.{_DONE[wanted]}", dojo)
            await self._bell.after_commit(call, dojo)
        return await dojo_view(call.db, tenant, dojo)


_DONE: Final = {
    Status.ACTIVE: "started",
    Status.COMPLETED: "completed",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
}
