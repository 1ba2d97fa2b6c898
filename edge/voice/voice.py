"""Talking, as people ask for it over HTTP and on the live socket: who may, and what the SFU is told."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, NoReturn
from uuid import UUID

from redis.asyncio import Redis

from edge.dojos import talk_time
from edge.dojos.ice_servers import IceServers
from edge.voice import people
from edge.voice.directory import Directory
from edge.voice.people import check_seat, find_room
from edge.voice.rights import Rights
from edge.voice.settings import VoiceEdge
from edge.voice.sfu import Opened, Person, Restarted, Sfu, SfuAway, away
from edge.voice.state import VoiceState
from edge.voice.upkeep import Upkeep
from kernel.database import FAILURES, tenant_scope
from kernel.http.problem import Problem, not_found

ACQUIRE_SECONDS: Final = 2.0
SDP_BYTES: Final = 64 * 1024
"""Of an offer or a fragment. A browser's offer with three slots has some 6 KiB."""

_MUTE_OWN: Final = (
    "UPDATE dojo_voice_people SET muted = $4 WHERE tenant_id = $1 AND dojo_id = $2 AND user_id = $3"
    " RETURNING muted_by_host"
)
_MUTE_ONE: Final = (
    "UPDATE dojo_voice_people SET muted_by_host = $4 WHERE tenant_id = $1 AND dojo_id = $2 AND user_id = $3"
    " RETURNING room_id"
)
_MUTE_ALL: Final = (
    "UPDATE dojo_voice_people v SET muted_by_host = $4 WHERE v.tenant_id = $1 AND v.dojo_id = $2 AND v.room_id = $3"
    " AND (NOT $4 OR v.user_id <> $5 AND NOT EXISTS (SELECT FROM dojo_participants p WHERE p.tenant_id = $1"
    "  AND p.dojo_id = $2 AND p.user_id = v.user_id AND p.role = 'HOST'))"
)
_HEARD: Final = (
    "SELECT number FROM dojo_voice_people v WHERE v.tenant_id = $1 AND v.dojo_id = $2 AND v.room_id = $3"
    " AND NOT v.muted_by_host"
)

log = logging.getLogger(__name__)


