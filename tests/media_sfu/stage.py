"""A hall on real sockets, and synthetic clients that join it over loopback. Its clock is the test's: a second of speech
takes as long as its packets take, and what is timed is exact."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import msgspec
from pylibsrtp import Error as SrtpError

from kernel.tokens.voice_grant import VoiceGrant
from loadtests.voice import session_description as sd
from loadtests.voice import speech
from loadtests.voice.client import Client
from loadtests.voice.datagrams import Batch, Datagrams
from loadtests.voice.dtls import Certificate as ClientCertificate
from loadtests.voice.microphone import Microphone
from loadtests.voice.speech import SpeechSpoilt, Spoken
from media_sfu import rtcp
from media_sfu.answer import Advertised
from media_sfu.certificate import Certificate
from media_sfu.forwarder import Forwarder
from media_sfu.hall import Admitted, Hall
from media_sfu.limits import VoiceLimits
from media_sfu.peer import Peer
from media_sfu.recording.recorder import Recorder
from media_sfu.room import Room
from media_sfu.rtcp import Report
from media_sfu.tcp import TcpListener
from media_sfu.udp import UdpSocket

DEADLINE = 10.0
"""Seconds for anything that does come: on a busy machine a handshake may take one of them."""
FRAME = 0.02
CERTIFICATE = Certificate.new()
CLIENTS = ClientCertificate.new()
_BATCH = Batch()


async def until(condition: Callable[[], object], what: str = "") -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what or condition}"
        await asyncio.sleep(0.001)


@dataclass(frozen=True, slots=True)
class Packet:
    """One that a listener was sent. `spoken`: None for silence, for what no synthetic speaker says, and where it could
    not be opened."""

    ssrc: int
    sequence: int
    timestamp: int
    payload_type: int
    csrc: int
    spoken: Spoken | None
    sealed: bytes
    at: float
    """By the hall's clock."""
    opened: bool
    """False for what came before: sent again with the same bytes."""


class Guest(Client):
    """A client that keeps what it hears."""

    def __init__(self, stage: Stage, number: int, datagrams: Datagrams, *, setup: str = "actpass") -> None:
        super().__init__(datagrams, CLIENTS, setup=setup)
        self.number = number
        self.user = uuid4()
        self.packets: list[Packet] = []
        self.told: list[Report] = []
        self.raw_reports: list[bytes] = []
        self.microphone = Microphone(self, number, level_id=sd.LEVEL_ID)
        self.admitted: Admitted
        self.grant: VoiceGrant
        self._stage = stage
        self._session: Any = None

    @property
    def peer(self) -> Peer:
        return self._stage.hall.peers[self.admitted.peer]

    @property
    def heard(self) -> set[int]:
        """Whom it has heard so far, by CSRC."""
        return {packet.csrc for packet in self.packets}

    def slot(self, csrc: int) -> list[Packet]:
        """All it was sent in the stream in which `csrc` was heard last."""
        ssrc = next(packet.ssrc for packet in reversed(self.packets) if packet.csrc == csrc)
        return [packet for packet in self.packets if packet.ssrc == ssrc]

    def other(self, data: bytes, address: tuple[str, int], arrived: int) -> None:
        if data[0] in range(128, 192) and data[1] in range(192, 224) and self.keys is not None:
            plain = self._keyed().unprotect_rtcp(data)
            self.raw_reports.append(plain)
            self.told += rtcp.parse(plain)
        super().other(data, address, arrived)

    def say(self, reports: bytes) -> None:
        """Send RTCP."""
        self.send_rtcp(reports)

    def move(self, datagrams: Datagrams) -> None:
        """To another address."""
        self.address.leave()
        self.address = datagrams.settle(self)

    def _keyed(self) -> Any:
        if self._session is None:
            assert self.keys is not None
            self._session = self.keys.inbound()
        return self._session

    def _new_stream(self, data: bytes, arrived: int) -> None:
        """Every packet comes here, for no stream is ever made known: also those that come twice."""
        del arrived
        spoken, csrc, opened = None, 0, True
        try:
            plain = self._keyed().unprotect(data)
        except SrtpError:
            opened = False
        else:
            count = plain[0] & 0x0F
            csrc = int.from_bytes(plain[12:16], "big") if count else 0
            payload = plain[12 + 4 * count :]
            with contextlib.suppress(SpeechSpoilt):
                spoken = speech.heard(speech.primary(payload) if plain[1] & 0x7F == sd.RED else payload)
        self.packets.append(
            Packet(
                ssrc=int.from_bytes(data[8:12], "big"),
                sequence=int.from_bytes(data[2:4], "big"),
                timestamp=int.from_bytes(data[4:8], "big"),
                payload_type=data[1] & 0x7F,
                csrc=csrc,
                spoken=spoken,
                sealed=data,
                at=self._stage.now,
                opened=opened,
            )
        )


