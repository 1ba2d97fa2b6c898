"""The port through which what stands on a room, a dojo's rules say, takes part in it. The engine knows none of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias
from uuid import UUID

from collab_core.bus.messages import Origin

if TYPE_CHECKING:
    from collab_core.member import Member
    from collab_core.room import Room


class Application(Protocol):
    """One per open room. Called on the event loop, in the middle of the room's work: do little, await nothing, and
    raise nothing."""

    def may_write(self, member: Member) -> bool:
        """Whether an edit of this member is taken now. Asked for each."""
        ...

    def joined(self, member: Member) -> None:
        """The member is in the room, and was told what the engine tells."""
        ...

    def left(self, member: Member) -> None:
        """The member's connection is gone."""
        ...

    def told(self, member: Member, payload: bytes) -> None:
        """A JSON text frame that the engine does not know came from this member. `payload` may be anything."""
        ...

    def presence_taken(self) -> None:
        """A member sent presence: `Room.presence` may have changed."""
        ...

    def taken(self, author: UUID) -> None:
        """An edit of this person's joined the document."""
        ...

    def flushed(self) -> None:
        """What had joined was sent to everyone."""
        ...

    def committed(self, position: int) -> None:
        """The journal holds the room's first `position` edits of this node's."""
        ...

    def drained(self, member: Member) -> None:
        """A member whose socket was full takes messages again; those sent meanwhile never reached it."""
        ...

    def node_said(self, origin: Origin, payload: bytes) -> None:
        """The application of this room on another node said this (`Room.tell_nodes`)."""
        ...

    def node_left(self, origin: Origin) -> None:
        """That node has closed the room, or is gone."""
        ...

    def close(self) -> None:
        """The room leaves this node: no more timers, no more calls."""
        ...


Applications: TypeAlias = "Callable[[Room], Application]"
"""Makes the application of a room that was just opened."""


class NoApplication:
    """A room on its own: who may write stands in the admission."""

    def __init__(self, room: Room) -> None:
        pass

    def may_write(self, member: Member) -> bool:
        return member.admission.can_write

    def joined(self, member: Member) -> None:
        pass

    def left(self, member: Member) -> None:
        pass

    def told(self, member: Member, payload: bytes) -> None:
        member.say({"type": "error", "code": "unknown_type", "message": "the only command is auth"})

    def presence_taken(self) -> None:
        pass

    def taken(self, author: UUID) -> None:
        pass

    def flushed(self) -> None:
        pass

    def committed(self, position: int) -> None:
        pass

    def drained(self, member: Member) -> None:
        pass

    def node_said(self, origin: Origin, payload: bytes) -> None:
        pass

    def node_left(self, origin: Origin) -> None:
        pass

    def close(self) -> None:
        pass
