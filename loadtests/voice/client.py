"""One synthetic client: ICE, DTLS and SRTP of a peer connection, on an address of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from typing import Final

from loadtests.voice import rtcp, stun
from loadtests.voice.datagrams import Datagrams
from loadtests.voice.dtls import Certificate, Handshake, HandshakeFailed, Keys
from loadtests.voice.session_description import Own, Remote
from loadtests.voice.streams import Stream, Watch

CONNECT_SECONDS: Final = 20.0
"""For checks and handshake together, under a load of many at once."""
_CHECK_SECONDS: Final = 0.25
"""Before the first check is sent again; doubles."""
_HELLO_SECONDS: Final = 0.05
"""Before the first flight is sent again, as browsers have it; OpenSSL itself would wait for a second."""
_NACK_TRIES: Final = 3
_RTP: Final = range(128, 192)
_RTCP: Final = range(192, 224)
_DTLS: Final = range(20, 64)


class ConnectionFailed(Exception):
    """The server did not answer checks or the handshake in time, or refused."""


class Client:
    """`own` goes into its description; `connect` with the other side's. Received streams appear in `streams`."""

    def __init__(
        self, datagrams: Datagrams, certificate: Certificate, *, setup: str = "actpass", nack: bool = False
    ) -> None:
        self.own = Own.new(certificate.fingerprint, setup=setup)
        self.address = datagrams.settle(self)
        self.streams: dict[int, Stream] = {}
        self.keys: Keys | None = None
        self.watch: Watch | None = None
        """Given to every stream that appears from now on."""
        self.nacks = 0
        self.foreign = 0
        """Packets that were neither STUN, DTLS, RTCP nor RTP."""
        self.reports = 0
        self.joined_seconds = 0.0
        self.first_media: Callable[[], None] | None = None
        self._nack = nack
        self._wanted: dict[Stream, dict[int, int]] = {}
        self._certificate = certificate
        self._tie_breaker = os.urandom(8)
        self._remote: Remote | None = None
        self._to = ("127.0.0.1", 9)
        self._transaction = b""
        self._answered = asyncio.Event()
        self._handshake: Handshake | None = None
        self._greeted = False
        self._ready: asyncio.Future[None] | None = None

    async def connect(self, remote: Remote, seconds: float = CONNECT_SECONDS) -> None:
        """Checks, nomination, handshake. Raises `ConnectionFailed`."""
        if not remote.addresses:
            raise ConnectionFailed("the server names no address")
        self._remote = remote
        self._to = remote.addresses[0]
        begun = time.perf_counter()
        self._ready = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._check()
                self._handshake = Handshake(self._certificate, remote.fingerprint)
                hello = self._handshake.begin()
                self._send_all(hello)
                await self._shake_hands(self._handshake, self._ready, hello)
        except TimeoutError as error:
            stage = "handshake" if self._answered.is_set() else "connectivity check"
            raise ConnectionFailed(f"no answer to the {stage} within {seconds:.0f} s") from error
        except HandshakeFailed as error:
            raise ConnectionFailed(str(error)) from error
        self.joined_seconds = time.perf_counter() - begun

    async def _check(self) -> None:
        wait = _CHECK_SECONDS
        while not self._answered.is_set():
            self.consent()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._answered.wait(), wait)
            wait *= 2

    async def _shake_hands(self, handshake: Handshake, ready: asyncio.Future[None], hello: list[bytes]) -> None:
        wait = _HELLO_SECONDS
        while not ready.done() and not self._greeted:
            await asyncio.wait([ready], timeout=wait)
            if not self._greeted:
                self._send_all(hello)
            wait *= 2
        while not ready.done():
            await asyncio.wait([ready], timeout=handshake.timeout or 1.0)
            if not ready.done() and handshake.timeout is not None:
                self._send_all(handshake.again())
        await ready

    def consent(self) -> None:
        """A connectivity check that nominates, and then keeps the consent."""
        assert self._remote is not None
        username = f"{self._remote.fragment}:{self.own.fragment}"
        self._transaction, data = stun.binding_request(username, self._remote.password, self._tie_breaker)
        self.address.send(data, self._to)

    def send_rtp(self, data: bytes) -> None:
        assert self.keys is not None
        self.address.send(self.keys.outbound.protect(data), self._to)

    def send_rtcp(self, data: bytes) -> None:
        assert self.keys is not None
        self.address.send(self.keys.outbound.protect_rtcp(data), self._to)

    def report(self) -> None:
        """A receiver report, if anything was heard."""
        if self.keys is not None and self.streams:
            self.send_rtcp(rtcp.receiver_report(self.own.ssrc, self.streams.values()))

    def close(self) -> None:
        if self._handshake is not None and self.keys is not None:
            self._send_all(self._handshake.close())
        self.address.leave()

    def other(self, data: bytes, address: tuple[str, int], arrived: int) -> None:
        first = data[0]
        if first < 4:
            self._stun(data, address)
        elif first in _DTLS:
            self._dtls(data)
        elif first in _RTP and data[1] in _RTCP:
            self.reports += 1
        elif first in _RTP and self.keys is not None:
            self._new_stream(data, arrived)
        else:
            self.foreign += 1

    def found_missing(self, stream: Stream, numbers: list[int]) -> None:
        if self._nack:
            self._wanted.setdefault(stream, {}).update(dict.fromkeys(numbers, 0))
            self._ask(stream, numbers)

    def ask_again(self) -> None:
        """NACKs for what has been missing since the last call but one: to be called once a round trip."""
        for stream, tries in list(self._wanted.items()):
            left = {n: tried + 1 for n, tried in tries.items() if n in stream.missing and tried < _NACK_TRIES}
            if not left:
                del self._wanted[stream]
                continue
            self._wanted[stream] = left
            if due := [number for number, tried in left.items() if tried > 1]:
                self._ask(stream, due)

    def _ask(self, stream: Stream, numbers: list[int]) -> None:
        self.nacks += 1
        self.send_rtcp(rtcp.nack(self.own.ssrc, stream.ssrc, numbers))

    @property
    def wants(self) -> bool:
        return bool(self._wanted)

    def _stun(self, data: bytes, address: tuple[str, int]) -> None:
        kind = stun.kind(data)
        if kind == stun.BINDING_REQUEST and stun.authentic(data, self.own.password):
            self.address.send(stun.binding_success(data, address, self.own.password), address)
        elif kind == stun.BINDING_SUCCESS and stun.transaction(data) == self._transaction:
            self._answered.set()

    def _dtls(self, data: bytes) -> None:
        if self._handshake is None or self._ready is None:
            return
        self._greeted = True
        try:
            self._send_all(self._handshake.receive(data))
        except HandshakeFailed as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            return
        if self._handshake.keys is not None and self.keys is None:
            self.keys = self._handshake.keys
            if not self._ready.done():
                self._ready.set_result(None)

    def _new_stream(self, data: bytes, arrived: int) -> None:
        sequence, timestamp = int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:8], "big")
        stream = Stream(int.from_bytes(data[8:12], "big"), (sequence + 1) & 0xFFFF, timestamp, self.watch)
        stream.timestamp = timestamp
        stream.packets, stream.octets = 1, len(data)
        self.streams[stream.ssrc] = stream
        self.address.add_stream(stream)
        if self.first_media is not None:
            self.first_media()
        if self.watch is not None:
            self.watch(stream, data, arrived)

    def _send_all(self, datagrams: list[bytes]) -> None:
        for data in datagrams:
            self.address.send(data, self._to)
