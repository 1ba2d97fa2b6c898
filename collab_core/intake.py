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
from collab_core.wire.messages import EMPTY_UPDATE
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
        builds_on: Callable[[Walk], None],
    ) -> None:
        """`builds_on` is told each edit taken here, once it is in the feed."""
        self.composer = 0
        """The client id under which the room's own document wrote last."""
        self._log = log
        self._view = view
        self._broadcast = broadcast
        self._feed = feed
        self._authorship = authorship
        self._metrics = metrics
        self._taken = taken
        self._builds_on = builds_on

    def take(self, author: UUID, member: int, screened: Screened, walked: Walk, *, healed: bool) -> None:
        """An update of `author`'s, sent by connection number `member`; `healed` as in `Entry`. Raises `EngineRefused`;
        then nothing joined."""
        self._view.take(screened.accepted)
        self._record(author, member, screened, walked, healed=healed)

    def compose(self, author: UUID, name: str, splices: Sequence[Splice], mark: bytes) -> int:
        """Edit the root text `name` for `author`, who has no document of their own; the feed's position that commits
        it. `mark` as in `Entry`. Raises `EngineRefused`; then nothing joined."""
        update = self._view.compose(name, splices)
        walked = walk(update)
        for section in walked.sections:
            self._authorship.composes(section.client)
            self.composer = section.client
        if not walked.empty:
            self._record(author, NOBODY, self._log.screen(walked), walked, healed=False, mark=mark)
        return self._feed.appended

    def repeat(self, author: UUID, mark: bytes, follows: int) -> int:
        """An edit of this mark came from another node and may not be committed: commit it with something of ours. The
        feed's position that does; `follows` as `Feed.follow` takes it."""
        self._feed.append(Entry(author, int(time.time() * 1000), EMPTY_UPDATE, mark=mark))
        self._feed.follow(follows)
        return self._feed.appended

    def join(self, author: UUID, member: int, screened: Screened, walked: Walk) -> None:
        """The document has taken this: it joins the log and goes out to everyone here."""
        self._log.accept(screened, walked)
        self._metrics.updates += 1
        self._broadcast.edited(member)
        self._taken(author)

    def _record(
        self, author: UUID, member: int, screened: Screened, walked: Walk, *, healed: bool, mark: bytes = b""
    ) -> None:
        self._authorship.joins(author, screened.advances, healed=healed)
        # The others see the edit first, then it is made durable: the broadcast is scheduled before the journal wakes.
        self.join(author, member, screened, walked)
        self._feed.append(Entry(author, int(time.time() * 1000), screened.accepted, healed, mark))
        self._builds_on(walked)
