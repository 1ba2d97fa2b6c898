"""The bus's port: what carries messages between the nodes that have the same room open.

It may lose any message, the last one too, and says when it knows that it did. It never holds up a sender. Everything
that must not be lost has another way: what nodes tell each other of their rooms (`collab_core.bus.healing`), and the
journal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from collab_core.identity import RoomKey

Heard = Callable[[bytes], None]
"""Called on the event loop with each message for a room: those published by others, one's own maybe too, and those
sent to this node alone."""


class Bus(Protocol):
    """One node's way to the others."""

    @property
    def up(self) -> bool:
        """Whether, as far as is known, messages get through."""
        ...

    @property
    def behind(self) -> bool:
        """Whether others may have said something a while ago that is not heard yet, though the bus is up: this process
        was held up, and has just gone on."""
        ...

    @property
    def alone(self) -> bool:
        """Whether there is no other node, and never will be."""
        ...

    async def subscribe(self, key: RoomKey, heard: Heard) -> None:
        """Hear what is said about a room, from when this returns at the latest. Does not fail, and does not wait long,
        if the bus is down: then it is made up for when it is up."""
        ...

    def unsubscribe(self, key: RoomKey) -> None:
        """Hear no more of a room."""
        ...

    def publish(self, key: RoomKey, message: bytes) -> None:
        """Say something to all nodes that have the room open. Drops it when the way out is full or down."""
        ...

    def send(self, node: UUID, key: RoomKey, message: bytes) -> None:
        """Say something about a room to one node, named by its epoch."""
        ...

    def on_down(self, callback: Callable[[], None]) -> None:
        """Call back each time the bus is found to be down."""
        ...

    def on_interrupted(self, callback: Callable[[], None]) -> None:
        """Call back each time after messages may have been lost and the bus is up again."""
        ...
