"""The dojos' rooms that are open on this node, and what reaches them from outside: the database, other nodes, HTTP.

Postgres is the truth, and is asked every few seconds about all that is open. The bell of Redis only makes a node ask at
once about the rooms it names.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from collab_core.admission import Admission
from collab_core.application import Application, NoApplication
from collab_core.closes import CloseCode
from collab_core.identity import RoomKey
from collab_core.journal.port import Journal
from collab_core.member import Member
from collab_core.room import Room
from edge.dojos.bell import CHANNEL, Bell, read
from edge.dojos.seed import seed
from edge.dojos.turns.watch import Watch
from edge.live import chat, news, stage, stays
from edge.live.chat import ToSay
from edge.live.commands import RoomCommands
from edge.live.live_room import LiveRoom
from edge.live.place import SeatedAdmission
from edge.live.seen import Seen
from edge.live.stage import Stage
from edge.live.table import Relay
from edge.live.voice_ear import VoiceEar
from edge.live.voice_watch import watch_voice
from edge.voice.settings import NO_VOICE, VoiceEdge
from edge.voice.state import VoiceChange, VoiceState
from edge.voice.voice import Voice
from kernel.database import tenant_scope
from kernel.lookout import Lookout
from kernel.telemetry import Sample

ACQUIRE_SECONDS: Final = 2.0
"""For a connection of the pool."""
STAGED_SECONDS: Final = 25.0
"""How long a room that is not open (yet) stays staged: past the longest admission and load, and less than looks look
back on what was said."""
STORED_AT_ONCE: Final = 20
"""Chat messages of one room in one transaction."""
SEEDED_ROOMS: Final = 10_000
"""Rooms remembered as having content."""
WAITING_LEAVES: Final = 10_000
"""People whose leaving waits to be written; more than a node's rooms lose at once."""

AWAY: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What Postgres that is away or slow is told by; TimeoutError is an OSError."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Staged:
    stage: Stage
    relay: Relay
    used_at: float


class OwnRoom(NoApplication):
    """A room that is no dojo's; or one whose dojo was put away while somebody was on the way in. They come again."""

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._room = room

    def may_write(self, member: Member) -> bool:
        return member.admission.can_write and not isinstance(member.admission, SeatedAdmission)

    def joined(self, member: Member) -> None:
        if isinstance(member.admission, SeatedAdmission):
            self._room.expel(member, CloseCode.ROOM_UNAVAILABLE, "try again")


