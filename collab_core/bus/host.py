"""What a link to other nodes needs of its room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from collab_core.bus.messages import Origin, Present
from collab_core.journal.port import Entry
from collab_core.owners import Owners
from collab_core.wire.update import Walk


class Host(Protocol):
    """A room, as `collab_core.bus.link` sees it."""

    def follow(self, entry: Entry, walked: Walk) -> bool:
        """Another node took this edit: let it join here too. False if it lacks something."""
        ...

    def heal(self, update: bytes, owners: Owners) -> None:
        """Let all that is new of this join. Whose structs it brings is in `owners`."""
        ...

    def present(self, origin: Origin, people: Sequence[Present]) -> None:
        """These are connected to another node."""
        ...

    def absent(self, origin: Origin) -> None:
        """Whoever was connected to that node is not any more."""
        ...

    def here(self) -> list[Present]:
        """Those connected to this node."""
        ...

    def heard(self, origin: Origin, payload: bytes) -> None:
        """The application on another node says something to this one's."""
        ...

    def composes(self, client: int) -> None:
        """Another node's own document writes under this client id."""
        ...

    def composed(self, client: int) -> None:
        """That node writes under it no more."""
        ...

    def composer(self) -> int:
        """The client id of this node's own document; 0 if it has not written."""
        ...

    def orphaned(self) -> None:
        """Another node is gone, without a word: its members may come here with what they alone have."""
        ...

    def read_journal(self) -> None:
        """Read what the journal has that the room has not; then call `Link.read`."""
        ...
