"""Keeps the SFUs to what Postgres says: who may be in, who may speak, whether it is recorded.

It compares and tells the difference, so it may be done at any time, twice, and by every process: whatever changes a
right only has to say which rooms to look at.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from edge.voice import people, room_settings
from edge.voice.directory import Directory
from edge.voice.people import Standing
from edge.voice.sfu import Sfu, SfuAway
from edge.voice.state import VoiceState
from kernel.database import FAILURES, tenant_scope

ACQUIRE_SECONDS: Final = 2.0
"""For a connection of the pool."""
ROOMS: Final = 10_000
"""Rooms that wait to be looked at."""
AT_ONCE: Final = 8
"""Rooms looked at at the same time: one SFU that hangs must not keep the others waiting."""
PUSHES_AT_ONCE: Final = 16
ROOM_SECONDS: Final = 0.2
"""Shortest time between two looks at one room: while a class comes in somebody does every few milliseconds."""
AGAIN_SECONDS: Final = (0.1, 0.3)
"""Before the second and the third try, at most."""

log = logging.getLogger(__name__)


class Upkeep:
    """`start` it, say `soon` what changed, `close` it."""

    def __init__(
        self, pool: Any, directory: Directory, sfu: Sfu, heard: Callable[[UUID, str], VoiceState | None]
    ) -> None:
        """`pool` has connections of the services' role. `heard`: what the SFU of a name said of a room lately, or it is
        asked."""
        self._pool = pool
        self._directory = directory
        self._sfu = sfu
        self._heard = heard
        self._waiting: dict[UUID, UUID] = {}  # room -> tenant
        self._looked_at: dict[UUID, float] = {}
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Look after rooms until `close`."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run(), name=f"voice upkeep {number}") for number in range(AT_ONCE)]

    async def close(self) -> None:
        """Stop. What waits is left to others, or to the next look."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def soon(self, tenant: UUID, rooms: Iterable[UUID]) -> None:
        """Something about these rooms may have changed, and is committed."""
        for room in rooms:
            if len(self._waiting) >= ROOMS:
                log.warning("too many rooms wait for their voice to be looked at: some wait for the next look")
                break
            self._waiting[room] = tenant
        if self._waiting:
            self._wanted.set()

    async def sync(self, tenant: UUID, room: UUID) -> None:
        """Compare now, with all SFUs that have people of it. Raises what Postgres raises; and `SfuAway` if one is, when
        the others have been told."""
        holding = await self._directory.holding(room)
        told = await asyncio.gather(
            *(self._state(room, name, url) for name, url in holding.items()), return_exceptions=True
        )
        states: dict[str, VoiceState] = {}
        lost: SfuAway | None = None
        for url, state in zip(holding.values(), told, strict=True):
            if isinstance(state, SfuAway):
                lost = state
            elif isinstance(state, BaseException):
                raise state
            elif state is not None and (state.people or state.recording):
                states[url] = state
        if states:
            async with tenant_scope(self._pool, tenant, acquire_seconds=ACQUIRE_SECONDS) as db:
                users = {person.user for state in states.values() for person in state.people}
                found = await people.standings(db, tenant, room, list(users))
                recorded = await room_settings.recorded(db, tenant, room)
            pushes = [push for url, state in states.items() for push in self._pushes(url, state, found, recorded)]
            for at in range(0, len(pushes), PUSHES_AT_ONCE):
                done = await asyncio.gather(
                    *(push() for push in pushes[at : at + PUSHES_AT_ONCE]), return_exceptions=True
                )
                for failure in done:
                    if isinstance(failure, SfuAway):
                        lost = failure
                    elif isinstance(failure, BaseException):
                        raise failure
        if lost is not None:
            raise lost

    async def _state(self, room: UUID, name: str, url: str) -> VoiceState | None:
        heard = self._heard(room, name)
        # One in which nobody was may have somebody since a moment ago.
        return heard if heard is not None and heard.people else await self._sfu.state(url, room)

    def _pushes(
        self, url: str, state: VoiceState, found: Mapping[UUID, Standing], recorded: str | None
    ) -> Iterable[Callable[[], Awaitable[object]]]:
        room = state.room
        if state.recording != (recorded is not None):
            yield lambda: self._sfu.record(url, room, recorded)
        for person in state.people:
            standing = found.get(person.user)
            rights = standing.rights if standing is not None else None
            if rights is None:
                yield lambda person=person: self._sfu.remove(url, room, person.number)  # type: ignore[misc]
            elif (rights.may_speak, rights.muted, rights.preferred) != (
                person.may_speak,
                person.muted,
                person.preferred,
            ):
                yield lambda person=person, rights=rights: self._sfu.put(url, room, person.number, rights)  # type: ignore[misc]

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wanted.wait()
            now = loop.time()
            due = next((room for room in self._waiting if self._looked_at.get(room, 0.0) <= now), None)
            if due is None:
                if self._waiting:
                    await asyncio.sleep(ROOM_SECONDS / 4)
                else:
                    self._wanted.clear()
                continue
            tenant = self._waiting.pop(due)
            self._looked_at[due] = now + ROOM_SECONDS
            if len(self._looked_at) > ROOMS:
                self._looked_at = {room: at for room, at in self._looked_at.items() if at > now}
            await self._try(tenant, due)

    async def _try(self, tenant: UUID, room: UUID) -> None:
        for pause in (*AGAIN_SECONDS, None):
            try:
                await self.sync(tenant, room)
                return
            except SfuAway as error:
                if pause is None:
                    # Without it nobody talks either, and who is on a live socket is looked at again in a few seconds.
                    log.warning("the voice of room %s was not looked after: %s", room, error)
                    return
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, hides nothing
            except FAILURES as error:
                log.warning("the voice of room %s was not looked after: %s", room, type(error).__name__)
                return
            except Exception:  # the other rooms must be looked after too
                log.exception("the voice of room %s was not looked after", room)
                return
