"""Connects this voice process with the others that have people of its rooms."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from kernel.redis import RedisAway
from media_sfu.frame import Frame
from media_sfu.registry import BEAT_SECONDS, Registered
from media_sfu.relay.arrivals import Arrivals, Listening
from media_sfu.relay.holders import Holders, Seen
from media_sfu.relay.offering import Offering
from media_sfu.relay.packet import HEAD_BYTES, RelayPacketError, parse
from media_sfu.relay.sealing import KEY_BYTES, OVERHEAD, Opener, PairKeys, Sealer, tag_of
from media_sfu.rtp import RtpPacket
from media_sfu.source import Source
from media_sfu.udp import Address, UdpPath, UdpSocket

HURRY_SECONDS: Final = 0.1
"""Least time between two looks, if there is something new: a room, or a word of a process that is not known."""
MOST_LINKS: Final = 256
"""Other processes that are remembered, gone ones too: a packet of theirs that comes again is still known by that."""

log = logging.getLogger(__name__)


class RelayedRoom(Listening, Protocol):
    """As `room.Room` is."""

    relay: RoomRelay | None
    """Set here, while others have people of the room too."""

    @property
    def id(self) -> UUID: ...

    @property
    def preferred(self) -> Collection[int]:
        """Pilot and sensei, those of this process."""


class RoomRelay:
    """One room's part. The room calls the first three."""

    def __init__(self, room: RelayedRoom, slots: int, counts: Counts) -> None:
        self.targets: list[Link] = []
        self.arrivals = Arrivals(room)
        self._room = room
        self._offering = Offering(room.id.bytes, slots, self._send)
        self._offering.prefer(room.preferred)
        self._counts = counts

    def said(self, source: Source, packet: RtpPacket, frames: Sequence[Frame], now: float) -> None:
        """Somebody here sent a packet. Never called for what came from another process."""
        self._offering.said(source, packet, frames, now)

    def gone(self, number: int) -> None:
        """Somebody here has left, or may not be heard any more."""
        self._offering.gone(number)

    def prefer(self, numbers: Collection[int]) -> None:
        """Pilot and sensei, those of this process."""
        self._offering.prefer(numbers)

    def step(self, now: float) -> None:
        """Every 20 ms."""
        self._offering.step(now)
        self.arrivals.step(now)

    def is_for(self, room: RelayedRoom) -> bool:
        """A room that all have left and that is entered again is another one of the same name."""
        return self._room is room

    def close(self) -> None:
        """Others have nobody of this room any more."""
        self.arrivals.close()
        self._room.relay = None

    def _send(self, plain: bytes) -> None:
        for link in self.targets:
            sealed = link.sealer.seal(plain)
            if sealed is None:
                self._counts.refused += 1
                continue
            self._counts.sent += 1
            link.path.send(sealed)


@dataclass(slots=True)
class Link:
    """Another process."""

    name: str
    path: UdpPath
    sealer: Sealer
    opener: Opener
    tag: int


@dataclass(slots=True)
class Counts:
    """Packets from and to other processes."""

    sent: int = 0
    refused: int = 0
    """Not sent: could not be encrypted."""
    received: int = 0
    """Authentic and heard in a room."""
    unknown: int = 0
    """Dropped: of no process that is known."""
    unauthentic: int = 0
    """Dropped: forged, or sent again."""
    malformed: int = 0
    """Dropped: no such packet, or authentic and making no sense."""
    astray: int = 0
    """Dropped: for a room that nobody here is in, or not known to be shared yet."""