class LiveDojos:
    """The dojos' side of one live node. Implements `edge.live.house.House`."""

    def __init__(
        self,
        pool: Any,
        journal: Journal,
        redis: Redis | None,
        *,
        renew: Callable[[str, Admission], Awaitable[Admission]],
        watch: Watch,
        node: str,
        voice: VoiceEdge = NO_VOICE,
    ) -> None:
        """`pool` is of the services' role. `renew` is the gate's. `node` is what `watch` calls this one."""
        self.open: dict[UUID, LiveRoom] = {}
        self._rooms: dict[RoomKey, Room] = {}
        self._commands = RoomCommands(pool, self._rooms)
        self._pool = pool
        self._journal = journal
        self._bell = Bell(redis)
        self._lookout = Lookout(redis, CHANNEL, look=self._look_at_all, heard=self._heard)
        self._renew = renew
        self.watch = watch
        self.node = node
        self._staged: dict[RoomKey, _Staged] = {}
        self._staging: dict[RoomKey, asyncio.Task[bool]] = {}
        self._seeded: OrderedDict[RoomKey, None] = OrderedDict()
        self._chats: dict[UUID, asyncio.Queue[ToSay]] = {}
        self._leaves: asyncio.Queue[tuple[UUID, UUID]] = asyncio.Queue(WAITING_LEAVES)
        self._rung: dict[UUID, set[UUID]] = defaultdict(set)
        self._news = asyncio.Event()
        self._knocks: dict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._tasks: set[asyncio.Task[None]] = set()
        self.voice = Voice(pool, redis, voice, heard=self._voice_state)
        self._ear = VoiceEar(redis, self._voice_told)

    def start(self) -> None:
        """Keep up, until `close`."""
        self._lookout.start()
        self.own(self._hear_on(), "look at dojos that were rung for")
        self.own(self._write_leaves(), "write who left")
        self.own(Seen(self.scope, self.open).run(), "say who is connected here")
        self.voice.start()
        self._ear.start()
        self.own(watch_voice(self.voice.directory, self.open), "look whether voice processes live")

    async def close(self) -> None:
        """Stop keeping up."""
        await self._lookout.close()
        await self._ear.close()
        await self.voice.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Opening

    def scope(self, tenant: UUID) -> AbstractAsyncContextManager[Any]:
        """A transaction that speaks for `tenant`."""
        return tenant_scope(self._pool, tenant, acquire_seconds=ACQUIRE_SECONDS)

    async def prepare(self, tenant: UUID, dojo: UUID, room: UUID) -> bool:
        """Make ready for the engine to open a room: it is known as this dojo's, and has its first content. False if
        there is no such room any more. Raises what Postgres raises, and `JournalUnavailable`."""
        key = stage.key_of(tenant, room)
        if (staged := self._staged.get(key)) is not None:
            staged.used_at = asyncio.get_running_loop().time()
            return True
        staging = self._staging.get(key)
        if staging is None:
            staging = asyncio.get_running_loop().create_task(self._stage(tenant, dojo, room), name=f"stage {room}")
            self._staging[key] = staging
            staging.add_done_callback(lambda _done: self._staging.pop(key, None))
        return await asyncio.shield(staging)

    async def _stage(self, tenant: UUID, dojo: UUID, room: UUID) -> bool:
        async with self.scope(tenant) as db:
            found = await stage.load(db, tenant, dojo, room)
        if found is None:
            return False
        if found.key not in self._seeded:
            await seed(
                self._journal, found.key, room, author=found.creator, language=found.language, code=found.initial_code
            )
            self._seeded[found.key] = None
            if len(self._seeded) > SEEDED_ROOMS:
                self._seeded.popitem(last=False)
        relay = Relay()
        await self.watch.open(tenant, room, relay)
        self._staged[found.key] = _Staged(found, relay, asyncio.get_running_loop().time())
        return True

    def application(self, room: Room) -> Application:
        """What stands on a room of the engine that was just opened."""
        staged = self._staged.get(room.key)
        if staged is None:
            return OwnRoom(room)
        live = self.open[staged.stage.room] = LiveRoom(room, staged.stage, staged.relay, self)
        self._rooms[room.key] = room
        self._ear.want(staged.stage.room)
        self._look_soon(room.key.tenant, [staged.stage.room])
        return live

    def closed(self, room: UUID) -> None:
        """The room left this node, and its turns with it. It is staged afresh when somebody comes."""
        live = self.open.pop(room, None)
        if live is not None:
            self._ear.drop(room)
            self._staged.pop(live.stage.key, None)
            del self._rooms[live.stage.key]

    # Of open rooms

    def own(self, work: Coroutine[object, object, None], name: str) -> None:
        """Run `work` as a task of this node's."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def renew(self, token: str, current: Admission) -> Admission:
        """As `Authoriser.renew`."""
        return await self._renew(token, current)

    def say(self, room: UUID, said: ToSay) -> bool:
        """Have a chat message stored and then shown; False if too many wait already."""
        queue = self._chats.get(room)
        if queue is None:
            queue = self._chats[room] = asyncio.Queue(chat.QUEUED)
            self.own(self._store_chat(room, queue), f"chat of {room}")
        try:
            queue.put_nowait(said)
        except asyncio.QueueFull:
            return False
        return True

    async def _store_chat(self, room: UUID, queue: asyncio.Queue[ToSay]) -> None:
        """Store what waits, in order, a few in one transaction; ends when nothing waits any more."""
        while not queue.empty():
            live = self.open.get(room)
            asked = [queue.get_nowait() for _ in range(min(queue.qsize(), STORED_AT_ONCE))]
            if live is None:
                continue
            try:
                async with self.scope(live.stage.tenant) as db:
                    said = await chat.store(db, live.stage.tenant, live.stage.dojo, room, asked)
            except AWAY as error:
                log.warning("chat messages of room %s were not stored: %s", room, type(error).__name__)
                live.talk.unsaid(asked)
                continue
            except Exception:  # the next message must be stored, whatever this one met
                log.exception("chat messages of room %s were not stored", room)
                live.talk.unsaid(asked)
                continue
            live.talk.said(said, asked)
            await self._bell.ring(live.stage.tenant, [room])
        del self._chats[room]  # nothing was awaited since it was found empty

    def left(self, room: UUID, user: UUID) -> None:
        """Somebody's grace is over: the stay ends, unless another node has them, and the seat is free unless they are
        elsewhere in the dojo."""
        try:
            self._leaves.put_nowait((room, user))
        except asyncio.QueueFull:
            log.warning("too many people left at once: some seats stay taken")

    async def _write_leaves(self) -> None:
        while True:
            room, user = await self._leaves.get()
            live = self.open.get(room)
            if live is None or user in live.attendance.people:  # back again
                continue
            try:
                async with self.scope(live.stage.tenant) as db:
                    await stays.end(db, live.stage.tenant, live.stage.dojo, room, user)
                self.voice.changed(live.stage.tenant, [room])
            except AWAY as error:
                log.warning("that somebody left room %s was not written: %s", room, type(error).__name__)
            except Exception:  # the next one must be written too
                log.exception("that somebody left room %s was not written", room)

    # From outside

    def _heard(self, message: bytes) -> None:
        if (rung := read(message)) is None:
            return
        self._look_soon(rung.tenant, rung.rooms)

    def _look_soon(self, tenant: UUID, rooms: Iterable[UUID]) -> None:
        self._rung[tenant].update(rooms)
        self._news.set()

    async def knock(self, room: UUID, seconds: float) -> None:
        """Wait until the bell rings for `room`, or for `seconds`."""
        event = asyncio.Event()
        self._knocks[room].add(event)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            self._knocks[room].discard(event)
            if not self._knocks[room]:
                del self._knocks[room]

    async def _hear_on(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            rung, self._rung = self._rung, defaultdict(set)
            for tenant, rooms in rung.items():
                try:
                    await self._look(tenant, rooms & self.open.keys())
                except Exception:  # the others must be looked at too
                    log.exception("a look at rooms that were rung for failed")
                # The door comes last: whoever comes in finds the room as it is now.
                for room in rooms & self._knocks.keys():
                    for event in self._knocks[room]:
                        event.set()

    async def _look_at_all(self) -> None:
        self._forget_unused()
        by_tenant: dict[UUID, set[UUID]] = defaultdict(set)
        for room, live in self.open.items():
            by_tenant[live.stage.tenant].add(room)
        for tenant, rooms in by_tenant.items():
            await self._look(tenant, rooms)

    async def _look(self, tenant: UUID, rooms: Collection[UUID]) -> None:
        """Read what is true about open rooms of one tenant. While Postgres is away they stay as they are."""
        people = {user for room in rooms for user in self.open[room].attendance.people}
        if not rooms:
            return
        try:
            async with self.scope(tenant) as db:
                found = await news.read(db, tenant, list(rooms), list(people), chat.LOOK_BACK_SECONDS)
        except AWAY as error:
            log.warning("cannot look at open dojos: %s", type(error).__name__)
            return
        for room, what in found.items():
            if (live := self.open.get(room)) is not None:
                live.heard(what, people)
                if live.voice is not None and (talking := live.voice.state) is not None and talking.people:
                    self.voice.changed(tenant, [room])
                if what.commands:
                    await self._carry_out(live.stage.key)

    def _voice_state(self, room: UUID, sfu: str) -> VoiceState | None:
        """What was heard last of a room's voice."""
        live = self.open.get(room)
        return live.voice.whole.of_sfu(sfu) if live is not None and live.voice is not None else None

    def _voice_told(self, told: VoiceState | VoiceChange) -> None:
        if (live := self.open.get(told.room)) is not None and live.voice is not None:
            live.voice.heard(told)

    async def _carry_out(self, key: RoomKey) -> None:
        try:
            await self._commands.run(key)
        except AWAY as error:
            log.warning("commands of room %s wait for the next look: %s", key, type(error).__name__)

    def _forget_unused(self) -> None:
        old = asyncio.get_running_loop().time() - STAGED_SECONDS
        for key, staged in list(self._staged.items()):
            if staged.used_at < old and staged.stage.room not in self.open:
                del self._staged[key]
                self.watch.shut(staged.stage.tenant, staged.stage.room)

    def samples(self) -> Iterator[Sample]:
        """How much is open here, as metrics."""
        people = sum(
            person.here or not person.elsewhere
            for live in self.open.values()
            for person in live.attendance.people.values()
        )
        yield Sample("dojo_live_dojo_rooms", "dojos' rooms that are open", float(len(self.open)))
        yield Sample("dojo_live_people", "people in them, lost connections included", float(people))
        yield Sample(
            "dojo_rooms_bell", "1 while changes of dojos are heard of at once, over Redis", float(self._lookout.hears)
        )
