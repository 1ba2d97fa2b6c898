"""Says every few seconds who is connected to this node, and ends the stays of those who are connected to none."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from edge.dojos import seats
from edge.dojos.seats import NoSeat, Why
from edge.live import stays
from edge.live.live_room import LiveRoom, place_of
from edge.live.stays import Stay
from kernel.database import FAILURES

log = logging.getLogger(__name__)


class Seen:
    """Of one node. `scope` gives a transaction that speaks for a tenant; `rooms` are those open, as they are at any
    moment."""

    def __init__(
        self, scope: Callable[[UUID], AbstractAsyncContextManager[Any]], rooms: Mapping[UUID, LiveRoom]
    ) -> None:
        self._scope = scope
        self._rooms = rooms

    async def run(self) -> None:
        """Until it is cancelled. While Postgres is away everybody keeps what they have."""
        while True:
            await asyncio.sleep(seats.RENEW_SECONDS * random.uniform(0.8, 1.0))  # noqa: S311 - spreads load
            try:
                await self.say()
            except Exception:  # it must be said again
                log.exception("who is connected here was not written")

    async def say(self) -> None:
        """Once, of all rooms."""
        by_tenant: dict[UUID, list[LiveRoom]] = defaultdict(list)
        for live in self._rooms.values():
            by_tenant[live.stage.tenant].append(live)
        for tenant, rooms in by_tenant.items():
            here = [Stay(live.stage.room, person.user) for live in rooms for person in live.attendance.here]
            try:
                async with self._scope(tenant) as db:
                    ended = await stays.renew(db, tenant, here)
                async with self._scope(tenant) as db:
                    await seats.end_lost(db, tenant, sorted({live.stage.dojo for live in rooms}))
                for stay in ended:
                    await self._resume(tenant, stay)
            except FAILURES as error:
                log.warning("who is connected here was not written: %s", type(error).__name__)

    async def _resume(self, tenant: UUID, stay: Stay) -> None:
        live = self._rooms.get(stay.room)
        if live is None:
            return
        places = [place_of(member) for member in live.room.members.values() if member.admission.user == stay.user]
        since = [place.entered_at for place in places if place is not None and place.entered_at is not None]
        if not since:
            return
        try:
            async with self._scope(tenant) as db:
                await stays.resume(db, tenant, live.stage.dojo, stay, max(since))
        except NoSeat as none:
            if none.why is Why.FULL:
                live.unseat(stay.user)
            return  # else the next look tells them
        log.info("somebody in room %s counted as lost, and is not", stay.room)
