"""Roles, turns and formats over HTTP. Live nodes hear of each change, and change their sockets' rights."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from edge.dojos import access
from edge.dojos.bell import Bell
from edge.dojos.turns import actions
from edge.dojos.turns import commands as c
from edge.dojos.turns.actions import Action, MissingField, Seconds, Version
from edge.dojos.turns.commands import Command, Refused, Who
from edge.dojos.turns.copies import Copies
from edge.dojos.turns.state import MOST_WRITERS, Format, Rotation
from edge.dojos.turns.store import Contended, NoRoom, Order, RoomTurns, change, load
from edge.dojos.turns.view import RolesView, TurnView, roles_view, turn_view
from kernel.http.operation import SIGNED_IN, Call, Operation
from kernel.http.problem import Problem, busy, not_found

MOST_IN_ORDER: Final = 1000

_PROBLEMS: Final = {
    "not_host": 403,
    "not_pilot": 403,
    "not_in_room": 409,
    "nobody_here": 409,
    "not_running": 409,
    "already_running": 409,
    "turn_ending": 409,
    "turn_taken": 409,
    "bad_duration": 400,
    "bad_order": 400,
    "bad_roles": 400,
    "too_many": 400,
    "missing_field": 400,
    "no_such_sensei": 400,
    "stale_version": 409,
    "room_ended": 409,
    "contended": 503,
}


class TurnsView(msgspec.Struct, frozen=True, rename="camel"):
    """Roles and turn of a room."""

    room_id: UUID
    roles: RolesView
    turn: TurnView


class RolesChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is. In turn mode another pilot, or null, ends the turn, and null leaves a role to
    whoever is next. `version` is one that was seen: if roles or turn have changed since, nothing is done."""

    pilot: UUID | UnsetType | None = UNSET
    copilot: UUID | UnsetType | None = UNSET
    sensei: UUID | UnsetType | None = UNSET
    version: Version


class TurnAction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """`seconds` is the duration of turns for `start` (0: no end), and how long for `extend` and `break`. `to` is who is
    next for `hand_over`, `userId` who may write, or no longer, for `allow` and `disallow`."""

    action: Action
    seconds: Seconds | None = None
    to: UUID | None = None
    user_id: UUID | None = None
    version: Version | None = None
    """One that was seen: if roles or turn have changed since, nothing is done."""


class FormatChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What is left out stays as it is. `turnSeconds` counts from the next turn on; 0: turns end by hand only."""

    format: Format | None = None
    rotation: Rotation | None = None
    turn_seconds: Seconds | None = None
    order: Annotated[tuple[UUID, ...], Meta(max_length=MOST_IN_ORDER)] | None = None
    """Who is next, first come first; people left out follow as they are."""
    writers: Annotated[tuple[UUID, ...], Meta(max_length=MOST_WRITERS)] | None = None
    """Who may write besides the pilot."""
    version: Version | None = None


class TurnRoutes:
    """Bind `operations`."""

    def __init__(self, bell: Bell, copies: Copies) -> None:
        self._bell = bell
        self._copies = copies

    def operations(self) -> tuple[Operation, ...]:
        path, tag = "/api/v1/dojos/{dojoId}/rooms/{roomId}", "turns"
        return (
            Operation("GET", f"{path}/turns", self.get_turn, access=SIGNED_IN, tag=tag),
            Operation("POST", f"{path}/turns", self.act_on_turn, access=SIGNED_IN, tag=tag, problems=_PROBLEMS),
            Operation("PUT", f"{path}/roles", self.set_roles, access=SIGNED_IN, tag=tag, problems=_PROBLEMS),
            Operation("PUT", f"{path}/format", self.set_format, access=SIGNED_IN, tag=tag, problems=_PROBLEMS),
        )

    async def get_turn(self, call: Call[None, None]) -> TurnsView:
        """Roles and turn of a room."""
        await access.seen(call)
        return _view(await self._room(call))

    async def act_on_turn(self, call: Call[TurnAction, None]) -> TurnsView:
        """Start or end turns, stop their timer, or hand the keyboard over.

        The host, administrators and the room's sensei may do all of it, the pilot `skip` and `hand_over`, and everybody
        in the room may `take` a keyboard that nobody has. A pilot whose turn ends, and everybody who wrote freely
        before turns `start`, is heard out first, for a second at most: the answer then shows the turn ENDING.
        """
        body = call.body
        return await self._do(call, _command(body), body.version)

    async def set_roles(self, call: Call[RolesChange, None]) -> TurnsView:
        """Say who is pilot, copilot and sensei of a room."""
        body = call.body
        if isinstance(body.sensei, UUID):
            await _admitted(call, body.sensei)
        return await self._do(call, c.SetRoles(body.pilot, body.copilot, body.sensei), body.version)

    async def set_format(self, call: Call[FormatChange, None]) -> TurnsView:
        """Say how a room takes turns: its format, who is next, and for how long."""
        body = call.body
        command = c.SetFormat(body.format, body.rotation, body.turn_seconds, body.order, body.writers)
        return await self._do(call, command, body.version)

    async def _do(self, call: Call[Any, None], command: Command, version: int | None) -> TurnsView:
        dojo = await access.seen(call)
        room = await self._room(call)
        order = Order(command, Who(call.caller.user, leads=access.runs(call, dojo)), version)
        try:
            done = await change(call.db, room.tenant, room.room, [order])
        except Contended:
            raise busy("contended", "the room is being changed by many at once") from None
        (answer,) = done.answers
        if isinstance(answer, Refused):
            raise Problem(_PROBLEMS[answer.code], answer.code, answer.message)
        if done.saved:
            call.after_commit(partial(self._bell.ring, room.tenant, [room.room]))
            call.after_commit(partial(self._copies.write, done.after))
        return _view(done.after)

    async def _room(self, call: Call[Any, None]) -> RoomTurns:
        try:
            room = await load(call.db, call.caller.tenant, call.ids["roomId"])
        except NoRoom:
            raise not_found() from None
        if room.dojo != call.ids["dojoId"]:
            raise not_found()
        return room


def _view(room: RoomTurns) -> TurnsView:
    return TurnsView(room.room, roles_view(room.state, room.version), turn_view(room.state, room.version, room.read_at))


def _command(body: TurnAction) -> Command:
    try:
        return actions.command(body.action, seconds=body.seconds, to=body.to, user=body.user_id)
    except MissingField as missing:
        raise Problem(400, "missing_field", str(missing)) from None


async def _admitted(call: Call[Any, None], user: UUID) -> None:
    """Raises `Problem` unless `user` takes part in the dojo, or made it."""
    known = await call.db.fetchval(
        "SELECT EXISTS (SELECT FROM dojo_participants WHERE tenant_id = $1 AND dojo_id = $2 AND user_id = $3"
        " AND status = 'ADMITTED') OR EXISTS (SELECT FROM dojos WHERE tenant_id = $1 AND dojo_id = $2"
        " AND creator_id = $3)",
        call.caller.tenant,
        call.ids["dojoId"],
        user,
    )
    if not known:
        raise Problem(400, "no_such_sensei", "a sensei is somebody who takes part in the dojo")
