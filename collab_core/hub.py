"""The rooms of one node: opened once, evicted when idle, compacted, drained at the end."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection
from uuid import UUID

from collab_core.admission import Admission, Dialect, Refused
from collab_core.application import Applications, NoApplication
from collab_core.authorship import owners_of
from collab_core.bus.alone import Alone
from collab_core.bus.port import Bus
from collab_core.closes import CloseCode
from collab_core.identity import RoomKey
from collab_core.journal.port import Journal, JournalUnavailable
from collab_core.journal.writer import Health, JournalWriter
from collab_core.limits import Limits
from collab_core.marks import Marks
from collab_core.member import Connection, Member
from collab_core.metrics import EngineMetrics
from collab_core.opening import fold, open_log
from collab_core.reading import Readings
from collab_core.room import Room
from collab_core.tuning import Tuning
from collab_core.view import View

EXPIRY_SECONDS = 2.0
"""How often a room looks for members whose token has ended: they must be gone within 5 s."""
EXPELLED_AT_ONCE = 100
"""Members looked at between two turns of the event loop: about a millisecond if all of them are closed."""

CLOSES_SECONDS = 0.105
"""In which `Limits.closes_share` of the members are closed: 100 ms, and something for timers that are not exact."""
TIMER_SECONDS = 0.01
"""Shortest pause between closes, which is rounded up to the whole milliseconds that the event loop's timers have."""

LEARN_INLINE_ENTRIES = 512
"""Reading who wrote what out of more takes over 1.5 ms, and goes to a thread."""
EARLY_MESSAGES = 1_024
"""Messages of other nodes kept for a room that loads; a load takes some 10 ms."""
SLEPT_ROOMS = 10_000
"""Rooms remembered as put to sleep by this process: about 2 MiB."""

logger = logging.getLogger(__name__)


