"""Whether an update's new structs are its sender's to bring (docs/decisions/0009).

A struct of a client id that somebody else owns may come from two kinds of people: from one who forges it, and from one
who brings back what this server had shown everyone and had not committed when it died. The second can only be so soon
after the room was opened by a process that did not put it to sleep itself, only in a SyncStep2, never in a live
update, and only of an id under which its owner has not yet written again here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto
from uuid import UUID

from collab_core.engine import EngineRefused
from collab_core.journal.port import Entry, Loaded
from collab_core.log import RoomLog
from collab_core.merge import merge
from collab_core.owners import Owners
from collab_core.presence import Presence
from collab_core.wire.lib0 import WireError
from collab_core.wire.update import Section, Slice, Walk, compose, walk

PATIENCE_SECONDS = 30.0
"""How long a person is told to come again with what others wrote and no node has. A dead node is noticed in 5 s, and
then it is taken."""
FORGET_UNSURE_SECONDS = 600.0
UNSURE_USERS = 256

logger = logging.getLogger(__name__)


class Standing(Enum):
    """What an update is, by whose structs it brings."""

    OWN = auto()
    """The sender's own, or known already."""
    HEALS = auto()
    """It may bring back what others wrote."""
    EARLY = auto()
    """It brings what its author, who is writing here, will bring: come again."""
    FOREIGN = auto()
    """It brings what it must not."""


class Authorship:
    """One open room's owners, and what may join under whose id. Times are seconds of a monotonic clock."""

    def __init__(
        self,
        log: RoomLog,
        owners: Owners,
        presence: Presence,
        *,
        healing_until: float,
        unsure: Callable[[], bool] = lambda: False,
    ) -> None:
        """`unsure` says whether members may honestly have what another node took and this one does not know yet."""
        self.owners = owners
        self._presence = presence
        self._log = log
        self._healing_until = healing_until
        self._unsure = unsure
        self._unsure_since: dict[UUID, float] = {}
        self._written: set[int] = set()
        """Client ids whose owners wrote since the room was opened. They have nothing left that others could bring: a
        client sends its structs in order."""
        self._composed: set[int] = set()
        """Client ids of the room's own document."""

    def of(self, user: UUID, walked: Walk, *, answer: bool, now: float) -> Standing:
        """Judge an update of `user`; `answer` says that it is a SyncStep2."""
        standing = Standing.OWN
        sole = self.owners.sole
        for section in walked.sections:
            owner = sole.get(section.client)
            if (owner is user or owner == user) and section.client not in self._composed:
                continue
            if not self._is_new(section):
                continue
            found = self._of(user, section.client, owner, answer=answer, now=now)
            if found is Standing.FOREIGN:
                return found
            if found is Standing.EARLY or standing is Standing.OWN:
                standing = found
        return standing

    def _of(self, user: UUID, client: int, owner: UUID | None, *, answer: bool, now: float) -> Standing:
        healing = now < self._healing_until
        known = self.owners.knows(client)
        if client not in self._composed and owner is None and (not known or self.owners.assumed(client)):
            if answer and (healing or known):
                return Standing.HEALS
            # Who shows an id, and did not write yet, will: nobody else is to begin for them.
            return Standing.OWN if self._presence.user_of(client) in (None, user) else Standing.FOREIGN
        if not answer:
            return Standing.FOREIGN
        if not healing:
            return Standing.EARLY if self._unsure() and self._patient(user, now) else Standing.FOREIGN
        return Standing.EARLY if client in self._written or client in self._composed else Standing.HEALS

    def brings_back(self, user: UUID, walked: Walk, now: float) -> bool:
        """Whether a SyncStep2 of somebody who may not write brings what others wrote, and what may be on its way here:
        from another node, or with those who wrote it. Deletions do not say whose they are."""
        return (
            (now < self._healing_until or self._unsure())
            and self._patient(user, now)
            and all(
                self.owners.knows(section.client) and self.owners.sole.get(section.client) != user
                for section in walked.sections
                if self._is_new(section) and section.client not in self._composed
            )
        )

    def _patient(self, user: UUID, now: float) -> bool:
        """Whether this person is told to come again once more: what they bring may be on its way here, but not for
        ever."""
        since = self._unsure_since.get(user)
        if since is None or now - since > FORGET_UNSURE_SECONDS:
            since = self._unsure_since[user] = now
            if len(self._unsure_since) > UNSURE_USERS:
                del self._unsure_since[next(iter(self._unsure_since))]
        return now - since < PATIENCE_SECONDS

    def own_part(self, user: UUID, walked: Walk) -> Walk:
        """An `EARLY` update without what its authors will bring themselves. Raises `WireError` never: it was read."""
        kept = [
            Slice(section, 0, len(section.marks))
            for section in walked.sections
            if not self._is_new(section) or not self._is_early(user, section.client)
        ]
        return walk(compose(walked.update, kept, walked.deletes))

    def _is_early(self, user: UUID, client: int) -> bool:
        if client in self._composed:
            return True
        theirs = self.owners.knows(client) and self.owners.sole.get(client) != user
        return theirs and (client in self._written or self._unsure())

    def _is_new(self, section: Section) -> bool:
        return section.end > self._log.state.get(section.client, 0)

    def joins(self, author: UUID, advances: Iterable[tuple[int, int]], *, healed: bool) -> None:
        """What brings the log's clients to `advances` is about to join it."""
        state = self._log.state
        owners = self.owners
        for client, end in advances:
            start = state.get(client, 0)
            if not healed or owners.sole.get(client) == author:
                owners.add(client, start, end, author)
                self._written.add(client)
            else:
                owners.assume(client, start, end, author)

    def heal_until(self, moment: float) -> None:
        """What others wrote may be brought back up to this moment: a node is gone that may have had it, and those who
        wrote here may have written there afterwards."""
        self._healing_until = max(self._healing_until, moment)
        self._written.clear()

    def composes(self, client: int) -> None:
        """The room's own document, on this node or another, writes under this id: nobody else does."""
        self._composed.add(client)

    def composed(self, client: int) -> None:
        """The node is gone whose own document wrote under this id: whoever has the rest of it may bring it."""
        self._composed.discard(client)


def owners_of(loaded: Loaded) -> Owners:
    """Whose structs a room has that the journal holds: its base's and its unfolded rows'."""
    owners = Owners.unpack(loaded.owners)
    learn(owners, loaded.entries)
    return owners


def learn(owners: Owners, entries: Sequence[Entry]) -> None:
    """Note whose structs the entries bring. In whatever order they come: what is sure goes before what is assumed.

    Updates are merged for each author and read as few: 20,000 take about 60 ms, read one by one five times as much.
    """
    for healed in (False, True):
        by_author: dict[UUID, list[bytes]] = {}
        for entry in entries:
            if entry.healed is healed:
                by_author.setdefault(entry.author, []).append(entry.update)
        for author, updates in by_author.items():
            try:
                sections = walk(merge(updates)).sections
            except (EngineRefused, WireError) as error:
                # The document is judged elsewhere. Nobody owns what these brought, and the history has who sent it.
                logger.warning("updates of user %s tell nothing of whose structs they bring: %s", author, error)
                continue
            note = owners.assume if healed else owners.add
            for section in sections:
                for start, end in _brought(section):
                    note(section.client, start, end, author)


def _brought(section: Section) -> list[tuple[int, int]]:
    ranges = []
    at = section.start
    for start, end in section.skips:
        if start > at:
            ranges.append((at, start))
        at = end
    if section.end > at:
        ranges.append((at, section.end))
    return ranges
