"""What can be asked of a room's turns, and the answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from msgspec import UNSET, UnsetType

from edge.dojos.turns.state import Format, Rotation, TurnState


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks. `leads`: the dojo's host or an administrator; a room's sensei leads the room without it."""

    user: UUID | None
    leads: bool = False


SYSTEM: Final = Who(None, leads=True)
"""The service itself."""


# Of the host and the sensei


@dataclass(frozen=True, slots=True)
class Start:
    """Take turns from now on. `seconds` is a turn's duration, if it is to change."""

    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Everybody writes from now on."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop the timer. The pilot keeps the keyboard."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Let the timer run again, also out of a break."""


@dataclass(frozen=True, slots=True)
class Extend:
    """Give the turn `seconds` more."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Break:
    """Stop the timer for `seconds`. The pilot keeps the keyboard."""

    seconds: int


@dataclass(frozen=True, slots=True)
class SetRoles:
    """What is left out stays as it is; None leaves the role to nobody, or to whoever is next."""

    pilot: UUID | UnsetType | None = UNSET
    copilot: UUID | UnsetType | None = UNSET
    sensei: UUID | UnsetType | None = UNSET


@dataclass(frozen=True, slots=True)
class SetFormat:
    """What is None stays as it is. `order` may leave people out: they follow in the order they have. `seconds` counts
    from the next turn on."""

    format: Format | None = None
    rotation: Rotation | None = None
    seconds: int | None = None
    order: tuple[UUID, ...] | None = None
    writers: tuple[UUID, ...] | None = None


@dataclass(frozen=True, slots=True)
class Allow:
    """Let somebody write besides the pilot, or no longer."""

    user: UUID
    may: bool


# Of the pilot too


@dataclass(frozen=True, slots=True)
class Skip:
    """End this turn now."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """End this turn now; `to` is next."""

    to: UUID


# Of everybody


@dataclass(frozen=True, slots=True)
class Take:
    """Take the keyboard, or the copilot's chair, that nobody has."""

    copilot: bool = False


@dataclass(frozen=True, slots=True)
class Hand:
    """Raise the hand, or lower it. Who leads may lower somebody else's."""

    raised: bool
    user: UUID | None = None


# Of live nodes


@dataclass(frozen=True, slots=True)
class Opened:
    """`node` has opened the room afresh: nobody is connected to it yet, whatever a former life of it said."""

    node: str


@dataclass(frozen=True, slots=True)
class Joined:
    """`user` is connected to `node`; `able`: by a client that can take a turn, and not as an observer."""

    user: UUID
    node: str
    able: bool


@dataclass(frozen=True, slots=True)
class Dropped:
    """The last connection of `user` to `node` is gone."""

    user: UUID
    node: str


@dataclass(frozen=True, slots=True)
class Gone:
    """`user` has left for good, or was made to: no grace."""

    user: UUID


@dataclass(frozen=True, slots=True)
class Confirm:
    """The pilot of this turn is connected indeed."""

    user: UUID
    turn_number: int


@dataclass(frozen=True, slots=True)
class Flushed:
    """All that the pilot of this turn has sent to `node` is in, and no more is taken there."""

    node: str
    turn_number: int


@dataclass(frozen=True, slots=True)
class Expire:
    """Do what time has made due. Asked too early or twice it does nothing."""


Command: TypeAlias = (
    Start
    | Stop
    | Pause
    | Resume
    | Extend
    | Break
    | SetRoles
    | SetFormat
    | Allow
    | Skip
    | HandOver
    | Take
    | Hand
    | Opened
    | Joined
    | Dropped
    | Gone
    | Confirm
    | Flushed
    | Expire
)

OF_ONE_TURN: Final = (Skip, HandOver, Extend, Pause)
"""Meant for the turn that whoever asked saw: never done to the one after it."""


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """Somebody is pilot."""

    turn_number: int
    pilot: UUID
    copilot: UUID | None


@dataclass(frozen=True, slots=True)
class TurnEnding:
    """The pilot has until `cut_at`."""

    turn_number: int
    pilot: UUID
    cut_at: datetime


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """Who piloted from when to when."""

    turn_number: int
    pilot: UUID
    copilot: UUID | None
    started_at: datetime
    ended_at: datetime
    paused: timedelta = timedelta()
    """How much of it was pauses and breaks."""


Event: TypeAlias = TurnStarted | TurnEnding | TurnEnded


@dataclass(frozen=True, slots=True)
class Applied:
    """The state after a command. The very state before it if nothing changed."""

    state: TurnState
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """A command that does not apply. `code` is stable and for programs, `message` for people."""

    code: str
    message: str


NOT_HOST: Final = Refused("not_host", "only the host and the sensei can do this")
NOT_PILOT: Final = Refused("not_pilot", "only the pilot, the host and the sensei can do this")
NOT_IN_ROOM: Final = Refused(
    "not_in_room", "they are not in the room, watch it as observers, or have a client that cannot take turns"
)
NOBODY_HERE: Final = Refused("nobody_here", "there is nobody in the room who could pilot")
NOT_RUNNING: Final = Refused("not_running", "there is no turn for which this can be done")
ALREADY_RUNNING: Final = Refused("already_running", "turns are being taken already")
TURN_ENDING: Final = Refused("turn_ending", "the turn is just ending; try again in a second")
TURN_TAKEN: Final = Refused("turn_taken", "somebody else has it")
BAD_DURATION: Final = Refused("bad_duration", "seconds are 10 to 14400, and for a turn's duration also 0: no end")
BAD_ORDER: Final = Refused("bad_order", "the order names somebody twice, or somebody who cannot take turns here")
BAD_ROLES: Final = Refused("bad_roles", "pilot and copilot are two people")
TOO_MANY: Final = Refused("too_many", "too many people may write already")
STALE_VERSION: Final = Refused("stale_version", "roles or turn have changed meanwhile; look again")
ROOM_ENDED: Final = Refused("room_ended", "the room has ended")
