"""Who in a room is told what is saved, and when."""

from __future__ import annotations

import asyncio

from collab_core.journal.feed import Feed
from collab_core.member import Member
from collab_core.saved import SavedLedger


class Receipts:
    """The acknowledgements of one room's `dojo.v1` members. Nothing is kept of plain ones: they cannot be told."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._owed: dict[int, Member] = {}
        """Members whose updates are not all told as saved."""

    def place(self, member: Member, number: int) -> None:
        """Update `number` is in the feed as far as it is filled, with all it depends on."""
        if not member.speaks_dojo:
            return
        member.saved.place(number, self._feed.appended)
        self._owed[member.number] = member
        if self._feed.committed >= self._feed.appended:
            asyncio.get_running_loop().call_soon(self.tell, member)

    def wait(self, member: Member, number: int) -> None:
        """Update `number` is not taken yet."""
        if member.speaks_dojo:
            member.saved.wait(number)
            self._owed[member.number] = member

    def settle(self, member: Member, number: int) -> None:
        """An update that waited was taken after all."""
        if member.speaks_dojo:
            member.saved.settle(number, self._feed.appended)

    def settle_all(self, member: Member) -> None:
        """The member's SyncStep2 was taken whole: it holds everything sent before it."""
        if member.speaks_dojo:
            member.saved.settle_all(self._feed.appended)
            self.tell(member)

    def start_over(self, member: Member) -> None:
        """The member has a new document: both sides count from 0 again."""
        member.saved = SavedLedger()
        self.forget(member)

    def forget(self, member: Member) -> None:
        """The member is owed nothing any more."""
        self._owed.pop(member.number, None)

    def committed(self) -> None:
        """The journal has committed more of the feed."""
        for member in list(self._owed.values()):
            self.tell(member)

    def tell(self, member: Member, *, again: bool = False) -> None:
        """Say what is saved if that is news, or in any case (`again`). A full socket is told as it drains."""
        if member.paused or member.ended or not member.speaks_dojo:
            return
        if member.saved.committed(self._feed.committed) is not None or again:
            member.tell({"type": "saved", "upTo": member.saved.up_to})
        if member.saved.settled:
            self.forget(member)
