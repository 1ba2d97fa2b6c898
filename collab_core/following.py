"""What other nodes took, and say, of a room that is open here, too: let in as they have it, since they judged it.

Nothing of this goes to the journal from here, and nothing goes out on the bus again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from collab_core.authorship import Authorship
from collab_core.bus.messages import Origin, Present
from collab_core.engine import EngineRefused
from collab_core.intake import NOBODY, Intake
from collab_core.journal.port import Entry
from collab_core.log import Screened, SplitCharacter
from collab_core.owners import Owners
from collab_core.presence import SERVER, Carried
from collab_core.wire import messages
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import Walk, walk

if TYPE_CHECKING:
    from collab_core.room import Room

logger = logging.getLogger(__name__)


class Following:
    """One room's `collab_core.bus.link.Host`."""

    def __init__(
        self,
        room: Room,
        authorship: Authorship,
        intake: Intake,
        *,
        read_journal: Callable[[], None],
        clock: Callable[[], float],
        healing_seconds: float,
    ) -> None:
        self.read_journal = read_journal
        self._room = room
        self._authorship = authorship
        self._intake = intake
        self._now = clock
        self._healing_seconds = healing_seconds

    def follow(self, entry: Entry, walked: Walk) -> bool:
        """Another node took this edit: let it join here too. False if it lacks something, or nothing here can take
        it; whatever of it can has joined then."""
        screened = self._screen(walked)
        if screened is None:
            return False
        if screened.accepted != EMPTY_UPDATE:
            if not self._view_takes(screened.accepted):
                return False
            self._authorship.joins(entry.author, screened.advances, healed=entry.healed)
            self._intake.join(entry.author, NOBODY, screened, walked)
        return screened.waiting == EMPTY_UPDATE

    def heal(self, update: bytes, owners: Owners) -> None:
        """Let all that is new of an update join. Whose structs it brings is in `owners`."""
        walked = walk(update)
        self._authorship.owners.absorb(owners)
        screened = self._screen(walked)
        if screened is not None and screened.accepted != EMPTY_UPDATE and self._view_takes(screened.accepted):
            self._intake.join(SERVER, NOBODY, screened, walked)

    def _screen(self, walked: Walk) -> Screened | None:
        try:
            return self._room.log.screen(walked)
        except SplitCharacter:
            # The node that took it had the pair, and refuses such edits.
            logger.error("room %s: another node's edit splits a character", self._room.key)
            return None

    def _view_takes(self, update: bytes) -> bool:
        try:
            self._room.view.take(update)
        except EngineRefused as error:
            logger.error("room %s: the engine refused what another node's took: %s", self._room.key, error)
            return False
        return True

    def present(self, origin: Origin, people: Sequence[Present]) -> None:
        """These are connected to another node."""
        carried = [Carried(one.client, UUID(bytes=one.user), one.clock, one.state) for one in people]
        for number, entry in self._room.presence.elsewhere(origin, carried, self._now()):
            member = self._room.members.get(number)
            if member is not None:
                self._room.broadcast.send(member, messages.awareness_frame(entry))
        self._changed()

    def absent(self, origin: Origin) -> None:
        """Whoever was connected to that node is not any more."""
        self._room.presence.nowhere(origin, self._now())
        self._room.application.node_left(origin)
        self._changed()

    def _changed(self) -> None:
        self._room.broadcast.presence_changed()
        self._room.application.presence_taken()

    def here(self) -> list[Present]:
        """Those connected to this node."""
        return packed(self._room.presence.here())

    def heard(self, origin: Origin, payload: bytes) -> None:
        """The application on another node says something to this one's."""
        self._room.application.node_said(origin, payload)

    def composes(self, client: int) -> None:
        """Another node's own document writes under this client id."""
        self._authorship.composes(client)

    def composed(self, client: int) -> None:
        """That node writes under it no more."""
        self._authorship.composed(client)

    def composer(self) -> int:
        """The client id of this node's own document; 0 if it has not written."""
        return self._intake.composer

    def orphaned(self) -> None:
        """Another node is gone, without a word: its members may come here with what they alone have."""
        self._authorship.heal_until(self._now() + self._healing_seconds)


def packed(people: Sequence[Carried]) -> list[Present]:
    """As the bus carries them."""
    return [Present(one.client, one.user.bytes, one.clock, one.state) for one in people]
