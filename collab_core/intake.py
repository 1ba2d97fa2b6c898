"""What joins a room: taken by the document first, then by the log, the broadcast and the journal, in this order."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from uuid import UUID

from collab_core.authorship import Authorship
from collab_core.broadcast import Broadcast
from collab_core.journal.feed import Feed
from collab_core.journal.port import Entry
from collab_core.log import RoomLog, Screened
from collab_core.metrics import EngineMetrics
from collab_core.splice import Splice
from collab_core.view import View
from collab_core.wire.update import Walk, walk

NOBODY = 0
"""The member number of an edit that came over no connection of the room: nobody has it yet."""


class NotTaken(Exception):
    """An edit made on somebody's behalf was not taken; nothing was changed. The text says why."""


class Intake:
    """The way into one room's bytes. `taken` is called with its author after each edit that joined."""

    def __init__(
        self,
        log: RoomLog,
        view: View,
        broadcast: Broadcast,
        feed: Feed,
        authorship: Authorship,
        *,
        metrics: EngineMetrics,
        taken: Callable[[UUID], None],
    ) -> None:
        self._log = log
        self._view = view
        self._broadcast = broadcast
        self._feed = feed
        self._authorship = authorship
        self._metrics = metrics
        self._taken = taken

    def take(self, author: UUID, member: int, screened: Screened, walked: Walk, *, healed: bool) -> None:
        """An update of `author`'s, sent by connection number `member`; `healed` as in `Entry`. Raises `EngineRefused`;
        then nothing joined."""
        self._view.take(screened.accepted)
        self._join(author, member, screened, walked, healed=healed)

    def compose(self, author: UUID, name: str, splices: Sequence[Splice]) -> int:
        """Edit the root text `name` for `author`, who has no document of their own; the feed's position that commits
        it. Raises `EngineRefused`; then nothing joined."""
        update = self._view.compose(name, splices)
        walked = walk(update)
        for section in walked.sections:
            self._authorship.composes(section.client)
        if not walked.empty:
            self._join(author, NOBODY, self._log.screen(walked), walked, healed=False)
        return self._feed.appended

    def _join(self, author: UUID, member: int, screened: Screened, walked: Walk, *, healed: bool) -> None:
        self._authorship.joins(author, screened.advances, healed=healed)
        self._log.accept(screened, walked)
        self._metrics.updates += 1
        # Scheduled before the journal wakes: the others see the edit first, then it is made durable.
        self._broadcast.edited(member)
        self._feed.append(Entry(author, int(time.time() * 1000), screened.accepted, healed))
        self._taken(author)