class Voice:
    """`start` it, `close` it. No transaction is open while an SFU is asked: one that hangs holds no connection."""

    def __init__(
        self,
        pool: Any,
        redis: Redis | None,
        settings: VoiceEdge,
        *,
        heard: Callable[[UUID], VoiceState | None] = lambda _room: None,
    ) -> None:
        """`pool` has connections of the services' role. `heard`: what an SFU said of a room lately, of its
        own accord."""
        self._pool = pool
        self.ice = IceServers(settings.turn_urls, settings.turn_secret, settings.turn_seconds)
        self.directory = Directory(redis, settings.control_url)
        self._sfu = Sfu(settings.secret) if settings.secret is not None else None
        self._upkeep = Upkeep(pool, self.directory, self._sfu, heard) if self._sfu is not None else None

    def start(self) -> None:
        """Keep SFUs up to date, until `close`."""
        if self._upkeep is not None:
            self._upkeep.start()

    async def close(self) -> None:
        """Stop."""
        if self._upkeep is not None:
            await self._upkeep.close()
        if self._sfu is not None:
            await self._sfu.close()

    def changed(self, tenant: UUID, rooms: Iterable[UUID]) -> None:
        """Something that rights depend on changed about these rooms, and is committed: seats, roles, turns, an end."""
        if self._upkeep is not None:
            self._upkeep.soon(tenant, rooms)

    async def note_talk(self, tenant: UUID, room: UUID, spoken: Mapping[UUID, float], at: float) -> None:
        """Write down how long people have talked: see `edge.dojos.talk_time`. Never fails; the next note makes up for
        one that was lost."""
        try:
            async with self.scope(tenant) as db:
                await talk_time.add(db, tenant, room, spoken, at)
        except FAILURES as error:
            log.warning("who talked in room %s was not written down: %s", room, type(error).__name__)

    async def state(self, room: UUID) -> VoiceState | None:
        """What the SFU says of a room at the moment; None if nobody talks in it, or nobody can tell."""
        if self._sfu is None or (url := await self.directory.known(room)) is None:
            return None
        try:
            return await self._sfu.state(url, room)
        except SfuAway as error:
            log.info("%s", error)
            return None

    # Connections. All raise `Problem`, and what Postgres raises.

    async def open(self, tenant: UUID, dojo: UUID, room: UUID | None, user: UUID, offer: str) -> Opened:
        """Answer an offer of somebody with a seat; without `room` in the dojo's first one."""
        async with self.scope(tenant) as db:
            await check_seat(db, tenant, dojo, user)
            found = await find_room(db, tenant, dojo, room)
            was = await people.come(db, tenant, dojo, found, user)
            person = replace(was, room=found)
            rights = await people.rights(db, person)
        sfu, url = await self._of(person.room)
        try:
            opened = await sfu.open(url, person, rights, offer)
        except SfuAway as error:
            _away(error)
        if was.room != found:  # only now: an offer that was refused changes nothing
            async with self.scope(tenant) as db:
                await people.move(db, was, found)
        # What changed while the SFU was at it, and whether it is to be recorded.
        self.changed(tenant, [person.room])
        return opened

    async def patch(
        self, tenant: UUID, dojo: UUID, user: UUID, peer: UUID, *, fragment: str, etag: str
    ) -> Restarted | None:
        """Candidates of a connection, or its ICE restart."""
        person, rights = await self._connected(tenant, dojo, user)
        sfu, url = await self._of(person.room)
        try:
            return await sfu.patch(url, peer, person, rights, fragment=fragment, etag=etag)
        except SfuAway as error:
            _away(error)

    async def leave(self, tenant: UUID, dojo: UUID, user: UUID, peer: UUID | None = None) -> None:
        """End a connection; without `peer` all that they have where they are. One may always."""
        async with self.scope(tenant) as db:
            person = await people.known(db, tenant, dojo, user)
        if person is None:
            raise not_found()
        sfu, url = await self._of(person.room)
        try:
            if peer is None:
                await sfu.remove(url, person.room, person.number)
            else:
                nothing = Rights(may_speak=False, muted=True, preferred=False)
                await sfu.close_peer(url, peer, person, nothing)
        except SfuAway as error:
            _away(error)

    async def move(self, tenant: UUID, dojo: UUID, room: UUID, user: UUID) -> None:
        """Talk in another room of the dojo from now on, over the connection that is there."""
        async with self.scope(tenant) as db:
            await check_seat(db, tenant, dojo, user)
            to = await find_room(db, tenant, dojo, room)
            person = await people.known(db, tenant, dojo, user)
            if person is None:
                raise _not_talking()
            rights = await people.rights(db, replace(person, room=to))
        if person.room == to:
            return
        sfu, url = await self._of(person.room)
        if await self.directory.of_room(to, beside=person.room) != url:
            raise Problem(409, "voice_elsewhere", "that room is on another server: make a new offer to it")
        try:
            moved = await sfu.put(url, person.room, person.number, rights, to=to)
        except SfuAway as error:
            _away(error)
        if not moved:
            raise _not_talking()
        async with self.scope(tenant) as db:
            await people.move(db, person, to)
        self.changed(tenant, [to])

    # Mutes

    async def mute_oneself(self, tenant: UUID, dojo: UUID, user: UUID, *, muted: bool) -> None:
        """Be silent, or speak again. Raises `Problem` 409 for who was muted by the host and wants to speak."""
        async with self.scope(tenant) as db:
            by_host = await db.fetchval(_MUTE_OWN, tenant, dojo, user, muted)
            person = await people.known(db, tenant, dojo, user)
            if by_host is None or person is None:
                raise _not_talking()
            if by_host and not muted:
                raise Problem(409, "muted_by_host", "the host has muted you")
            rights = await people.rights(db, person)
        await self._tell(person, rights)

    async def mute_one(self, tenant: UUID, dojo: UUID, user: UUID, *, muted: bool) -> None:
        """The host mutes somebody, or lets them speak again. It lasts, also if they connect anew."""
        async with self.scope(tenant) as db:
            if await db.fetchval(_MUTE_ONE, tenant, dojo, user, muted) is None:
                raise _not_talking()
            person = await people.known(db, tenant, dojo, user)
            assert person is not None
            rights = (await people.standings(db, tenant, person.room, [user]))[user].rights
        if rights is not None:
            await self._tell(person, rights)

    async def mute_all(self, tenant: UUID, dojo: UUID, room: UUID, by: UUID, *, muted: bool) -> None:
        """The host mutes everybody who is in a room but hosts and themselves, or lets all speak again."""
        async with self.scope(tenant) as db:
            await db.execute(_MUTE_ALL, tenant, dojo, room, muted, by)
            heard = [row["number"] for row in await db.fetch(_HEARD, tenant, dojo, room)]
        if muted and self._sfu is not None and (url := await self.directory.known(room)) is not None:
            try:
                await self._sfu.mute(url, room, heard)
            except SfuAway as error:
                _away(error)
        self.changed(tenant, [room])

    async def _tell(self, person: Person, rights: Rights) -> None:
        """What is written holds from the next connection on at the latest; so an SFU that is away is no failure."""
        self.changed(person.tenant, [person.room])
        if self._sfu is None or (url := await self.directory.known(person.room)) is None:
            return
        try:
            await self._sfu.put(url, person.room, person.number, rights)
        except SfuAway as error:
            log.warning("the SFU was not told who is muted: %s", error)

    async def _connected(self, tenant: UUID, dojo: UUID, user: UUID) -> tuple[Person, Rights]:
        async with self.scope(tenant) as db:
            person = await people.known(db, tenant, dojo, user)
            if person is None:
                raise not_found()
            await check_seat(db, tenant, dojo, user)
            return person, await people.rights(db, person)

    async def _of(self, room: UUID) -> tuple[Sfu, str]:
        url = await self.directory.of_room(room) if self._sfu is not None else None
        if self._sfu is None or url is None:
            raise away()
        return self._sfu, url

    @asynccontextmanager
    async def scope(self, tenant: UUID) -> AsyncIterator[Any]:
        """A transaction that speaks for `tenant`."""
        async with tenant_scope(self._pool, tenant, acquire_seconds=ACQUIRE_SECONDS) as db:
            yield db


def _away(error: SfuAway) -> NoReturn:
    log.warning("%s", error)
    raise away() from None


def _not_talking() -> Problem:
    return Problem(409, "not_in_voice", "nobody is connected to the voice of this dojo: make an offer first")
