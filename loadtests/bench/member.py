"""A member that costs next to nothing: it notes which frame came when, and nothing else while the clock runs.

All members of a room are sent the same bytes, so a frame is parsed once, when the first of them receives it; the
others find it by its bytes. What arrived where, and how late, is worked out after the clock has stopped.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from array import array
from collections.abc import Callable
from typing import NamedTuple

from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from loadtests import dialect as messages
from loadtests.bench.crafted import Keyboard, Range, ranges
from loadtests.client import MAX_FRAME_BYTES, OPEN_SECONDS, close_code, leave
from loadtests.dialect import Dialect
from loadtests.lib0 import read_varbytes, read_varuint, varbytes, varuint

ROOT = "content"
CONNECTS_AT_ONCE = 40
"""Connections opened side by side; more only fills the listening server's backlog."""
SYNC_SECONDS = 60.0
"""Until a member's first sync, when hundreds open at once."""
ASK_SECONDS = 0.02
HEARTBEAT_SECONDS = 15.0
"""How often a stock client renews its presence."""


class LoadFailed(Exception):
    """A member could not be kept in its room: the run says nothing about the server's speed."""


class Frame:
    """What one distinct frame means. `ranges` are the clocks it brings, if it is an update."""

    __slots__ = ("answer", "entries", "event", "ranges", "synced")

    def __init__(self) -> None:
        self.ranges: tuple[Range, ...] = ()
        self.entries: tuple[Entry, ...] = ()
        self.answer = False
        self.synced = False
        self.event: dict[str, object] | None = None


class Entry(NamedTuple):
    """One presence state in a frame: whose, at which clock, and its bytes as they lay in the frame."""

    client: int
    clock: int
    raw: bytes


