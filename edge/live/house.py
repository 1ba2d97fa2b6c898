"""What an open room of a dojo needs of its node."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Protocol
from uuid import UUID

from collab_core.admission import Admission
from edge.live.chat import ToSay
from edge.live.table import Turns
from edge.voice.voice import Voice


class House(Protocol):
    """What is beyond the room: the database, other rooms, other nodes."""

    @property
    def watch(self) -> Turns:
        """The turns of all rooms."""
        ...

    @property
    def node(self) -> str:
        """What this node is called there."""
        ...

    @property
    def voice(self) -> Voice | None:
        """Talking. None: there is none here."""
        ...

    def say(self, room: UUID, said: ToSay) -> bool:
        """Have a chat message stored and then shown; False if too many wait already."""
        ...

    def left(self, room: UUID, user: UUID) -> None:
        """Somebody's grace is over."""
        ...

    async def renew(self, token: str, current: Admission) -> Admission:
        """As `Authoriser.renew`."""
        ...

    def own(self, work: Coroutine[object, object, None], name: str) -> None:
        """Run `work` as a task that ends with the node."""
        ...

    def closed(self, room: UUID) -> None:
        """The room left this node."""
        ...
