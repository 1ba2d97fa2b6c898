"""What a live node keeps of the turns in its open rooms: the state in memory, who is connected here, and the timers.

Postgres is the truth. A ring, a look every few seconds and every change of our own bring a newer version; an older one
is refused. What is due is tried by whichever node notices, and done once. Who is connected here is compared with the
seats each time the state is read or written, so that whatever was lost on the way, by a node or a network, heals.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol, TypeVar
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from edge.dojos import bell
from edge.dojos.bell import Bell
from edge.dojos.turns.commands import SYSTEM, Applied, Command, Confirm, Dropped, Expire, Joined, Refused, Who
from edge.dojos.turns.copies import Copies
from edge.dojos.turns.store import Change, Contended, NoRoom, Order, RoomTurns, change, load
from kernel.database import tenant_scope
from kernel.lookout import Lookout

CHANGE_SECONDS: Final = 2.0
"""For one transaction. It takes 2 to 5 ms."""
ACQUIRE_SECONDS: Final = 1.0
"""For a free connection of the pool."""
CLOSE_SECONDS: Final = 1.0
"""For telling at the end that nobody is connected here any more. Whoever was keeps their place for the grace anyway."""
MOST_WAITING: Final = 256
"""Orders of one room that wait for a transaction."""
MOST_AT_ONCE: Final = 32
"""Orders of one room in one transaction, and as many of the node's own: 0.3 ms each with 500 people in the room, during
which nothing else runs."""
SOONEST_SECONDS: Final = 0.005
"""Before a timer is tried again that was due by our reckoning but not by the database's clock."""
OTHERS_FIRST_SECONDS: Final = 0.15
"""What is due is left to the pilot's node for so long at most, lest all nodes try at the same moment."""
CLOCK_SECONDS: Final = 60.0
"""A reading of the database's clock is used for so long, unless a closer one comes."""

_VERSIONS: Final = (
    "SELECT room_id, version, status = 'ACTIVE' AS open FROM dojo_rooms WHERE tenant_id = $1 AND room_id = ANY($2)"
)

Done = TypeVar("Done", Change, RoomTurns)

log = logging.getLogger(__name__)


class TurnsAway(Exception):
    """Postgres did not carry out a command, or too many wait already. Try again."""


class Listener(Protocol):
    """Who is told of a room's turns. Called on the event loop: await nothing, and raise nothing."""

    def __call__(self, before: RoomTurns | None, after: RoomTurns) -> None:
        """`after` is newer than `before`, which was the last one told."""
        ...


@dataclass(slots=True)
class _Waiting:
    order: Order
    answer: asyncio.Future[Applied | Refused]


class _Clock(NamedTuple):
    """The database's clock, known to within `width` seconds: its reading when `monotonic` was zero."""

    width: float
    taken_at: float
    at_zero: datetime


@dataclass(slots=True)
class _Kept:
    tenant: UUID
    room: UUID
    listener: Listener
    held: RoomTurns | None = None
    here: dict[UUID, bool] = field(default_factory=dict)
    waiting: deque[_Waiting] = field(default_factory=deque)
    stale: bool = False
    """Somebody may have changed it."""
    due: bool = False
    timer: asyncio.TimerHandle | None = None
    worker: asyncio.Task[None] | None = None


