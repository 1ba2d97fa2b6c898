"""People who type, lose their connection and come back, as every client of Dojo does, and note what was saved."""

from __future__ import annotations

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from tests.chaos.cluster import Node, Place

OPEN_SECONDS: Final = 3.0
"""For the upgrade, and then for the first sync. A frozen node takes connections and says nothing."""
PATIENCE_SECONDS: Final = 12.0
"""Longer than a heartbeat of production (10 s): who hears nothing for so long tries another node."""
BACK_OFF_SECONDS: Final = (0.1, 2.0)
GAP_SECONDS: Final = 0.5
"""Gaps in what somebody hears that are worth noting, in a room where many type."""
MESSAGE_BYTES: Final = 64 * 1024 * 1024
TRACE_LINES: Final = 5_000
SIGNS: Final = (range(0x3400, 0x4DC0), range(0x20000, 0x2A6E0), range(0x4E00, 0xA000))
"""What edits type: each one ideograph that nobody else types in that room, half of them two UTF-16 units long."""


@dataclass(slots=True)
class Op:
    """One edit: a sign typed, or one of the same person's deleted. `taken`: the node said so; `saved`: it is
    committed, and must never be lost again."""

    sign: str
    deletes: bool = False
    taken: bool = False
    saved: bool = False
    remade: bool = False
    """Made again, or sent again elsewhere while the node that had it was silent: it may be there twice."""

    def __str__(self) -> str:
        return f"{'delete ' if self.deletes else ''}U+{ord(self.sign):X}"


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing was heard from `begin` to `end`, by the clock that counts."""

    begin: float
    end: float
    node: int
    """Where the person was when it began."""


class Signs:
    """The signs of one room, each given out once."""

    def __init__(self) -> None:
        self._left = [iter(signs) for signs in SIGNS]
        self._turn = 0

    def next(self) -> str:
        """One that nobody has typed. Raises `StopIteration` after some 55,000."""
        self._turn += 1
        if self._turn % 2:
            return chr(next(self._left[1]))
        return chr(next(self._left[0], None) or next(self._left[2]))


class Person(ABC):
    """One person in one room, on one node at a time. `task` runs from `enter` to `leave`."""

    subprotocol: str

    def __init__(self, name: str, place: Place, nodes: Sequence[Node], random: Random, signs: Signs) -> None:
        """`nodes`: where to go, one after the other from a random one. `signs` are the room's."""
        self.name = name
        self.place = place
        self.ops: list[Op] = []
        self.gaps: list[Gap] = []
        self.absences: list[Gap] = []
        """From the loss of a connection until back in the room and up to date."""
        self.told: Counter[str] = Counter()
        """Types of JSON messages."""
        self.troubles: list[str] = []
        """What must not happen to an honest client."""
        self.in_room = asyncio.Event()
        """Set while connected and up to date."""
        self.listening = False
        """Whether gaps are noted: not while nobody types."""
        self.node = random.choice(nodes)
        self.closes: list[tuple[int, str]] = []
        self.trace: deque[str] = deque(maxlen=TRACE_LINES)
        """What happened last, for a run that fails."""
        self._nodes = list(nodes)
        self._random = random
        self._signs = signs
        self._away_since: tuple[float, int] | None = None
        self._heard = time.monotonic()
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._typing: asyncio.Task[None] | None = None

    # In and out

    def enter(self, node: Node | None = None) -> None:
        """Begin to be there, at `node` first."""
        self.node = node or self.node
        self._task = asyncio.create_task(self._live(), name=self.name)

    async def leave(self) -> None:
        """Stop typing and go."""
        await self.rest()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def type(self, per_second: float) -> None:
        """Begin to type."""
        self._typing = asyncio.create_task(self._type(1 / per_second), name=f"{self.name} types")

    async def rest(self) -> None:
        """Stop typing."""
        if self._typing is not None:
            self._typing.cancel()
            outcome = (await asyncio.gather(self._typing, return_exceptions=True))[0]
            self._typing = None
            if isinstance(outcome, Exception):
                self.troubles.append(f"could not type: {outcome!r}")

    async def _type(self, pause: float) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(0, 2 * pause))
            await self.edit()

    async def _live(self) -> None:
        tries = 0
        while True:
            try:
                await self._connected()
            except TimeoutError:
                self._gave_up()
            except (OSError, InvalidHandshake, ConnectionClosed):
                pass
            except Exception as error:  # whatever it is, it is no honest client's fault
                self.troubles.append(f"{type(error).__name__}: {error}")
            if self.in_room.is_set():
                tries = 0
                self._away_since = (time.monotonic(), self.node.number)
            else:
                tries += 1
            self.in_room.clear()
            self.node = self._nodes[(self._nodes.index(self.node) + 1) % len(self._nodes)]
            await asyncio.sleep(min(BACK_OFF_SECONDS[1], BACK_OFF_SECONDS[0] * 2**tries) * self._random.uniform(0.5, 1))

    async def _connected(self) -> None:
        socket = await connect(
            f"{self.node.live}{self.place.path}?token={self.place.token()}",
            subprotocols=[Subprotocol(self.subprotocol)],
            compression=None,
            max_size=MESSAGE_BYTES,
            open_timeout=OPEN_SECONDS,
            close_timeout=0.2,
            ping_interval=None,
            proxy=None,
        )
        self._socket = socket
        self.note(f"open at node {self.node.number}")
        try:
            await self._opened()
            opened = time.monotonic()
            while True:
                patience = PATIENCE_SECONDS if self.in_room.is_set() else OPEN_SECONDS
                async with asyncio.timeout(patience):
                    frame = await socket.recv()
                self._note_heard()
                await self._hear(frame)
                if not self.in_room.is_set() and time.monotonic() - opened > OPEN_SECONDS:
                    raise TimeoutError
        finally:
            self._socket = None
            await socket.close()
            self.note(f"closed with {socket.close_code} {socket.close_reason}")
            if socket.close_code is not None:
                self.closes.append((socket.close_code, socket.close_reason or ""))

    def _note_heard(self) -> None:
        now = time.monotonic()
        if self.listening and self.in_room.is_set() and now - self._heard > GAP_SECONDS:
            self.gaps.append(Gap(self._heard, now, self.node.number))
        if self.in_room.is_set() or not self.listening:
            self._heard = now

    def _enter_room(self) -> None:
        """Up to date: the person sees what is there, and can type."""
        self.in_room.set()
        if self._away_since is not None:
            begin, node = self._away_since
            self.absences.append(Gap(begin, time.monotonic(), node))
            self._away_since = None

    def _gave_up(self) -> None:
        """The connection was left for its silence: its node may be frozen, and have unread what was sent."""
        self.note("gave up")

    def listen(self, *, on: bool) -> None:
        """Note gaps from now on, or no more. One that is open at the end is noted."""
        now = time.monotonic()
        if self.listening and not on and now - self._heard > GAP_SECONDS:
            self.gaps.append(Gap(self._heard, now, self.node.number))
        self.listening = on
        self._heard = now

    async def _send(self, data: bytes | str) -> None:
        if self._socket is not None:
            with contextlib.suppress(ConnectionClosed):  # the reading side sees it, too
                await self._socket.send(data)

    async def _say(self, message: object) -> None:
        await self._send(msgspec.json.encode(message).decode())

    def note(self, what: str) -> None:
        """For the trace."""
        self.trace.append(f"{time.monotonic():.3f} {self.name} {what}")

    # What a dialect does

    @property
    @abstractmethod
    def text(self) -> str:
        """The room's text as this person sees it."""

    @property
    @abstractmethod
    def all_saved(self) -> bool:
        """Whether everything typed is committed."""

    @abstractmethod
    async def edit(self) -> None:
        """Make one edit."""

    @abstractmethod
    async def _opened(self) -> None: ...

    @abstractmethod
    async def _hear(self, frame: bytes | str) -> None: ...
