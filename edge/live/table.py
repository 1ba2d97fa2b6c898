"""Roles and turns of one open room, between its connections and `edge.dojos.turns.watch`.

The watch holds the state and carries commands out; here is who is told of it, whose edits it lets through, and a
handover as the connections see it that lose the keyboard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec
from msgspec.structs import replace

from collab_core.admission import Dialect
from collab_core.member import Member
from edge.dojos.turns import actions
from edge.dojos.turns import commands as c
from edge.dojos.turns.actions import MissingField
from edge.dojos.turns.commands import SYSTEM, Applied, Command, Refused, Who
from edge.dojos.turns.handover import Ending, Phase, ending
from edge.dojos.turns.rights import may_write
from edge.dojos.turns.state import Mode, TurnState, loses
from edge.dojos.turns.store import NoRoom, RoomTurns
from edge.dojos.turns.view import TurnView, milliseconds, roles_view, turn_view
from edge.dojos.turns.watch import TurnsAway
from edge.live import outgoing
from edge.live.incoming import Complaint, RaiseHand, RoleRequest, TurnFlushed, TurnRequest
from edge.live.outgoing import Message
from edge.live.place import SeatedAdmission
from edge.live.stage import Stage

Request = TurnRequest | RoleRequest | RaiseHand | TurnFlushed


class Relay:
    """Who listens to a room's turns, once the room is open: the watch keeps it from before that on."""

    def __init__(self) -> None:
        self.target: Callable[[RoomTurns | None, RoomTurns], None] | None = None

    def __call__(self, before: RoomTurns | None, after: RoomTurns) -> None:
        if self.target is not None:
            self.target(before, after)


class Turns(Protocol):
    """The turns of all rooms: `edge.dojos.turns.watch.Watch`, or what stands in for it."""

    def now(self) -> datetime: ...

    def held(self, tenant: UUID, room: UUID) -> RoomTurns | None: ...

    def enter(self, tenant: UUID, room: UUID, user: UUID, *, able: bool) -> None: ...

    def leave(self, tenant: UUID, room: UUID, user: UUID) -> None: ...

    async def ask(
        self, tenant: UUID, room: UUID, command: Command, who: Who = SYSTEM, expected: int | None = None
    ) -> Applied | Refused: ...

    def shut(self, tenant: UUID, room: UUID) -> None: ...


