"""The bus over Redis' publish and subscribe: one connection that listens, one that speaks, a channel per open room.

Whether it works is tried out all the time and from end to end: a *beat*, an empty message that this node sends to
itself. The bus counts as up when a beat came back after all rooms were subscribed. It counts as down as soon as either
connection ends or stands still; then both are made anew. What is said meanwhile is dropped: after an interruption rooms
compare what they have, and old messages are no help in that.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from collab_core.bus import channels
from collab_core.bus.messages import BusError
from collab_core.bus.outgoing import Outgoing
from collab_core.bus.port import Heard
from collab_core.bus.redis_connection import RedisConnection, RedisRefused, command, publish
from collab_core.bus.stall import Stall
from collab_core.bus.subscriptions import Subscriptions
from collab_core.identity import RoomKey
from kernel.telemetry import Sample

SUBSCRIBE_SECONDS: Final = 0.25
"""For the confirmation of a room. It takes some 0.2 ms; a room is not kept closed for a Redis that is slow."""
GRACE_SECONDS: Final = 0.1
"""Once more, for an answer that is there and not read yet: this process itself was held up."""
CONNECT_SECONDS: Final = 1.0
"""For both connections, with all that is said first on them."""
BEAT_SECONDS: Final = 0.4
"""A connection that stands still is noticed after two to three of them."""
BEHIND_SECONDS: Final = 1.2
"""Three beats."""
BEATS_UNHEARD: Final = 12
"""So many, some 5 s, while other messages come: what this node says and what it hears are not of the same Redis, or it
hears everything that late."""
AGAIN_SECONDS: Final = (0.05, 2.0)
"""First and longest pause before Redis is tried again."""
STEADY_SECONDS: Final = 5.0
"""Up for so long, it is tried again after the first pause."""
FLUSH_SECONDS: Final = 0.5
"""At the end, for what was said and is not written."""
QUEUE_MESSAGES: Final = 10_000
QUEUE_BYTES: Final = 16 * 1024 * 1024
WRITE_BYTES: Final = 256 * 1024
"""Written at once."""
IN_FLIGHT_MESSAGES: Final = 64
"""Written and not answered, which takes 0.1 ms: no more are written then, so that Redis gets no more than it takes.
Fewer would let a keystroke wait for the answer to the one before."""
CHANNELS_AT_ONCE: Final = 500
"""In one SUBSCRIBE, so that Redis serves others in between."""

logger = logging.getLogger(__name__)


class _Standstill(Exception):
    """A connection that looks open and is not answered."""


class RedisBus:
    """`collab_core.bus.port.Bus`. `start` it on the event loop of the rooms, `close` it at the end."""

    alone = False

    def __init__(self, redis: Redis, epoch: UUID, *, dice: Callable[[], float] = random.random) -> None:
        """`redis` says where Redis is; its pool is not used. `epoch` names this node."""
        self._redis = redis
        self._own_channel = channels.of_node(epoch)
        self._beat = publish(self._own_channel, b"")
        self._dice = dice
        self._task: asyncio.Task[None] | None = None
        self._risen = asyncio.Event()
        self._listening: RedisConnection | None = None
        self._speaking: RedisConnection | None = None
        self._interrupted: list[Callable[[], None]] = []
        self._on_down: list[Callable[[], None]] = []
        self._missed = False
        """Whether messages may have been lost that nobody was told of."""
        self._said_down = False
        """Whether the log has it that the bus is down."""

        self._subscriptions = Subscriptions()
        self._asks_soon = False
        self._unconfirmed: dict[bytes, asyncio.Event] = {}
        self._replies = 0
        self._received = 0

        self._outgoing = Outgoing(QUEUE_MESSAGES, QUEUE_BYTES)
        self._speaks_soon = False
        self._quiet = asyncio.Event()
        self._in_flight = 0
        self._answers = 0
        self._beat_due = False
        self._beats_unheard = 0
        self._beats: deque[float] = deque()
        """When those were sent that did not come back yet."""
        self._heard_to = 0.0
        self._round_trip = 0.0
        self._published = 0
        self._dropped = 0
        self._rises = 0

    # The port

    @property
    def up(self) -> bool:
        """See the port."""
        return self._risen.is_set()

    @property
    def behind(self) -> bool:
        """See the port. After this process was held up its sockets may be read in any order; its own beat comes after
        all that others had said when it was sent."""
        return self.up and time.monotonic() - self._heard_to > BEHIND_SECONDS

    async def subscribe(self, key: RoomKey, heard: Heard) -> None:
        """See the port. Waits for Redis to confirm it, `SUBSCRIBE_SECONDS` at most. Also when cancelled, it is
        subscribed until `unsubscribe`."""
        channel = channels.of_room(key)
        self._subscriptions.want(channel, heard)
        self._ask_soon()
        if self._listening is None:
            self._missed = True
            return
        if self._subscriptions.confirmed(channel):
            return
        confirmed = self._unconfirmed.setdefault(channel, asyncio.Event())
        if not await _within(SUBSCRIBE_SECONDS, confirmed) and not await _within(GRACE_SECONDS, confirmed):
            self._missed = True

    def unsubscribe(self, key: RoomKey) -> None:
        """See the port."""
        channel = channels.of_room(key)
        self._subscriptions.unwant(channel)
        self._confirm(channel)  # nobody waits for what is not wanted
        self._ask_soon()

    def publish(self, key: RoomKey, message: bytes) -> None:
        """See the port."""
        self._offer(channels.of_room(key), message)

    def send(self, node: UUID, key: RoomKey, message: bytes) -> None:
        """See the port."""
        self._offer(channels.of_node(node), channels.address(channels.of_room(key), message))

    def on_down(self, callback: Callable[[], None]) -> None:
        """See the port."""
        self._on_down.append(callback)

    def on_interrupted(self, callback: Callable[[], None]) -> None:
        """See the port."""
        self._interrupted.append(callback)

    # From start to end

    async def start(self) -> None:
        """Connect, and stay connected until `close`. Waits `SUBSCRIBE_SECONDS` at most for it to be up."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="bus")
        await _within(SUBSCRIBE_SECONDS, self._risen)

    async def close(self) -> None:
        """Write what was said, if that takes no longer than `FLUSH_SECONDS`, and end."""
        if self._task is None:
            return
        if self.up and (self._outgoing or self._in_flight):
            self._quiet.clear()
            await _within(FLUSH_SECONDS, self._quiet)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def samples(self) -> Iterable[Sample]:
        """For metrics."""
        yield Sample("dojo_bus_up", "1 while messages of other nodes get here and ours get there", float(self.up))
        yield Sample("dojo_bus_published_total", "Messages said to other nodes", self._published, "counter")
        text = "Messages that were not said, or maybe not: full or down"
        yield Sample("dojo_bus_dropped_total", text, self._dropped, "counter")
        yield Sample("dojo_bus_received_total", "Messages heard, our own too", self._received, "counter")
        reconnects = max(0, self._rises - 1)
        yield Sample("dojo_bus_reconnects_total", "Times the bus was up again", reconnects, "counter")
        yield Sample("dojo_bus_queue_bytes", "Said and not yet written", self._outgoing.size)
        yield Sample("dojo_bus_rooms", "Rooms that are listened for", self._rooms)
        yield Sample("dojo_bus_round_trip_seconds", "From this node over Redis to itself, last time", self._round_trip)

    # Speaking

    def _offer(self, channel: bytes, message: bytes) -> None:
        if self.up and self._outgoing.offer(publish(channel, message)):
            self._published += 1
            self._speak_soon()
        else:
            self._dropped += 1
            self._missed = True

    def _send_beat(self) -> None:
        self._beat_due = True
        self._speak_soon()

    def _speak_soon(self) -> None:
        """At the end of the event loop's turn, so that all that is said in it goes together."""
        if not self._speaks_soon and self._in_flight < IN_FLIGHT_MESSAGES:
            self._speaks_soon = True
            asyncio.get_running_loop().call_soon(self._speak)

    def _speak(self) -> None:
        self._speaks_soon = False
        if self._speaking is None or self._in_flight >= IN_FLIGHT_MESSAGES:
            return
        batch = self._outgoing.take(WRITE_BYTES)
        if self._beat_due:
            self._beat_due = False
            self._beats.append(time.monotonic())
            batch.append(self._beat)
        if not batch:
            if not self._in_flight:
                self._quiet.set()
            return
        self._in_flight += len(batch)
        self._speaking.write(b"".join(batch))

    def _answer(self, _receivers: Any) -> None:
        self._in_flight -= 1
        self._answers += 1
        if not self._in_flight or self._outgoing:
            self._speak()

    # Listening

    def _ask_soon(self) -> None:
        """As `_speak_soon`: rooms that open together share their way to Redis."""
        if not self._asks_soon and self._listening is not None:
            self._asks_soon = True
            asyncio.get_running_loop().call_soon(self._ask)

    def _ask(self) -> None:
        self._asks_soon = False
        if self._listening is not None:
            for verb, names in self._subscriptions.commands(CHANNELS_AT_ONCE):
                self._listening.write(command(verb, *names))

    def _listen(self, reply: Any) -> None:
        self._replies += 1
        kind, channel, said = reply
        if kind != b"message":
            if self._subscriptions.answered(channel):
                self._confirm(channel)
            return
        heard = self._subscriptions.heard(channel)
        if heard is None:
            return
        if said:  # a beat is empty
            self._received += 1
        try:
            heard(said)
        except BusError as error:
            logger.warning("a message of the bus is not taken: %s", error)
        except Exception:  # one message or one room must not cost the others theirs
            logger.exception("a message of the bus could not be taken")

    @property
    def _rooms(self) -> int:
        return len(self._subscriptions) - (self._subscriptions.heard(self._own_channel) is not None)

    def _confirm(self, channel: bytes) -> None:
        if waiting := self._unconfirmed.pop(channel, None):
            waiting.set()
        if channel == self._own_channel and not self.up:
            self._send_beat()

    def _directed(self, data: bytes) -> None:
        """What came on this node's own channel."""
        if not data:
            self._beats_unheard = 0
            if self._beats:
                self._heard_to = self._beats.popleft()
                self._round_trip = time.monotonic() - self._heard_to
            if not self.up:
                self._rise()
            return
        channel, message = channels.read_address(data)
        heard = self._subscriptions.heard(channel)
        if heard is not None:
            heard(message)

    # Up and down

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        pause, longest = AGAIN_SECONDS
        while True:
            began = loop.time()
            try:
                await self._session()
            except Exception as error:  # whatever it met, the bus is worth trying again
                self._say_down(error)
            if loop.time() - began > STEADY_SECONDS:
                pause = AGAIN_SECONDS[0]
            await asyncio.sleep(pause * (0.5 + self._dice() / 2))
            pause = min(2 * pause, longest)

    async def _session(self) -> None:
        ended = asyncio.get_running_loop().create_future()

        def end(error: Exception) -> None:
            if not ended.done():
                ended.set_result(error)

        listening = RedisConnection(self._redis, self._listen, end)
        speaking = RedisConnection(self._redis, self._answer, end)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await listening.connect()
                await speaking.connect()
            self._listening, self._speaking = listening, speaking
            self._subscriptions.begin()
            # The last one: its confirmation is that of all.
            self._subscriptions.want(self._own_channel, self._directed)
            self._ask_soon()
            await self._watch(ended)
        finally:
            self._fall()
            await listening.close()
            await speaking.close()

    async def _watch(self, ended: asyncio.Future[Exception]) -> None:
        """Until it has ended, or stands still: raises why."""
        listening, speaking = Stall(), Stall()
        while True:
            await asyncio.wait([ended], timeout=BEAT_SECONDS)
            if ended.done():
                raise ended.result()
            if listening.look(self._replies, owed=True):
                raise _Standstill("nothing comes, not even our own beat")
            if speaking.look(self._answers, owed=self._in_flight > 0):
                raise _Standstill("what is said is not answered")
            if self._beats_unheard >= BEATS_UNHEARD:
                raise _Standstill("other messages come, but not our own beat")
            if self._subscriptions.confirmed(self._own_channel):
                self._beats_unheard += 1
                self._send_beat()
            if self._missed and self.up and not self._unconfirmed and not self._outgoing:
                self._tell_interrupted()

    def _rise(self) -> None:
        self._risen.set()
        self._rises += 1
        if self._said_down:
            self._said_down = False
            logger.info("the bus is up again, %d rooms are listened for", self._rooms)
        if self._missed:
            self._tell_interrupted()

    def _fall(self) -> None:
        self._listening = self._speaking = None
        was_up = self.up
        self._missed |= was_up
        self._risen.clear()
        self._dropped += self._outgoing.clear() + self._in_flight
        self._in_flight = 0
        self._beats_unheard = 0
        self._beats.clear()
        self._beat_due = False
        if was_up:
            _call(self._on_down)

    def _tell_interrupted(self) -> None:
        self._missed = False
        _call(self._interrupted)

    def _say_down(self, error: Exception) -> None:
        if not self._said_down:
            self._said_down = True
            expected = isinstance(error, RedisError | RedisRefused | OSError | _Standstill)
            logger.warning("the bus is down: %s: %s", type(error).__name__, error, exc_info=None if expected else error)


def _call(callbacks: Iterable[Callable[[], None]]) -> None:
    for callback in callbacks:
        try:
            callback()
        except Exception:  # the others are to know it too
            logger.exception("what is to be done as the bus goes down or comes up failed")


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Whether it happened in time."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
