"""The bus of a node that is alone: it says nothing to nobody."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from collab_core.bus.port import Heard
from collab_core.identity import RoomKey


class Alone:
    """`collab_core.bus.port.Bus` without others."""

    up = True
    alone = True
    behind = False

    async def subscribe(self, key: RoomKey, heard: Heard) -> None:
        """See the port."""

    def unsubscribe(self, key: RoomKey) -> None:
        """See the port."""

    def publish(self, key: RoomKey, message: bytes) -> None:
        """See the port."""

    def send(self, node: UUID, key: RoomKey, message: bytes) -> None:
        """See the port."""

    def on_down(self, callback: Callable[[], None]) -> None:
        """See the port."""

    def on_interrupted(self, callback: Callable[[], None]) -> None:
        """See the port."""
