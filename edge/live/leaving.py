"""Goodbyes: a client about to sleep is told that all it sent is saved, and then let go."""

from __future__ import annotations

import asyncio
from typing import Final

from collab_core.closes import CloseCode
from collab_core.journal.feed import Feed
from collab_core.member import Member
from edge.live import outgoing
from edge.live.incoming import Complaint

GOODBYE_SECONDS: Final = 5.0
"""How long a goodbye waits for the journal. A phone gives an app that goes to sleep about that long."""


class Leaving:
    """Those of one room who said goodbye."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._waiting: dict[int, tuple[Member, int, asyncio.TimerHandle]] = {}

    def goodbye(self, member: Member) -> None:
        """All that came before this on the socket is in the feed. Tell the member when it is committed."""
        if member.number in self._waiting:
            return
        timer = asyncio.get_running_loop().call_later(GOODBYE_SECONDS, self._give_up, member)
        self._waiting[member.number] = (member, self._feed.appended, timer)
        self.committed()

    def committed(self) -> None:
        """More of the feed is in the journal."""
        done = [member for member, position, _ in self._waiting.values() if position <= self._feed.committed]
        for member in done:
            self.forget(member)
            member.say({"type": "SAVED"})
            _let_go(member)

    def forget(self, member: Member) -> None:
        """The connection is gone."""
        if (waiting := self._waiting.pop(member.number, None)) is not None:
            waiting[2].cancel()

    def close(self) -> None:
        """No more timers."""
        for member, _, _ in list(self._waiting.values()):
            self.forget(member)

    def _give_up(self, member: Member) -> None:
        self.forget(member)
        member.say(outgoing.error(Complaint("not_saved", "the last edits are not saved yet: send them again later")))
        _let_go(member)


def _let_go(member: Member) -> None:
    member.end(CloseCode.NORMAL, "goodbye")
