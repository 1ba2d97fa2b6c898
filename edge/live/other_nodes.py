"""One room's people on other nodes: what those nodes say of theirs, and what this one says of its own."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from collab_core.bus.messages import Origin
from collab_core.room import Room
from edge.live import company
from edge.live.attendance import Attendance, Elsewhere
from edge.live.company import NotCompany, Someone
from edge.live.paced import Paced

logger = logging.getLogger(__name__)


class OtherNodes:
    """Keeps `attendance` up to date with them."""

    def __init__(
        self,
        room: Room,
        attendance: Attendance,
        *,
        changed: Callable[[], None],
        came: Callable[[], None],
        monotonic: Callable[[], float],
    ) -> None:
        """`changed` is called when the list of people was, `came` when another node has opened the room."""
        self._room = room
        self._attendance = attendance
        self._changed = changed
        self._came = came
        self._now = monotonic
        self._asks = True
        self._pace = Paced(company.TELL_SECONDS, self._tell)
        self._pace.want()
        self._renewal = self._renew_later()

    def tell(self) -> None:
        """Somebody came to this node, left it, or is something else here now."""
        self._pace.want()

    def said(self, origin: Origin, payload: bytes) -> None:
        """Another node says who is connected to it."""
        try:
            told = company.decode(payload)
        except NotCompany as error:
            logger.warning("room %s: what another node says of its people cannot be read: %s", self._room.key, error)
            return
        lives = [known for known in self._attendance.nodes if known.epoch == origin.epoch]
        if any(known.life > origin.life for known in lives):
            return  # on its way since before the room was closed there, and opened again
        now = self._now()
        changed = self._attendance.told(
            origin, (Elsewhere(one.id, one.name, one.standing, one.guest, now - one.idle) for one in told.people), now
        )
        for known in lives:
            if known.life < origin.life:
                changed |= self._attendance.lost(known, now)
        if changed:
            self._changed()
        if told.asks:
            self._came()
            self._pace.want()

    def left(self, origin: Origin) -> None:
        """That node has closed the room, or is gone: its people's connections are."""
        if self._attendance.lost(origin, self._now()):
            self._changed()

    def close(self) -> None:
        """The room leaves this node; the bus says so."""
        self._pace.stop()
        self._renewal.cancel()

    def _tell(self) -> None:
        if not (self._asks or self._room.link.shared):
            return
        now = self._now()
        for member in self._room.members.values():
            self._attendance.heard(member.admission.user, member.heard)
        people = [
            Someone(
                person.user.bytes, person.name, person.standing_here, person.guest, max(0.0, now - person.active_at)
            )
            for person in self._attendance.here
        ]
        self._room.tell_nodes(company.encode(people, asks=self._asks))
        self._asks = False

    def _renew_later(self) -> asyncio.TimerHandle:
        seconds = company.RENEW_SECONDS * random.uniform(0.8, 1.0)  # noqa: S311 - spreads load, hides nothing
        return asyncio.get_running_loop().call_later(seconds, self._renew)

    def _renew(self) -> None:
        self._renewal = self._renew_later()
        now = self._now()
        lost = [self._attendance.lost(node, now) for node in self._attendance.silent(company.SILENT_SECONDS, now)]
        if any(lost):
            self._changed()
        self._pace.want()
