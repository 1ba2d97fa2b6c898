"""What is known of a room's roles and turns, as it is stored in `dojo_rooms.turn`."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from edge.dojos.turns.timer import Timer

GRACE: Final = timedelta(seconds=30)
"""How long a lost connection keeps a place and a role. A phone that changes networks is back in 2 to 20 s."""
CUT: Final = timedelta(seconds=1)
"""How long a pilot whose turn ends may take to answer that nothing more is on its way."""
CONFIRM: Final = timedelta(seconds=12)
"""How long the node of a new pilot may take to say that they are connected: past the 4 s between two looks of a node
that hears no bell, twice. Past it the place is a leftover of a node that died."""
MOST_WRITERS: Final = 50
"""People the host lets write besides the pilot."""


class Mode(StrEnum):
    """Whether everybody writes, or the pilot."""

    FREE = "FREE"
    TURN = "TURN"


class Format(StrEnum):
    """How a session is run.

    RANDORI: the pair at the keyboard changes at the end of each turn. PREPARED: one person shows a solution; the end of
    the time changes nobody. PAIRS: two people who change over at the end of each turn, in rooms side by side.
    """

    RANDORI = "RANDORI"
    PREPARED = "PREPARED"
    PAIRS = "PAIRS"


class Rotation(StrEnum):
    """Who is next.

    BY_COPILOT: audience, copilot, pilot, audience. BY_QUEUE: audience, pilot, copilot, audience. RANDOM: both are drawn
    from those who did not just pilot.
    """

    BY_COPILOT = "BY_COPILOT"
    BY_QUEUE = "BY_QUEUE"
    RANDOM = "RANDOM"


class Seat(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody's place in the room. It outlives a lost connection by `GRACE`."""

    nodes: dict[str, bool] = {}
    """The live nodes they are connected to, and whether by a client that can take a turn."""
    able: bool = False
    """Whether they can take a turn, also while they are away for a moment."""
    away_since: datetime | None = None
    """Since when no such client of theirs is connected, though there was one."""

    @property
    def writing_nodes(self) -> tuple[str, ...]:
        """Where a client that can take a turn is connected."""
        return tuple(node for node, able in self.nodes.items() if able)


class Handover(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The keyboard changes hands: whoever loses it still writes, until their nodes say that all is in, or until
    `cut_at`. In turn mode that is the pilot, in free mode everybody but the first pilot."""

    cut_at: datetime
    waiting: tuple[str, ...]
    """The nodes that have yet to say so."""
    pilot: UUID | None = None
    """Who is to be pilot. None: whoever is next by then."""
    copilot: UUID | None = None


class TurnState(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """All of it. Changed only by `edge.dojos.turns.rules.apply`, which keeps that

    - in turn mode somebody is pilot exactly if somebody connected can be,
    - pilot and copilot are two people, and have a seat,
    - `order` holds those who have a seat and can take a turn, each once.
    """

    mode: Mode = Mode.FREE
    format: Format = Format.RANDORI
    rotation: Rotation = Rotation.BY_COPILOT
    timer: Timer = Timer()
    seats: dict[UUID, Seat] = {}
    order: tuple[UUID, ...] = ()
    """The queue; whoever has piloted goes to its end."""
    sensei: UUID | None = None
    """Stored in a column of its own."""
    pilot: UUID | None = None
    copilot: UUID | None = None
    hands: tuple[UUID, ...] = ()
    """Raised, in the order in which they were."""
    writers: tuple[UUID, ...] = ()
    """Whom the host lets write besides the pilot. Kept while they are away."""
    turn_number: int = 0
    """Of the turn under way, or of the last one."""
    started_at: datetime | None = None
    """When the turn under way began."""
    paused_ms: int = 0
    """How long it stood still, up to `paused_since`: see `edge.dojos.turns.pauses`."""
    paused_since: datetime | None = None
    handover: Handover | None = None
    confirm_by: datetime | None = None
    """When the pilot's seat counts as a leftover unless their node says otherwise."""
    changed_in: int = 0
    """The version in which roles, turn or format changed last: seats and hands make no version stale."""
    due_at: datetime | None = None
    """When time alone changes something: the earliest of all that is above."""


def connected(state: TurnState, user: UUID | None) -> bool:
    """Whether `user` is in the room just now, with a client that can take a turn."""
    seat = state.seats.get(user) if user is not None else None
    return seat is not None and seat.able and seat.away_since is None


def seated(state: TurnState, user: UUID | None) -> bool:
    """Whether `user` has a place, can take a turn, and is at most for moments away."""
    seat = state.seats.get(user) if user is not None else None
    return seat is not None and seat.able


def candidates(state: TurnState) -> tuple[UUID, ...]:
    """Who could be pilot at once, in the order of the queue."""
    return tuple(user for user in state.order if connected(state, user))


def loses(state: TurnState, user: UUID) -> bool:
    """Whether `user` has the keyboard, and not any more after the handover that is under way."""
    if state.handover is None:
        return False
    if state.mode is Mode.TURN:
        return user == state.pilot
    return user != state.handover.pilot and user not in state.writers


def heard_out_by(state: TurnState) -> tuple[str, ...]:
    """The nodes to which those are connected who `loses` it. In free mode also those with clients that cannot take a
    turn: they write, and cannot be told."""
    free = state.mode is Mode.FREE
    nodes = (seat.nodes if free else seat.writing_nodes for user, seat in state.seats.items() if loses(state, user))
    return tuple(sorted({node for each in nodes for node in each}))


def due_at(state: TurnState) -> datetime | None:
    """When time alone changes something in `state`."""
    moments = [seat.away_since + GRACE for seat in state.seats.values() if seat.away_since is not None]
    if state.handover is not None:
        moments.append(state.handover.cut_at)
    elif state.timer.due_at is not None:
        moments.append(state.timer.due_at)
    if state.confirm_by is not None:
        moments.append(state.confirm_by)
    return min(moments, default=None)


def encode(state: TurnState) -> str:
    """As the column `turn` holds it."""
    return msgspec.json.encode(msgspec.structs.replace(state, sensei=None)).decode()


def decode(turn: str, sensei: UUID | None) -> TurnState:
    """From the columns. Raises `msgspec.ValidationError` for what `encode` did not write; `{}` is a room untouched."""
    return msgspec.structs.replace(msgspec.json.decode(turn, type=TurnState), sensei=sensei)