class Table:
    """The turns of one room on this node."""

    def __init__(
        self,
        watch: Turns,
        node: str,
        stage: Stage,
        relay: Relay,
        members: Mapping[int, Member],
        *,
        tell_all: Callable[[Message], None],
        roles_changed: Callable[[], None],
        own: Callable[[Coroutine[object, object, None], str], None],
    ) -> None:
        """`node` as the watch calls this one. `members` are the room's connections, as they are at any moment."""
        self._watch = watch
        self._node = node
        self._stage = stage
        self._relay = relay
        self._members = members
        self._tell_all = tell_all
        self._roles_changed = roles_changed
        self._own = own
        self._held = watch.held(stage.tenant, stage.room)  # at hand: it is asked for each edit
        self._ending: Ending[int] | None = None
        self._cut: asyncio.TimerHandle | None = None
        relay.target = self._changed

    # Rights

    def may_write(self, member: Member) -> bool:
        """Whether this member's edits are taken now, as far as turns say."""
        held = self._held
        if held is None:
            return False
        state = held.state
        if state.mode is Mode.FREE and state.handover is None:
            return True
        user, now = member.admission.user, self._watch.now()
        if not may_write(state, user, able=_able(member), now=now):
            return False
        if self._ending is None or not loses(state, user) or user in state.writers:
            return True
        return self._ending.may_write(member.number, now)

    def roles(self) -> Mapping[UUID, str]:
        """PILOT, COPILOT or SENSEI of those who are one."""
        held = self._held
        if held is None:
            return {}
        state = held.state
        of = ((state.sensei, "SENSEI"), (state.copilot, "COPILOT"), (state.pilot, "PILOT"))
        return {user: role for user, role in of if user is not None}

    def messages(self) -> Sequence[Message]:
        """ROLES and TURN as they are."""
        held = self._held
        return [] if held is None else [_roles(held), self._turn(held)]

    # Coming and going

    def joined(self, member: Member) -> None:
        """A connection is there, or is something else now."""
        user = member.admission.user
        self._watch.enter(self._stage.tenant, self._stage.room, user, able=self._able_here(user))
        held = self._held
        # Who comes while free writing ends has nothing on its way.
        if held is not None and held.state.mode is Mode.TURN and loses(held.state, user) and _able(member):
            self._let_finish(held, [member])

    def left(self, member: Member) -> None:
        """A connection is gone: nothing more can come of it."""
        if self._ending is not None:
            self._ending = self._ending.without(member.number)
            self._see_ending()
        user = member.admission.user
        if any(other.admission.user == user for other in self._members.values()):
            self._watch.enter(self._stage.tenant, self._stage.room, user, able=self._able_here(user))
        else:
            self._watch.leave(self._stage.tenant, self._stage.room, user)

    def gone(self, user: UUID) -> None:
        """Somebody was sent away: no grace."""
        self._watch.leave(self._stage.tenant, self._stage.room, user)
        self._own(self._ask(None, c.Gone(user), c.SYSTEM, None), "somebody is gone")

    def close(self) -> None:
        """The room leaves this node."""
        self._relay.target = None
        self._watch.shut(self._stage.tenant, self._stage.room)
        if self._cut is not None:
            self._cut.cancel()

    # What people want

    def asked(self, member: Member, request: Request) -> None:
        """Somebody wants something about the turn. Raises `Complaint` for what makes no sense."""
        if isinstance(request, TurnFlushed):
            self._flushed(member, request)
            return
        admission = member.admission
        assert isinstance(admission, SeatedAdmission)
        who = Who(admission.user, leads=admission.place.leads)
        command = self._command(who, request)
        expected = None if isinstance(request, RaiseHand) else request.version
        if command is not None:
            self._own(self._ask(member, command, who, expected, request.ref), "turn request")

    def _command(self, who: Who, request: TurnRequest | RoleRequest | RaiseHand) -> Command | None:
        if isinstance(request, RaiseHand):
            return c.Hand(request.raised)
        if isinstance(request, RoleRequest):
            return self._role(who, request)
        try:
            return actions.command(request.action, seconds=request.seconds, to=request.to, user=request.user_id)
        except MissingField as missing:
            raise Complaint("invalid_message", str(missing)) from None

    def _role(self, who: Who, request: RoleRequest) -> Command | None:
        """For oneself it is what is free, or given up; for somebody else, the host's to say."""
        held = self._held
        user = request.user_id or who.user
        state = held.state if held is not None else TurnState()
        leads = who.leads or who.user == state.sensei
        if not leads and user == who.user and request.role in ("PILOT", "COPILOT"):
            return c.Take(copilot=request.role == "COPILOT")
        match request.role:
            case "PILOT":
                return c.SetRoles(pilot=user)
            case "COPILOT":
                return c.SetRoles(copilot=user)
            case "SENSEI":
                return c.SetRoles(sensei=user)
        if user == state.pilot:
            return c.Skip()
        if user == state.copilot:
            return c.SetRoles(copilot=None)
        return c.SetRoles(sensei=None) if user == state.sensei else None

    async def _ask(
        self, member: Member | None, command: Command, who: Who, expected: int | None, ref: str | None = None
    ) -> None:
        complaint: Complaint | None = None
        try:
            answer = await self._watch.ask(self._stage.tenant, self._stage.room, command, who, expected)
            if isinstance(answer, Refused):
                complaint = Complaint(answer.code, answer.message)
        except (NoRoom, TurnsAway):
            complaint = Complaint("turns_unavailable", "roles and turns cannot be changed at the moment; try again")
        if complaint is not None and member is not None:
            member.say(outgoing.error(complaint, ref))

    # What has changed

    def _changed(self, before: RoomTurns | None, after: RoomTurns) -> None:
        self._held = after
        state = after.state
        if before is None or _shown_roles(before) != _shown_roles(after):
            self._tell_all(_roles(after))
            self._roles_changed()
        if before is None or self._shown_turn(before) != self._shown_turn(after):
            self._tell_all(self._turn(after))
        if state.handover is None:
            self._ending = None
            if self._cut is not None:
                self._cut.cancel()
                self._cut = None
        elif self._ending is None or self._ending.turn_number != state.turn_number:
            self._ending = ending(state.turn_number, state.handover.cut_at, ())
            free = state.mode is Mode.FREE
            losing = [member for member in self._members.values() if loses(state, member.admission.user)]
            self._let_finish(after, [each for each in losing if (_writes(each) if free else _able(each))])

    def _let_finish(self, held: RoomTurns, losing: Sequence[Member]) -> None:
        """The keyboard changes hands: tell the connections that lose it, and hear them out. Who cannot be told, having
        a plain client or a socket that is full, gets the whole time."""
        handover = held.state.handover
        assert handover is not None
        waiting = self._ending.waiting if self._ending is not None else frozenset()
        self._ending = ending(held.state.turn_number, handover.cut_at, waiting | {member.number for member in losing})
        now = self._watch.now()
        for member in losing:
            member.say(
                {
                    "type": "turn.ending",
                    "number": held.state.turn_number,
                    "cutAt": milliseconds(handover.cut_at),
                    "serverTime": milliseconds(now),
                }
            )
        if self._cut is None:
            seconds = max(0.0, (handover.cut_at - now).total_seconds())
            self._cut = asyncio.get_running_loop().call_later(seconds, self._cut_off)
        self._see_ending()

    def _flushed(self, member: Member, answer: TurnFlushed) -> None:
        if self._ending is not None:
            number = self._ending.turn_number if answer.number is None else answer.number
            self._ending = self._ending.answered(member.number, number)
            self._see_ending()

    def _cut_off(self) -> None:
        self._cut = None
        self._see_ending(cut=True)

    def _see_ending(self, *, cut: bool = False) -> None:
        """Say that all is in that connections here have sent which lose the keyboard, once it is."""
        held, over = self._held, self._ending
        if held is None or over is None or held.state.handover is None:
            return
        if self._node not in held.state.handover.waiting:
            return
        if cut or over.phase(self._watch.now()) is not Phase.ENDING:
            self._own(self._ask(None, c.Flushed(self._node, over.turn_number), c.SYSTEM, None), "turn flushed")

    def _able_here(self, user: UUID) -> bool:
        return any(member.admission.user == user and _able(member) for member in self._members.values())

    def _turn(self, held: RoomTurns) -> Message:
        return _message("TURN", turn_view(held.state, held.version, self._watch.now()))

    def _shown_turn(self, held: RoomTurns) -> TurnView:
        """What of a turn is news: not the time that passes."""
        view = turn_view(held.state, 0, held.read_at)
        return replace(view, server_time=0, remaining_ms=None if view.ends_at is not None else view.remaining_ms)


def _able(member: Member) -> bool:
    """Whether it is a client that can take a turn: one that can be told that it is over."""
    return member.dialect is not Dialect.YJS and _writes(member)


def _writes(member: Member) -> bool:
    """Whether it writes when everybody does."""
    return member.admission.can_write


def _roles(held: RoomTurns) -> Message:
    return _message("ROLES", roles_view(held.state, held.version))


def _shown_roles(held: RoomTurns) -> object:
    return roles_view(held.state, 0)


def _message(kind: str, view: msgspec.Struct) -> Message:
    fields: dict[str, Any] = msgspec.to_builtins(view)
    return {"type": kind, **fields}
