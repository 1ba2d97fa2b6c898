"""DTLS-SRTP (RFC 5764) of one peer: aiortc's transport as the server, fed datagram by datagram.

The transport is used for the handshake, for the retransmission of its last flight and for the peer's goodbye. The keys
it agrees on are made into SRTP sessions of our own; media never comes near it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, cast

from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport, State
from OpenSSL import SSL

from media_sfu.certificate import Certificate, colons
from media_sfu.srtp import PROFILES, Inbound, Outbound

# From `start`. A browser's first flight follows ICE at once; OpenSSL resends after 1, 2, 4, 8 s.
HANDSHAKE_SECONDS: Final = 15.0

# Datagrams waiting to be read. A handshake's longest flight is five records of a few datagrams.
QUEUE: Final = 32

# First bytes of DTLS datagrams (RFC 7983).
_FIRST, _LAST = 20, 63

_EXPORTER: Final = b"EXTRACTOR-dtls_srtp"
_DATAGRAM: Final = 1_500

log = logging.getLogger(__name__)


def _nothing() -> None:
    """In place of who is not told any more: what has ended holds on to nobody."""


def _nowhere(data: bytes) -> None:
    """As `_nothing`, for datagrams."""


class _Wire:
    """What aiortc's transport takes for its ICE transport: a bounded queue in, a function out."""

    role: Final = "controlled"

    __slots__ = ("_queue", "_send_datagram", "_waiter", "closed", "dropped")

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send_datagram = send
        self._queue: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self.closed = False
        self.dropped = 0

    def put(self, data: bytes) -> None:
        if self.closed or len(self._queue) >= QUEUE:
            self.dropped += 1
            return
        self._queue.append(data)
        self._wake()

    def close(self) -> None:
        self.closed = True
        self._send_datagram = _nowhere
        self._queue.clear()
        self._wake()

    async def _recv(self) -> bytes:
        while not self._queue:
            if self.closed:
                raise ConnectionError
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._queue.popleft()

    async def _send(self, data: bytes) -> None:
        if not self.closed:
            self._send_datagram(data)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class _Transport(RTCDtlsTransport):
    """aiortc's, but for whom the keys are made and who hears of the end."""

    def __init__(self, wire: _Wire, certificate: Certificate, on_closed: Callable[[], None]) -> None:
        # It asks nothing of an ICE transport that `_Wire` has not.
        super().__init__(cast(Any, wire), [certificate])
        self._set_role("server")
        self._on_closed = on_closed
        self.identified = False
        self.sessions: tuple[Outbound, Inbound] | None = None

    def _setup_srtp(self) -> None:
        """Called once the peer's certificate has been found to be the one of its fingerprint."""
        self.identified = True
        ssl = cast(SSL.Connection, self._ssl)
        profile = PROFILES.get(ssl.get_selected_srtp_profile())
        if profile is None:
            self._set_state(State.FAILED)
            return
        client, server = profile.split(ssl.export_keying_material(_EXPORTER, profile.keying_length))
        self.sessions = Outbound(server, profile), Inbound(client, profile)

    def _set_state(self, state: State) -> None:
        super()._set_state(state)
        if state is State.CLOSED:
            self._on_closed()

    def goodbye(self) -> bytes:
        """End the connection; the alert that tells the peer so, if there is one."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._on_closed = _nothing
        # Freed now, not when the collector comes by: it is most of what a peer holds.
        ssl, self._ssl = self._ssl, None
        if ssl is None:
            return b""
        with suppress(SSL.Error):
            ssl.shutdown()
        try:
            return ssl.bio_read(_DATAGRAM)
        except SSL.Error:
            return b""


class Dtls:
    """The server's side of one peer's connection. Needs a running loop from `start` on."""

    def __init__(
        self,
        certificate: Certificate,
        remote_fingerprint: bytes,
        send: Callable[[bytes], None],
        on_ready: Callable[[Outbound, Inbound], None],
        on_end: Callable[[str], None],
        *,
        handshake_seconds: float = HANDSHAKE_SECONDS,
    ) -> None:
        """`remote_fingerprint`: SHA-256, 32 bytes, of the offer. `send`: one datagram to the peer's address.

        `on_ready` is called once, with the keys. `on_end` is called at most once, with why (for a log), when the
        handshake failed or took longer than `handshake_seconds`, or the peer said goodbye; never after `close`.
        """
        self._fingerprint = remote_fingerprint
        self._on_ready = on_ready
        self._on_end: Callable[[str], None] | None = on_end
        self._send = send
        self._seconds = handshake_seconds
        self._wire = _Wire(send)
        self._transport = _Transport(self._wire, certificate, self._closed)
        self._task: asyncio.Task[None] | None = None

    @property
    def dropped(self) -> int:
        """Datagrams that were no DTLS, or came faster than they were read."""
        return self._wire.dropped

    def start(self) -> None:
        """Wait for the peer's first flight from now on."""
        if self._task is None and self._on_end is not None:
            self._task = asyncio.get_running_loop().create_task(self._shake_hands())

    def receive(self, data: bytes) -> None:
        """One datagram from the peer. Only queued: a bounded number is read later in the loop's turn."""
        if data and _FIRST <= data[0] <= _LAST:
            self._wire.put(data)
        else:
            self._wire.dropped += 1

    def close(self) -> None:
        """End it from our side: the peer is told, once; no callback comes any more."""
        self._end(None)

    async def _shake_hands(self) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                parameters = RTCDtlsParameters([RTCDtlsFingerprint("sha-256", colons(self._fingerprint))])
                await self._transport.start(parameters)
            sessions, self._transport.sessions = self._transport.sessions, None
            if sessions is not None:
                # aiortc's pump has its own task from here on, which sleeps until the peer sends DTLS again.
                self._task = None
                self._on_ready(*sessions)
                return
        except TimeoutError:
            self._end(f"no DTLS handshake within {self._seconds:g} s")
            return
        except Exception:
            if self._on_end is None:
                return  # closed from within: what it stumbled over is what was taken from it
            # What a peer sends must not end more than its own connection.
            log.exception("a DTLS handshake broke off")
            self._end("the DTLS handshake broke off")
            return
        if self._transport.identified:
            self._end("the peer agrees to no SRTP profile of ours")
        elif self._transport.encrypted:
            self._end("the peer's certificate is not the one of its fingerprint")
        else:
            self._end("the DTLS handshake failed")

    def _closed(self) -> None:
        self._end("the peer ended its DTLS connection")

    def _end(self, why: str | None) -> None:
        on_end, self._on_end = self._on_end, None
        if on_end is None:
            return
        farewell = self._transport.goodbye()
        if farewell:
            self._send(farewell)
        self._wire.close()
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        if why is not None:
            on_end(why)