class Hub:
    """Opens rooms, single flight: everyone who asks for a room while it loads waits for the same load."""

    def __init__(
        self,
        journal: Journal,
        writer: JournalWriter,
        *,
        limits: Limits,
        tuning: Tuning,
        metrics: EngineMetrics,
        applications: Applications = NoApplication,
        bus: Bus | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`bus` ties the rooms to the same rooms on other nodes; without one this node is alone. `clock` counts
        seconds; the event loop's own counts milliseconds."""
        self.rooms: dict[RoomKey, Room] = {}
        self.metrics = metrics
        self.draining = False
        self._journal = journal
        self._writer = writer
        self._limits = limits
        self._tuning = tuning
        self._applications = applications
        self._bus: Bus = bus if bus is not None else Alone()
        self._now = clock
        self._opening: dict[RoomKey, asyncio.Task[Room]] = {}
        self._tenant_rooms: Counter[UUID] = Counter()
        self._tenant_members: Counter[UUID] = Counter()
        self._evictions: dict[RoomKey, asyncio.TimerHandle] = {}
        self._compactions: dict[RoomKey, asyncio.Task[None]] = {}
        self._compacted_at: dict[RoomKey, int] = {}
        self._one_compaction = asyncio.Lock()
        self._heartbeats: dict[RoomKey, asyncio.TimerHandle] = {}
        self._expiries: dict[RoomKey, asyncio.TimerHandle] = {}
        self._slept: OrderedDict[RoomKey, None] = OrderedDict()
        """Rooms that left this process with all they held committed: nobody has anything of theirs that must heal."""
        self._next_number = 0
        self._readings = Readings(journal, seconds=tuning.open_seconds)
        self._bus.on_interrupted(self._interrupted)
        self._bus.on_down(self._cut_off)
        writer.on_health.append(self._journal_health)

    async def join(
        self,
        admission: Admission,
        dialect: Dialect,
        connection: Connection,
        review: Callable[[Admission], None] | None = None,
    ) -> tuple[Room, Member]:
        """Open the room if need be and let the connection in. Raises `Refused`.

        `review` is asked at the very moment of entering, and may raise `Refused`: whoever was revoked while the room
        was loading is in none that `expel` could have looked through.
        """
        if self.draining:
            raise Refused(CloseCode.RESTARTING, "this node is going away")
        room = await self._room(admission.key)
        while self.rooms.get(room.key) is not room:  # it was evicted between its opening and our turn
            room = await self._room(admission.key)
        if self.draining:  # it began while the room was loading
            raise Refused(CloseCode.RESTARTING, "this node is going away")
        if review is not None:
            review(admission)
        now = self._now()
        if room.faults.banned(admission.user, now):
            raise Refused(CloseCode.FORBIDDEN, "too many updates that no document can take")
        tenant = admission.key.tenant
        if (
            len(room.members) >= self._limits.members_per_room
            or self._tenant_members[tenant] >= self._limits.members_per_tenant
        ):
            raise Refused(CloseCode.ROOM_FULL, "room or tenant is full")
        self._next_number += 1
        member = Member(self._next_number, admission, dialect, connection, limits=self._limits, now=now)
        self._tenant_members[tenant] += 1
        if (eviction := self._evictions.pop(room.key, None)) is not None:
            eviction.cancel()
        room.join(member)
        return room, member

    def left(self, room: Room, member: Member) -> None:
        """The member's socket is gone, whoever closed it. Call exactly once for each `join`."""
        room.leave(member)
        tenant = room.key.tenant
        self._tenant_members[tenant] -= 1
        if not self._tenant_members[tenant]:
            del self._tenant_members[tenant]

    async def expel(self, tenants: Collection[UUID], review: Callable[[Admission], None]) -> None:
        """Close every member of `tenants` for whom `review` raises `Refused`, with its code and reason. Pauses between
        slices: a whole company's members take a while, and the others' keystrokes must not wait for it."""
        members = [
            (room, member)
            for room in self.rooms.values()
            if room.key.tenant in tenants
            for member in room.members.values()
        ]
        for at, (room, member) in enumerate(members, 1):
            try:
                review(member.admission)
            except Refused as refused:
                room.expel(member, refused.code, refused.reason)
            if at % EXPELLED_AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _room(self, key: RoomKey) -> Room:
        room = self.rooms.get(key)
        if room is not None:
            return room
        opening = self._opening.get(key)
        if opening is None:
            if self._tenant_rooms[key.tenant] >= self._limits.rooms_per_tenant:
                raise Refused(CloseCode.ROOM_FULL, "the tenant has too many rooms open")
            self._tenant_rooms[key.tenant] += 1  # already now: rooms that load at one moment are rooms too
            opening = asyncio.get_running_loop().create_task(self._open(key), name=f"open {key.room}")
            self._opening[key] = opening
            opening.add_done_callback(lambda task: self._opened(key, task))
        try:
            # One waiter that goes away must not take the load from the others.
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            if opening.cancelled():
                raise Refused(CloseCode.RESTARTING, "this node is going away") from None
            raise
        except (JournalUnavailable, TimeoutError, ValueError) as error:
            raise Refused(CloseCode.ROOM_UNAVAILABLE, "the room could not be loaded") from error

    def _opened(self, key: RoomKey, opening: asyncio.Task[Room]) -> None:
        del self._opening[key]
        if opening.cancelled() or opening.exception() is not None:
            self._forget_room_of(key.tenant)

    def _forget_room_of(self, tenant: UUID) -> None:
        self._tenant_rooms[tenant] -= 1
        if not self._tenant_rooms[tenant]:
            del self._tenant_rooms[tenant]

    async def _open(self, key: RoomKey) -> Room:
        early = _Early()
        try:
            async with asyncio.timeout(self._tuning.open_seconds):
                await self._bus.subscribe(key, early)
                loaded = await self._journal.load(key)
            log, document = open_log(loaded.base, loaded.updates)
            entries = loaded.entries
            if len(entries) <= LEARN_INLINE_ENTRIES:
                owners = owners_of(loaded)
            else:
                owners = await asyncio.to_thread(owners_of, loaded)
        except (JournalUnavailable, TimeoutError, ValueError) as error:
            self.metrics.rooms_failed += 1
            logger.error("room %s could not be loaded: %s", key, error)
            self._bus.unsubscribe(key)
            raise
        except asyncio.CancelledError:
            self._bus.unsubscribe(key)
            raise
        clean = self._slept.pop(key, 0) is None
        healing_until = 0.0 if clean else self._now() + self._tuning.healing_seconds
        room = Room(
            key,
            log,
            View(log, document, self.metrics),
            self._writer,
            owners=owners,
            marks=Marks(entries),
            healing_until=healing_until,
            limits=self._limits,
            tuning=self._tuning,
            metrics=self.metrics,
            bus=self._bus,
            read_journal=self._readings.start,
            on_empty=self._emptied,
            applications=self._applications,
            clock=self._now,
        )
        self.rooms[key] = room
        self._readings.opened(key, loaded.moment)
        self.metrics.rooms = len(self.rooms)
        self.metrics.rooms_opened += 1
        # Spread over the interval: rooms that open together must not beat together.
        self._heartbeats[key] = self._later(random.uniform(0, self._tuning.heartbeat_seconds), self._heartbeat, room)  # noqa: S311
        self._expiries[key] = self._later(random.uniform(0, EXPIRY_SECONDS), self._expire, room)  # noqa: S311
        self._compacted_at[key] = -len(entries)
        self._emptied(room)
        room.link.open()
        early.give(room.link.hear)
        return room

    @staticmethod
    def _later(seconds: float, callback: Callable[[Room], None], room: Room) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, callback, room)

    def _heartbeat(self, room: Room) -> None:
        self._heartbeats[room.key] = self._later(self._tuning.heartbeat_seconds, self._heartbeat, room)
        room.heartbeat()
        if room.feed.committed - self._compacted_at[room.key] > self._tuning.compact_rows:
            self._compact(room)

    def _expire(self, room: Room) -> None:
        self._expiries[room.key] = self._later(EXPIRY_SECONDS, self._expire, room)
        room.expire(time.time())

    # Going to sleep

    def _emptied(self, room: Room) -> None:
        if room.key in self._evictions:
            return
        self._evictions[room.key] = self._later(self._tuning.evict_after_seconds, self._evict, room)

    def _evict(self, room: Room) -> None:
        del self._evictions[room.key]
        if room.members:
            return
        if room.feed.committed < room.feed.appended or room.key in self._compactions or not room.link.settled:
            self._emptied(room)  # what it holds is not all in the journal yet: look again later
            return
        if room.feed.committed > self._compacted_at[room.key]:
            self._compact(room)  # a room that sleeps costs one row to open
        room.link.leave()
        self._forget(room)
        self._slept[room.key] = None
        if len(self._slept) > SLEPT_ROOMS:
            self._slept.popitem(last=False)

    def _forget(self, room: Room) -> None:
        room.close()
        del self.rooms[room.key]
        self._bus.unsubscribe(room.key)
        self._readings.closed(room.key)
        self._heartbeats.pop(room.key).cancel()
        self._expiries.pop(room.key).cancel()
        self._compacted_at.pop(room.key)
        self._forget_room_of(room.key.tenant)
        self.metrics.rooms = len(self.rooms)
        self.metrics.rooms_evicted += 1

    def _compact(self, room: Room) -> None:
        if room.key in self._compactions or self._writer.health is not Health.OK:
            return
        self._compacted_at[room.key] = room.feed.committed
        task = asyncio.get_running_loop().create_task(self._compact_one(room.key), name=f"compact {room.key.room}")
        self._compactions[room.key] = task
        task.add_done_callback(lambda _task: self._compactions.pop(room.key, None))

    async def _compact_one(self, key: RoomKey) -> None:
        async with self._one_compaction:
            try:
                folded = await self._journal.compact(key, fold)
                logger.debug("folded %d rows of room %s", folded, key)
            except JournalUnavailable as error:
                logger.warning("room %s was not compacted, its rows stay: %s", key, error)
            except Exception:  # whatever it is, the rows are as they were: nothing is lost by leaving them
                logger.exception("room %s cannot be compacted, its rows stay", key)

    # The bus, the journal, and the end

    def _cut_off(self) -> None:
        for room in list(self.rooms.values()):
            room.link.cut_off()

    def _interrupted(self) -> None:
        for room in list(self.rooms.values()):
            room.link.interrupted()

    def node_gone(self, epoch: UUID) -> None:
        """Another node has ended, or is taken for it."""
        for room in list(self.rooms.values()):
            room.link.gone(epoch)

    def _journal_health(self, health: Health) -> None:
        for room in list(self.rooms.values()):
            room.tell_journal(reachable=health is Health.OK)

    async def drain(self, seconds: float) -> None:
        """Take no one in any more, commit what is accepted, then close members a few at a time: stock clients ignore
        retry hints, so it is the server that spreads their return."""
        self.draining = True
        ends = self._now() + seconds
        for opening in list(self._opening.values()):
            opening.cancel()
        await self._writer.drain(seconds / 2)
        await self._close_all(ends)
        await self._writer.drain(max(0.1, ends - self._now()))
        for task in list(self._compactions.values()):
            await asyncio.wait([task], timeout=max(0.1, ends - self._now()))
        for timer in self._evictions.values():
            timer.cancel()
        self._evictions.clear()
        for room in list(self.rooms.values()):
            if room.link.settled:
                room.link.leave()
            self._forget(room)

    async def _close_all(self, ends: float) -> None:
        members = [(room, member) for room in self.rooms.values() for member in room.members.values()]
        random.shuffle(members)
        usual = CLOSES_SECONDS / max(1, int(len(members) * self._limits.closes_share))
        while members:
            # Some at a time rather than a share, and what was late is not made up for: so no 100 ms, wherever
            # they begin, hold more than a share.
            pause = min(usual, max(0.0, ends - self._now()) / len(members))
            together = math.ceil(TIMER_SECONDS / pause) if pause > 0 else EXPELLED_AT_ONCE
            for room, member in members[-together:]:
                room.expel(member, CloseCode.RESTARTING)
            del members[-together:]
            if members:
                await asyncio.sleep(math.ceil(pause * together * 1000) / 1000)


class _Early:
    """What other nodes say of a room while it loads: kept, and given to it when it is there. More than the bound is
    lost, and healed."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._hear: Callable[[bytes], None] | None = None

    def __call__(self, message: bytes) -> None:
        if self._hear is not None:
            self._hear(message)
        elif len(self._kept) < EARLY_MESSAGES:
            self._kept.append(message)

    def give(self, hear: Callable[[bytes], None]) -> None:
        """The room is there."""
        self._hear = hear
        kept, self._kept = self._kept, []
        for message in kept:
            hear(message)