class Stage:
    """`hall` and what is around it. `now` is its clock."""

    def __init__(self, limits: VoiceLimits, recorder: Recorder | None) -> None:
        self.now = 1_000.0
        self.limits = limits
        self.emptied: list[UUID] = []
        self.guests: list[Guest] = []
        self.tenant, self.dojo, self.room_id = uuid4(), uuid4(), uuid4()
        loop = asyncio.get_running_loop()
        self.udp = UdpSocket.bind("127.0.0.1", 0)
        self.forwarder = Forwarder(self.udp.batch, loop.call_soon)
        self.hall = Hall(
            limits=limits,
            certificate=CERTIFICATE,
            advertised=[Advertised(*self.udp.address)],
            forwarder=self.forwarder,
            recorder=recorder,
            clock=lambda: self.now,
            soon=loop.call_soon,
            tell=lambda room: self.emptied.append(room.id),
        )
        self.received = 0
        """Datagrams and frames that the hall has dealt with."""
        self.tcp = TcpListener(self.receive, self.hall.gone)
        self._sockets: list[Datagrams] = []
        self._shared = self.datagrams()

    @property
    def room(self) -> Room:
        return self.hall.rooms[self.room_id]

    def receive(self, data: bytes, path: Any) -> None:
        try:
            self.hall.receive(data, path)
        finally:
            self.received += 1

    def datagrams(self) -> Datagrams:
        """A socket of clients."""
        opened = Datagrams(_BATCH)
        opened.start()
        self._sockets.append(opened)
        return opened

    def grant(self, number: int, **changes: Any) -> VoiceGrant:
        return msgspec.structs.replace(
            VoiceGrant(
                tenant=self.tenant,
                dojo=self.dojo,
                room=self.room_id,
                user=uuid4(),
                number=number,
                may_speak=True,
                muted=False,
                preferred=False,
                iat=0,
                exp=60,
            ),
            **changes,
        )

    def knock(
        self, number: int, *, sends: bool = True, slots: int = 3, red: bool = True, nack: bool = True, **grant: Any
    ) -> Guest:
        """A client that has its answer and is not connected."""
        guest = Guest(self, number, self._shared)
        guest.grant = self.grant(number, **({"user": guest.user} | grant))
        offer = sd.offer(guest.own, sends=sends, slots=slots, red=red, nack=nack)
        guest.admitted = self.hall.admit(guest.grant, offer)
        self.guests.append(guest)
        return guest

    async def join(self, number: int, **options: Any) -> Guest:
        guest = self.knock(number, **options)
        await self.connect(guest)
        return guest

    async def connect(self, guest: Guest) -> None:
        await guest.connect(sd.read(guest.admitted.answer), DEADLINE)
        await until(lambda: guest.peer.leg is not None, "the end of the handshake at the server")

    async def speak(self, *speakers: Guest, frames: int = 1) -> None:
        """So many frames of each, one step of the hall for each; all that is sent because of them has come."""
        for _ in range(frames):
            for speaker in speakers:
                await self._frame(speaker)
            await self.pass_time(FRAME)
        await self.quiet()

    async def _frame(self, speaker: Guest) -> None:
        before, sent = self.received, speaker.microphone.sent
        speaker.microphone.frame()
        if speaker.microphone.sent > sent:
            await until(lambda: self.received > before, "a packet of a speaker")

    async def pass_time(self, seconds: float) -> None:
        """In steps of the hall."""
        for _ in range(max(1, round(seconds / FRAME))):
            self.now += FRAME
            self.hall.step(self.now)

    async def quiet(self) -> None:
        """Everything that is under way has come: what is sent last comes last."""
        for _ in range(3):
            self.udp.batch.flush()
            await asyncio.sleep(0.002)

    async def gone(self, guest: Guest) -> None:
        await until(lambda: guest.admitted.peer not in self.hall.peers, "the end of a peer")

    async def close(self) -> None:
        self.hall.close()
        for each in self._sockets:
            each.close()
        await self.tcp.close()
        self.udp.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def staged(limits: VoiceLimits | None = None, recorder: Recorder | None = None) -> AsyncIterator[Stage]:
    stage = Stage(limits or VoiceLimits(), recorder)
    stage.udp.listen(stage.receive)
    await stage.tcp.listen("127.0.0.1", 0)
    try:
        yield stage
    finally:
        await stage.close()


def continuous(packets: Iterable[Packet]) -> None:
    """One stream as a listener wants it: numbers go up by one, time forward."""
    whole = list(packets)
    assert whole
    for before, after in itertools.pairwise(whole):
        assert (after.sequence - before.sequence) & 0xFFFF == 1, (before, after)
        assert 0 < (after.timestamp - before.timestamp) & 0xFFFFFFFF < 1 << 31, (before, after)


class TcpLine:
    """One TCP connection in place of a socket of many: RFC 4571 framing, blocking nobody."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address)
        self._socket.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)
        self._unread = b""
        self._owner: Client
        self.host, self.port = self._socket.getsockname()
        self.closed = False

    def settle(self, owner: Client) -> TcpLine:
        self._owner = owner
        return self

    def send(self, data: bytes, to: tuple[str, int]) -> None:
        del to
        self._socket.sendall(len(data).to_bytes(2, "big") + data)

    def leave(self) -> None:
        self.close()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _readable(self) -> None:
        try:
            got = self._socket.recv(65_536)
        except (BlockingIOError, ConnectionResetError):
            got = b""
        if not got:
            self.close()
            return
        self._unread += got
        while len(self._unread) >= 2 and len(self._unread) >= 2 + int.from_bytes(self._unread[:2], "big"):
            end = 2 + int.from_bytes(self._unread[:2], "big")
            packet, self._unread = self._unread[2:end], self._unread[end:]
            self._owner.other(packet, self._socket.getpeername(), 0)
