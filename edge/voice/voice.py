"""Talking, as people ask for it over HTTP and on the live socket: who may, and what the SFU is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, NoReturn, TypeVar
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from edge.dojos import talk_time
from edge.dojos.bell import Bell
from edge.dojos.ice_servers import IceServers
from edge.voice import people
from edge.voice.directory import Directory
from edge.voice.people import check_seat, find_room
from edge.voice.rights import Rights
from edge.voice.settings import VoiceEdge
from edge.voice.sfu import Opened, Person, Restarted, Sfu, SfuAway, SfuFull, away
from edge.voice.state import VoiceState
from edge.voice.upkeep import Upkeep
from edge.voice.whole_room import WholeRoom
from kernel.database import FAILURES, tenant_scope
from kernel.http.problem import Problem, busy, not_found

ACQUIRE_SECONDS: Final = 2.0
SDP_BYTES: Final = 64 * 1024
"""Of an offer or a fragment. A browser's offer with three slots has some 6 KiB."""
SEATS_TRIED: Final = 4
"""SFUs that somebody is offered to before all are taken for full."""
FULL_SECONDS: Final = 5
"""Until they may try again."""

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

Result = TypeVar("Result")


class Voice:
    """`start` it, `close` it. No transaction is open while an SFU is asked: one that hangs holds no connection."""

    def __init__(
        self,
        pool: Any,
        redis: Redis | None,
        settings: VoiceEdge,
        *,
        heard: Callable[[UUID, str], VoiceState | None] = lambda _room, _sfu: None,
    ) -> None:
        """`pool` has connections of the services' role. `heard`: what the SFU of a name said of a room lately, of its
        own accord."""
        self._pool = pool
        self._bell = Bell(redis)
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
        """What SFUs say of a room at the moment; None if nobody talks in it, or nobody can tell."""
        if (sfu := self._sfu) is None:
            return None
        whole = WholeRoom()
        for name, url in (await self.directory.holding(room)).items():
            try:
                part = await sfu.state(url, room)
            except SfuAway as error:
                log.info("%s", error)
            else:
                if part is not None:
                    whole.heard(msgspec.structs.replace(part, sfu=name), 0.0)
        return whole.state

    # Connections. All raise `Problem`, and what Postgres raises.

    async def open(self, tenant: UUID, dojo: UUID, room: UUID | None, user: UUID, offer: str) -> Opened:
        """Answer an offer of somebody with a seat; without `room` in the dojo's first one."""
        async with self.scope(tenant) as db:
            await check_seat(db, tenant, dojo, user)
            found = await find_room(db, tenant, dojo, room)
            was = await people.come(db, tenant, dojo, found, user)
            person = replace(was, room=found)
            rights = await people.rights(db, person)
        opened, url = await self._seat(person, rights, offer)
        await self._only_there(person, url)
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

        async def patch(sfu: Sfu, url: str) -> Restarted | None:
            return await sfu.patch(url, peer, person, rights, fragment=fragment, etag=etag)

        done = await self._wherever(person.room, patch)
        if not done:
            raise not_found()
        return done[0]

    async def leave(self, tenant: UUID, dojo: UUID, user: UUID, peer: UUID | None = None) -> None:
        """End a connection; without `peer` all that they have where they are. One may always."""
        async with self.scope(tenant) as db:
            person = await people.known(db, tenant, dojo, user)
        if person is None:
            raise not_found()
        nothing = Rights(may_speak=False, muted=True, preferred=False)

        async def leave(sfu: Sfu, url: str) -> None:
            if peer is not None:
                await sfu.close_peer(url, peer, person, nothing)
            elif not await sfu.remove(url, person.room, person.number):
                raise not_found()

        if not await self._wherever(person.room, leave) and peer is not None:
            raise not_found()

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
        await self.directory.of_room(to, beside=person.room)  # so that it is in one place, if nobody is in it yet

        async def move(sfu: Sfu, url: str) -> str:
            if not await sfu.put(url, person.room, person.number, rights, to=to):
                raise not_found()
            return url

        there = await self._wherever(person.room, move)
        if not there:
            raise _not_talking()
        await self._only_there(replace(person, room=to), there[0])
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
        await self._bell.ring(tenant, [person.room])  # before the SFU says who is muted, and not by whom
        if rights is not None:
            await self._tell(person, rights)

    async def mute_all(self, tenant: UUID, dojo: UUID, room: UUID, by: UUID, *, muted: bool) -> None:
        """The host mutes everybody who is in a room but hosts and themselves, or lets all speak again."""
        async with self.scope(tenant) as db:
            await db.execute(_MUTE_ALL, tenant, dojo, room, muted, by)
            heard = [row["number"] for row in await db.fetch(_HEARD, tenant, dojo, room)]
        await self._bell.ring(tenant, [room])
        self.changed(tenant, [room])
        if muted and (sfu := self._sfu) is not None:
            urls = await self.directory.holders(room)
            _, lost = await _each(urls, lambda url: sfu.mute(url, room, heard))
            if lost is not None:  # those that answered have done it
                _away(lost)

    async def _tell(self, person: Person, rights: Rights) -> None:
        """What is written holds from the next connection on at the latest; so an SFU that is away is no failure."""
        self.changed(person.tenant, [person.room])
        if (sfu := self._sfu) is None:
            return
        urls = await self.directory.holders(person.room)
        _, lost = await _each(urls, lambda url: sfu.put(url, person.room, person.number, rights))
        if lost is not None:
            log.warning("an SFU was not told who is muted: %s", lost)

    async def _connected(self, tenant: UUID, dojo: UUID, user: UUID) -> tuple[Person, Rights]:
        async with self.scope(tenant) as db:
            person = await people.known(db, tenant, dojo, user)
            if person is None:
                raise not_found()
            await check_seat(db, tenant, dojo, user)
            return person, await people.rights(db, person)

    # Which SFUs

    async def _seat(self, person: Person, rights: Rights, offer: str) -> tuple[Opened, str]:
        """The first one that takes them, and its base URL. Raises `Problem`."""
        if self._sfu is None:
            raise away()
        full: list[str] = []
        while len(full) < SEATS_TRIED and (url := await self.directory.seat(person.room, full=full)) is not None:
            try:
                return await self._sfu.open(url, person, rights, offer), url
            except SfuFull:
                full.append(url)
            except SfuAway as error:
                _away(error)
        if not full:
            raise away()
        log.warning("nobody more can talk in room %s: %d SFUs are full", person.room, len(full))
        raise busy("voice_unavailable", "as many people talk as can; try again", FULL_SECONDS)

    async def _only_there(self, person: Person, url: str) -> None:
        """They are connected at `url` now. A connection that another SFU still has would keep this voice from those
        whom that one serves, until it ends; one that is away ends by itself."""
        others = await self.directory.holds(person.room, url)
        if (sfu := self._sfu) is not None and others:
            await _each(others, lambda other: sfu.remove(other, person.room, person.number))

    async def _wherever(self, room: UUID, ask: Callable[[Sfu, str], Awaitable[Result]]) -> list[Result]:
        """Ask all SFUs that have `room`, of which some answer 404: what the others do. Raises `Problem`."""
        urls = await self.directory.holders(room)
        if (sfu := self._sfu) is None or not urls:
            raise away()
        done, lost = await _each(urls, lambda url: ask(sfu, url))
        if lost is not None and not done:
            _away(lost)
        return done

    @asynccontextmanager
    async def scope(self, tenant: UUID) -> AsyncIterator[Any]:
        """A transaction that speaks for `tenant`."""
        async with tenant_scope(self._pool, tenant, acquire_seconds=ACQUIRE_SECONDS) as db:
            yield db


async def _each(urls: Collection[str], ask: Callable[[str], Awaitable[Result]]) -> tuple[list[Result], SfuAway | None]:
    """Ask all at once: the answers but 404, and one of those that are away. Raises what else any of them refuses."""
    answers = await asyncio.gather(*(ask(url) for url in urls), return_exceptions=True)
    done: list[Result] = []
    lost: SfuAway | None = None
    for answer in answers:
        match answer:
            case SfuAway():
                lost = answer
            case Problem(status=404):
                pass
            case BaseException():
                raise answer
            case _:
                done.append(answer)
    return done, lost


def _away(error: SfuAway) -> NoReturn:
    log.warning("%s", error)
    raise away() from None


def _not_talking() -> Problem:
    return Problem(409, "not_in_voice", "nobody is connected to the voice of this dojo: make an offer first")
