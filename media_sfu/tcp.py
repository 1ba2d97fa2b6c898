"""ICE over TCP, passive (RFC 6544): one bounded connection for a peer that no UDP gets through to.

Packets are framed as in RFC 4571. What a slow reader does not take in time is dropped in whole packets, as on UDP: late
voice is of no use, and the stream stays readable.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final, cast

from media_sfu.framing import Deframer, FramingError, frame

Address = tuple[str, int]

# Bytes that wait in us for one connection; beyond that packets are dropped. Three full slots fill it in 3 s.
UNSENT_MOST: Final = 64 * 1_024

# Bytes the system may hold besides (it doubles the figure for its bookkeeping). Left alone it grows to megabytes, that
# is to minutes of stale voice.
_SYSTEM_BUFFER: Final = 32 * 1_024

# Bytes read at a time, in one buffer for all connections. Bounds the work one of them makes per turn of the loop.
_READ: Final = 4_096

# From accepting until ICE has validated the peer (`TcpPath.validated`).
UNVALIDATED_SECONDS: Final = 15.0

# Connections at once, and those among them that nobody has been validated on: what a stranger can hold of us.
CONNECTIONS_MOST: Final = 1_000
UNVALIDATED_MOST: Final = 100

# How long a write may stay unacknowledged before the system gives the connection up, milliseconds.
_USER_TIMEOUT_MS: Final = 30_000

log = logging.getLogger(__name__)


class TcpPath(asyncio.BufferedProtocol):
    """A way to a peer: one connection. Hashed by identity. Counters: `dropped`, packets too many for it."""

    # What `sendmmsg.Batch` reads of a path: this one is no datagram socket's.
    name: Final = 0
    control: Final = 0

    def __init__(self, listener: TcpListener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._deframer = Deframer()
        self._deadline: asyncio.TimerHandle | None = None
        self.address: Address = ("", 0)
        self.local: str | None = None
        self.dropped = 0

    def __repr__(self) -> str:
        return f"TcpPath({self.address[0]!r}, {self.address[1]}, local={self.local!r})"

    @property
    def open(self) -> bool:
        return self._transport is not None

    def send(self, data: bytes) -> None:
        """Send one packet, or drop it (counted) if too much is waiting already or the connection is gone."""
        transport = self._transport
        if transport is None or transport.get_write_buffer_size() + len(data) + 2 > UNSENT_MOST:
            self.dropped += 1
            return
        transport.write(frame(data))

    def validated(self) -> None:
        """ICE has found the peer to be who it says: the connection stays."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
            self._listener.settled(self)

    def close(self) -> None:
        """At once: what is unsent is thrown away."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = opened = cast(asyncio.Transport, transport)
        # The default pauses protocols at 64 KiB; nobody is paused here, `send` looks at the size itself.
        opened.set_write_buffer_limits(high=UNSENT_MOST)
        self.address = _address(opened.get_extra_info("peername"))
        self.local = _address(opened.get_extra_info("sockname"))[0]
        if not self._listener.took(self):
            opened.abort()
            return
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._listener.unvalidated_seconds, self._expired)

    def get_buffer(self, sizehint: int) -> bytearray:
        # One for all: it is filled and read in the same call of the loop.
        return self._listener.buffer

    def buffer_updated(self, nbytes: int) -> None:
        listener = self._listener
        try:
            packets = self._deframer.feed(bytes(memoryview(listener.buffer)[:nbytes]))
        except FramingError:
            listener.oversize += 1
            self.close()
            return
        for packet in packets:
            if self._transport is None or self._transport.is_closing():
                return
            try:
                listener.on_datagram(packet, self)
            except Exception:
                # Nobody else sends on this connection: it goes, and with it the cause.
                log.exception("a packet's receiver failed; its connection is closed")
                self.close()
                return

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.validated()
        self._transport = None
        self._listener.lost(self)

    def _expired(self) -> None:
        self._listener.expired += 1
        self.close()


class TcpListener:
    """Bound by `listen`. Counters of connections: `refused`, too many; `expired`, never validated; `oversize`."""

    def __init__(
        self,
        on_datagram: Callable[[bytes, TcpPath], None],
        on_closed: Callable[[TcpPath], None],
        *,
        unvalidated_seconds: float = UNVALIDATED_SECONDS,
        connections: int = CONNECTIONS_MOST,
        unvalidated: int = UNVALIDATED_MOST,
    ) -> None:
        """`on_datagram` gets each packet; `on_closed` each connection that has ended, from whichever side."""
        self.on_datagram = on_datagram
        self.unvalidated_seconds = unvalidated_seconds
        self.buffer = bytearray(_READ)
        self.refused = self.expired = self.oversize = 0
        self._on_closed = on_closed
        self._most = connections
        self._unvalidated_most = unvalidated
        self._paths: set[TcpPath] = set()
        # In the order they came.
        self._unvalidated: dict[TcpPath, None] = {}
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> Address:
        """What it is bound to."""
        assert self._server is not None
        return _address(self._server.sockets[0].getsockname())

    @property
    def connections(self) -> int:
        return len(self._paths)

    @property
    def unvalidated(self) -> int:
        return len(self._unvalidated)

    async def listen(self, host: str, port: int) -> None:
        """`host`: an address, `0.0.0.0` for all of IPv4, `::` for all of both. Raises `OSError`."""
        six = ":" in host
        opened = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Connections inherit these.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SYSTEM_BUFFER)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if six:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            opened.bind((host, port))
            self._server = await asyncio.get_running_loop().create_server(lambda: TcpPath(self), sock=opened)
        except BaseException:
            opened.close()
            raise

    def took(self, path: TcpPath) -> bool:
        """Whether there is room for one more connection; if so, it is held from now on.

        Too many that nobody was validated on: the oldest goes, so that idle strangers never keep a peer out, whose ICE
        takes a fraction of a second.
        """
        if len(self._paths) >= self._most:
            self.refused += 1
            return False
        if len(self._unvalidated) >= self._unvalidated_most:
            self.refused += 1
            oldest = next(iter(self._unvalidated))
            del self._unvalidated[oldest]
            oldest.close()
        self._paths.add(path)
        self._unvalidated[path] = None
        return True

    def settled(self, path: TcpPath) -> None:
        """A connection has been validated, or is over."""
        self._unvalidated.pop(path, None)

    def lost(self, path: TcpPath) -> None:
        """A connection is over."""
        if path in self._paths:
            self._paths.remove(path)
            self._on_closed(path)

    async def close(self) -> None:
        """Stop listening and end all connections."""
        if self._server is not None:
            self._server.close()
            for path in list(self._paths):
                path.close()
            await self._server.wait_closed()


def _address(name: tuple[str, int] | tuple[str, int, int, int] | None) -> Address:
    """IPv4 that came over a dual-stack socket is given as IPv4, without scope. ("", 0): the peer is gone already."""
    if name is None:
        return ("", 0)
    host = name[0].partition("%")[0]
    return (host.removeprefix("::ffff:") if "." in host else host, name[1])