class Watch:
    """`start` it, `close` it at the end."""

    def __init__(
        self,
        pool: Any,
        redis: Redis | None,
        *,
        node: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pool` has connections of the services' role. `node` is this node's name, the same again after a restart."""
        self._pool = pool
        self._node = node
        self._monotonic = monotonic
        self._bell = Bell(redis)
        self._copies = Copies(redis)
        self._lookout = Lookout(redis, bell.CHANNEL, look=self._look, heard=self._heard)
        self._rooms: dict[tuple[UUID, UUID], _Kept] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._to_tell: dict[tuple[UUID, UUID], RoomTurns] = {}
        self._told = asyncio.Event()
        self._teller: asyncio.Task[None] | None = None
        self._clock: _Clock | None = None

    def start(self) -> None:
        """Keep up until `close`."""
        self._lookout.start()
        self._teller = asyncio.get_running_loop().create_task(self._tell(), name="tell of turns")

    async def close(self) -> None:
        """Say that nobody is connected here any more, and stop."""
        await self._lookout.close()
        for kept in self._rooms.values():
            kept.here.clear()
            self._work_on(kept)
        if self._workers:
            await asyncio.wait(self._workers, timeout=CLOSE_SECONDS)
        for kept in list(self._rooms.values()):
            self.shut(kept.tenant, kept.room)
        tasks = [*self._workers, *([self._teller] if self._teller is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def hears(self) -> bool:
        """Whether a ring would be heard."""
        return self._lookout.hears

    def now(self) -> datetime:
        """The database's clock, by our reckoning."""
        if self._clock is None:
            return datetime.now(UTC)
        return self._clock.at_zero + timedelta(seconds=self._monotonic())

    async def open(self, tenant: UUID, room: UUID, listener: Listener) -> RoomTurns:
        """Keep a room, of which nobody is connected here yet, and tell `listener` of each change. Raises `NoRoom`,
        `TurnsAway`."""
        self.shut(tenant, room)
        kept = _Kept(tenant, room, listener)
        self._rooms[tenant, room] = kept
        try:
            await self._read(kept)
        except (NoRoom, TurnsAway):
            self.shut(tenant, room)
            raise
        assert kept.held is not None
        self._work_on(kept)
        return kept.held

    def shut(self, tenant: UUID, room: UUID) -> None:
        """Keep it no longer. Call `leave` for those who were connected before, and let it be written."""
        kept = self._rooms.pop((tenant, room), None)
        if kept is None:
            return
        if kept.timer is not None:
            kept.timer.cancel()
        _fail(kept, TurnsAway("the room left this node"))

    def held(self, tenant: UUID, room: UUID) -> RoomTurns | None:
        """The newest that is known of an open room."""
        kept = self._rooms.get((tenant, room))
        return kept.held if kept is not None else None

    def enter(self, tenant: UUID, room: UUID, user: UUID, *, able: bool) -> None:
        """`user` is connected here; `able`: by a client that can take a turn, and not as an observer. Say it again when
        that changes."""
        kept = self._rooms.get((tenant, room))
        if kept is not None:
            kept.here[user] = able
            self._work_on(kept)

    def leave(self, tenant: UUID, room: UUID, user: UUID) -> None:
        """The last connection of `user` here is gone."""
        kept = self._rooms.get((tenant, room))
        if kept is not None and kept.here.pop(user, None) is not None:
            self._work_on(kept)

    async def ask(
        self, tenant: UUID, room: UUID, command: Command, who: Who = SYSTEM, expected: int | None = None
    ) -> Applied | Refused:
        """Carry out `command` and say what came of it. Raises `NoRoom` for one that is not open here, `TurnsAway`."""
        kept = self._rooms.get((tenant, room))
        if kept is None:
            raise NoRoom
        if len(kept.waiting) >= MOST_WAITING:
            raise TurnsAway("too many commands wait")
        answer: asyncio.Future[Applied | Refused] = asyncio.get_running_loop().create_future()
        kept.waiting.append(_Waiting(Order(command, who, expected), answer))
        self._work_on(kept)
        return await answer

    # One room

    def _work_on(self, kept: _Kept) -> None:
        if kept.worker is None and (kept.tenant, kept.room) in self._rooms:
            kept.worker = asyncio.get_running_loop().create_task(self._work(kept), name="turns of a room")
            self._workers.add(kept.worker)
            kept.worker.add_done_callback(self._workers.discard)

    async def _work(self, kept: _Kept) -> None:
        """Until nothing is left to do; what fails is tried again at the next look."""
        try:
            while self._rooms.get((kept.tenant, kept.room), kept) is kept:
                asked = [kept.waiting.popleft() for _ in range(min(len(kept.waiting), MOST_AT_ONCE))]
                orders = [each.order for each in asked] + [
                    Order(command) for command in islice(self._own(kept), MOST_AT_ONCE)
                ]
                if not orders and not kept.stale:
                    return
                kept.stale = kept.due = False
                try:
                    if orders:
                        saved = await self._change(kept, asked, orders)
                        if not (saved or asked or kept.stale or kept.waiting):
                            # Nothing came of what this node has to say: saying it again at once would not help.
                            return
                    else:
                        await self._read(kept)
                except (TurnsAway, NoRoom) as error:
                    kept.stale = True
                    _answer_all(asked, error)
                    _fail(kept, error)
                    log.warning("turns of a room wait for the next look: %s", error)
                    return
        finally:
            kept.worker = None

    def _own(self, kept: _Kept) -> Iterator[Command]:
        """What this node has to say of its own: who is connected here, and that time has passed."""
        held = kept.held
        if held is None or not held.open:
            return
        if kept.due:
            yield Expire()
        state, node = held.state, self._node
        for user, seat in state.seats.items():
            if node in seat.nodes and user not in kept.here:
                yield Dropped(user, node)
        for user, able in kept.here.items():
            known = state.seats.get(user)
            if known is None or known.nodes.get(node) is not able:
                yield Joined(user, node, able)
        if state.confirm_by is not None and state.pilot is not None and kept.here.get(state.pilot):
            yield Confirm(state.pilot, state.turn_number)

    async def _change(self, kept: _Kept, asked: list[_Waiting], orders: list[Order]) -> bool:
        done = await self._transaction(kept, lambda db: change(db, kept.tenant, kept.room, orders))
        if done.saved:
            self._to_tell[kept.tenant, kept.room] = done.after
            self._told.set()
        self._take(kept, done.after)
        # Those who asked come first; the rest is the node's own.
        for waiting, answer in zip(asked, done.answers, strict=False):
            if not waiting.answer.done():
                waiting.answer.set_result(answer)
        return done.saved

    async def _read(self, kept: _Kept) -> None:
        self._take(kept, await self._transaction(kept, lambda db: load(db, kept.tenant, kept.room)))

    async def _transaction(self, kept: _Kept, work: Callable[[Any], Awaitable[Done]]) -> Done:
        """What `work` gives, in a transaction of the room's tenant. Raises `NoRoom`, `TurnsAway`."""
        started = self._monotonic()
        try:
            async with (
                asyncio.timeout(CHANGE_SECONDS),
                tenant_scope(self._pool, kept.tenant, acquire_seconds=ACQUIRE_SECONDS) as db,
            ):
                done = await work(db)
        except Contended:
            raise TurnsAway("others changed them each time") from None
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise TurnsAway(type(error).__name__) from error
        self._read_clock(started, done)
        return done

    def _read_clock(self, started: float, done: Change | RoomTurns) -> None:
        ended = self._monotonic()
        read_at = done.read_at if isinstance(done, RoomTurns) else done.after.read_at
        reading = _Clock(ended - started, ended, read_at - timedelta(seconds=(started + ended) / 2))
        held = self._clock
        if held is None or reading.width <= held.width or ended - held.taken_at > CLOCK_SECONDS:
            self._clock = reading

    def _take(self, kept: _Kept, found: RoomTurns) -> None:
        """Hold `found` unless it is older than what is held."""
        before = kept.held
        if self._rooms.get((kept.tenant, kept.room)) is not kept:
            return
        if before is None or found.version > before.version or (found.version == before.version and not found.open):
            kept.held = found
            if before is None or (before.version, before.open) != (found.version, found.open):
                try:
                    kept.listener(before, found)
                except Exception:  # whoever listens must not stop the turns
                    log.exception("a change of turns was not taken in")
            if before is not None and before.open and not found.open:
                # The copies expire with the room.
                self._to_tell[kept.tenant, kept.room] = found
                self._told.set()
        self._arm(kept)

    def _arm(self, kept: _Kept) -> None:
        if kept.timer is not None:
            kept.timer.cancel()
            kept.timer = None
        held = kept.held
        if held is None or not held.open or held.state.due_at is None:
            return
        seconds = max(SOONEST_SECONDS, (held.state.due_at - self.now()).total_seconds())
        if held.state.pilot not in kept.here:
            seconds += random.uniform(0.3, 1.0) * OTHERS_FIRST_SECONDS  # noqa: S311 - spreads load, hides nothing
        kept.timer = asyncio.get_running_loop().call_later(seconds, self._is_due, kept)

    def _is_due(self, kept: _Kept) -> None:
        kept.timer, kept.due = None, True
        self._work_on(kept)

    # All rooms

    def _heard(self, message: bytes) -> None:
        rung = bell.read(message)
        if rung is None:
            return
        for room in rung.rooms:
            kept = self._rooms.get((rung.tenant, room))
            if kept is not None:
                kept.stale = True
                self._work_on(kept)

    async def _look(self) -> None:
        """Which rooms somebody else has changed, or have something left to do."""
        by_tenant: dict[UUID, list[UUID]] = {}
        for tenant, room in self._rooms:
            by_tenant.setdefault(tenant, []).append(room)
        for tenant, rooms in by_tenant.items():
            async with (
                asyncio.timeout(CHANGE_SECONDS),
                tenant_scope(self._pool, tenant, acquire_seconds=ACQUIRE_SECONDS) as db,
            ):
                rows = await db.fetch(_VERSIONS, tenant, rooms)
            for row in rows:
                kept = self._rooms.get((tenant, row["room_id"]))
                if kept is None:
                    continue
                held = kept.held
                if held is None or (held.version, held.open) != (row["version"], row["open"]):
                    kept.stale = True
                self._work_on(kept)

    async def _tell(self) -> None:
        """After our own changes: other nodes, and whoever reads the copies. Only the newest of each room counts."""
        while True:
            await self._told.wait()
            self._told.clear()
            while self._to_tell:
                _, room = self._to_tell.popitem()
                try:
                    await self._bell.ring(room.tenant, [room.room])
                    await self._copies.write(room)
                except Exception:  # it must be told of the next room too
                    log.exception("a change of turns was not told")


def _answer_all(asked: list[_Waiting], error: Exception) -> None:
    for waiting in asked:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)


def _fail(kept: _Kept, error: Exception) -> None:
    _answer_all(list(kept.waiting), error)
    kept.waiting.clear()