class Relay:
    """`start` it, call `step` every 20 ms, `close` it. What comes in is taken on the event loop."""

    def __init__(
        self,
        holders: Holders,
        udp: UdpSocket,
        name: str,
        key: bytes,
        *,
        rooms: Callable[[], Mapping[UUID, RelayedRoom]],
        slots: int,
        clock: Callable[[], float],
    ) -> None:
        """`name` and `key` (`KEY_BYTES`, random) are this process', as registered. `rooms`: those somebody here is in.
        `clock`: monotonic seconds."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"a relay's key has {KEY_BYTES} bytes")
        self.counts = Counts()
        self.key = key
        self._holders = holders
        self._udp = udp
        self._name = name
        self._rooms = rooms
        self._slots = slots
        self._now = clock
        self._ssrcs = itertools.count(1)
        self._links: dict[str, Link] = {}
        self._by_tag: dict[int, Link] = {}
        self._relays: dict[bytes, RoomRelay] = {}
        self._held: frozenset[UUID] = frozenset()
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look who else has people of our rooms, until `close`."""
        self._udp.listen(self.receive)
        self._task = asyncio.get_running_loop().create_task(self._run(), name="look for shared rooms")

    async def close(self) -> None:
        """Leave all rooms to the others."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for relay in self._relays.values():
            relay.close()
        self._relays.clear()
        self._udp.close()
        with contextlib.suppress(RedisAway):
            await self._holders.leave(self._held)

    def step(self, now: float) -> None:
        """Choose whom to send, and end those of whom nothing comes."""
        for relay in self._relays.values():
            relay.step(now)
        if self._rooms().keys() != self._held:
            self._hurry.set()

    @property
    def address(self) -> Address:
        """Where it is bound."""
        return self._udp.address

    @property
    def shared(self) -> int:
        """Rooms that other processes have people of, too."""
        return len(self._relays)

    @property
    def speakers(self) -> int:
        """Speakers of other processes that are heard here."""
        return sum(len(relay.arrivals.speakers) for relay in self._relays.values())

    # What comes in

    def receive(self, data: bytes, _path: UdpPath) -> None:
        """One datagram."""
        counts = self.counts
        if len(data) <= OVERHEAD + HEAD_BYTES:
            counts.malformed += 1
            return
        link = self._by_tag.get(tag_of(data))
        if link is None:
            counts.unknown += 1
            self._hurry.set()
            return
        opened = link.opener.open(data)
        if opened is None:
            counts.unauthentic += 1
            return
        try:
            packet = parse(opened)
        except RelayPacketError:
            counts.malformed += 1
            return
        relay = self._relays.get(packet.room)
        if relay is None:
            counts.astray += 1
            self._hurry.set()
            return
        counts.received += 1
        relay.arrivals.take(link.name, packet, self._now())

    # Who is there

    async def _run(self) -> None:
        while True:
            self._hurry.clear()
            rooms = frozenset(self._rooms())
            try:
                await self._holders.leave(self._held - rooms)
                self._held = rooms
                self.settle(await self._holders.look(rooms))
            except RedisAway as error:
                # What is known stays true: media needs no Redis.
                log.warning("which other voice processes share rooms is not known: %s", error)
            except Exception:  # it is worth looking again, whatever it met
                log.exception("cannot look for other voice processes")
            await asyncio.sleep(HURRY_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), BEAT_SECONDS - HURRY_SECONDS)

    def settle(self, seen: Seen) -> None:
        """What was seen of the others: make links, share rooms, and end what is not shared any more."""
        for name, process in seen.processes.items():
            if name not in self._links:
                self._make_room(seen)
                self._connect(name, process)
        rooms = self._rooms()
        shared: dict[bytes, RoomRelay] = {}
        for room_id, others in seen.others.items():
            room = rooms.get(room_id)
            targets = [self._links[name] for name in sorted(others) if name in seen.processes and name in self._links]
            if room is None or not targets:
                continue
            relay = self._relays.get(room_id.bytes)
            if relay is None or not relay.is_for(room):
                relay = RoomRelay(room, self._slots, self.counts)
                room.relay = relay
            relay.targets = targets
            shared[room_id.bytes] = relay
        for key, relay in self._relays.items():
            if shared.get(key) is not relay:
                relay.close()
        self._relays = shared

    def _make_room(self, seen: Seen) -> None:
        if len(self._links) >= MOST_LINKS:
            gone = (name for name in self._links if name not in seen.processes)
            oldest = next(gone, next(iter(self._links)))
            del self._by_tag[self._links.pop(oldest).tag]

    def _connect(self, name: str, process: Registered) -> None:
        try:
            host, _, port = process.relay.rpartition(":")
            path = self._udp.path((host.strip("[]"), int(port)))
            key = base64.b64decode(process.relay_key, validate=True)
        except ValueError:
            return  # it takes part in no relay, or not in one of this network
        if len(key) != KEY_BYTES:
            return
        incoming = PairKeys.derive(key, name, self._name)
        link = Link(
            name,
            path,
            Sealer(PairKeys.derive(self.key, self._name, name), self._ssrcs),
            Opener(incoming),
            incoming.tag,
        )
        self._links[name] = link
        self._by_tag[link.tag] = link
        log.info("voice process %s is a neighbour", name)