class FrameTable:
    """Every distinct frame received, parsed."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._frames: dict[bytes, Frame] = {}
        self.get = self._frames.get

    def parse(self, payload: bytes, kind: WSMsgType) -> Frame:
        """The meaning of a frame not seen before. Raises `Truncated` or `UnexpectedContent`."""
        frame = self._frames[payload] = Frame()
        if kind == WSMsgType.TEXT:
            frame.event = json.loads(payload)
            return frame
        message = self._dialect.unwrap(payload)
        if not message:
            return frame
        if message[0] == messages.AWARENESS:
            frame.entries = entries(read_varbytes(message, 1)[0])
            return frame
        if message[1] == messages.STEP_1:
            frame.answer = True
        elif message[1] == messages.STEP_2:
            frame.synced = True
        else:
            frame.ranges = tuple(ranges(read_varbytes(message, 2)[0]))
        return frame


def entries(update: bytes) -> tuple[Entry, ...]:
    """The states in an awareness update. Raises `Truncated`."""
    count, at = read_varuint(update, 0)
    found = []
    for _ in range(count):
        start = at
        client, at = read_varuint(update, at)
        clock, at = read_varuint(update, at)
        _, at = read_varbytes(update, at)
        found.append(Entry(client, clock, update[start:at]))
    return tuple(found)


class Member(WSListener):
    """One connection. With a `keyboard` it types; all of them listen.

    `frames` and `times` are what was received and when, in seconds of `time.perf_counter`.
    """

    def __init__(self, room: str, client_id: int, table: FrameTable, dialect: Dialect, *, types: bool) -> None:
        self.room = room
        self.client_id = client_id
        self.keyboard = Keyboard(client_id, ROOT) if types else None
        self.sent = array("d")
        """When each own update was sent, by clock."""
        self.frames: list[Frame] = []
        self.times = array("d")
        self.events: list[tuple[float, dict[str, object]]] = []
        self.answers = 0
        """SyncStep2 messages sent: they count in `saved` as updates do."""
        self.synced: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.failure: str | None = None
        self.on_entries: Callable[[Member, Frame, float], None] | None = None
        self._table = table
        self._dialect = dialect
        self._lookup = table.get
        self._transport: WSTransport | None = None
        self._presence_clock = 0
        # Update messages differ only in the document name in front; an update here is below 128 bytes.
        self._prefix = dialect.wrap(room, b"\x00\x02")

    async def open(self, url: str, *, subprotocol: str | None = None) -> None:
        """Connect and wait for the first sync. Raises `LoadFailed`."""
        headers = {"Sec-WebSocket-Protocol": subprotocol} if subprotocol else None
        try:
            await ws_connect(
                lambda: self,
                url,
                extra_headers=headers,
                max_frame_size=MAX_FRAME_BYTES,
                websocket_handshake_timeout=OPEN_SECONDS,
            )
            async with asyncio.timeout(SYNC_SECONDS):
                await self.synced
        except (OSError, TimeoutError, WSError) as error:
            raise LoadFailed(f"a member could not enter its room: {error!r}, {self.failure}") from error
        self.check()

    def check(self) -> None:
        """Raise `LoadFailed` if the connection is not what it should be."""
        if self.failure is not None:
            raise LoadFailed(self.failure)

    def press(self) -> None:
        """Type one character."""
        assert self.keyboard is not None
        assert self._transport is not None
        update = self.keyboard.press()
        self.sent.append(time.perf_counter())
        self._transport.send(WSMsgType.BINARY, self._prefix + bytes((len(update),)) + update)

    def send(self, message: bytes) -> None:
        """Put a message on the wire."""
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send(WSMsgType.BINARY, self._dialect.wrap(self.room, message))

    def announce(self, state: bytes) -> int:
        """Set the own presence to `state` (JSON); the clock it got."""
        self._presence_clock += 1
        entry = varuint(self.client_id) + varuint(self._presence_clock) + varbytes(state)
        self.send(messages.awareness(b"\x01" + entry))
        return self._presence_clock

    async def close(self) -> None:
        """Leave the room."""
        self.failure = self.failure or "closed"
        if self._transport is not None:
            await leave(self._transport)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        for frame in self._dialect.greeting(self.room):
            transport.send(WSMsgType.BINARY, frame)
        self.send(messages.step_1(messages.EMPTY_STATE_VECTOR))

    def on_ws_frame(self, transport: WSTransport, ws_frame: WSFrame) -> None:
        now = time.perf_counter()
        payload = ws_frame.get_payload_as_bytes()
        frame = self._lookup(payload)
        if frame is None:
            frame = self._first_seen(transport, payload, ws_frame)
            if frame is None:
                return
        if frame.ranges:
            self.frames.append(frame)
            self.times.append(now)
        elif frame.entries:
            if self.on_entries is not None:
                self.on_entries(self, frame, now)
        elif frame.answer:
            self.answers += 1
            self.send(messages.step_2(messages.EMPTY_UPDATE))
        elif frame.synced:
            if not self.synced.done():
                self.synced.set_result(None)
        elif frame.event is not None:
            self.events.append((now, frame.event))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self.failure is None:
            self.failure = "a connection was lost"
        if not self.synced.done():
            self.synced.set_exception(ConnectionError(self.failure))
            self.synced.exception()  # looked at here, because a member that is not being opened has no one to ask

    def _first_seen(self, transport: WSTransport, payload: bytes, frame: WSFrame) -> Frame | None:
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            self.failure = (
                self.failure or f"the server closed a connection with {close_code(frame)} {frame.get_close_reason()}"
            )
            transport.disconnect()
            return None
        if kind not in {WSMsgType.BINARY, WSMsgType.TEXT} or not frame.fin:
            return None
        try:
            return self._table.parse(payload, kind)
        except ValueError as error:
            self.failure = f"a frame that cannot be read: {error}"
            return None


async def open_all(members: list[Member], urls: list[str], subprotocols: list[str | None] | None = None) -> None:
    """Bring all members into their rooms. Raises `LoadFailed`."""
    gate = asyncio.Semaphore(CONNECTS_AT_ONCE)

    async def enter(member: Member, url: str, subprotocol: str | None) -> None:
        async with gate:
            await member.open(url, subprotocol=subprotocol)

    wanted = subprotocols if subprotocols is not None else [None] * len(members)
    failures: list[BaseException] = []
    try:
        async with asyncio.TaskGroup() as group:
            for member, url, subprotocol in zip(members, urls, wanted, strict=True):
                group.create_task(enter(member, url, subprotocol))
    except* LoadFailed as failed:
        failures.extend(failed.exceptions)
    if failures:
        raise LoadFailed(str(failures[0]))


async def until(condition: Callable[[], bool], deadline: float) -> bool:
    """Wait until `condition` holds, or `time.perf_counter()` reaches `deadline`; whether it holds.

    Asks again and again on purpose: an event would cost every received frame something while the clock runs.
    """
    while not (held := condition()) and time.perf_counter() < deadline:  # noqa: ASYNC110 - said above
        await asyncio.sleep(ASK_SECONDS)
    return held


async def close_all(members: list[Member]) -> None:
    """Take all members out of their rooms."""
    await asyncio.gather(*(member.close() for member in members))


async def keep_present(members: list[Member]) -> None:
    """Renew every member's presence as stock clients do, spread over the interval, until cancelled."""
    order = random.sample(members, len(members))
    state = b'{"user":{"name":"Someone","color":"#30bced"}}'
    gap = HEARTBEAT_SECONDS / max(1, len(order))
    due = time.perf_counter()
    while True:
        for member in order:
            due += gap
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            member.announce(state)
