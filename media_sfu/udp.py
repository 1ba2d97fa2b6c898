"""One UDP socket for all peers of a process: read and written in batches, replies leave from the address asked.

Reading with recvmmsg(2) costs 0.7 us per datagram in a burst (recvfrom: 1.2, recvmsg: 1.5), and a sender that nobody
knows costs one look-up.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from weakref import ref

from media_sfu.sendmmsg import (
    CONTROL_LENGTH_WORD,
    HEADER_WORDS,
    MSG_DONTWAIT,
    Batch,
    address_of,
    libc,
    sockets,
)

Address = tuple[str, int]
"""Host as text, without scope, and port."""

# Datagrams per wake-up: no burst keeps the loop from its other work for more than some 0.2 ms of reading.
BURST: Final = 64

# Seconds of work on what was read, then the loop has its turn. A packet that goes to 800 listeners takes some 4 ms, so
# that a burst of them would keep everything else waiting for a quarter of a second.
TURN_SECONDS: Final = 0.005

# Bytes. More than Ethernet carries; a datagram that fills it may have been cut, and is dropped.
_ROOM: Final = 2_048

# Bytes, each way: 0.2 s of 1,000 listeners with 3 full slots. The system may allow less (net.core.rmem_max, wmem_max).
BUFFER_WANTED: Final = 4 * 1_024 * 1_024

# Not in Python's socket module before 3.14; Linux's numbers.
_IP_PKTINFO: Final = getattr(socket, "IP_PKTINFO", 8)
_SO_SNDBUFFORCE: Final = 32
_SO_RCVBUFFORCE: Final = 33

_IN: Final = struct.Struct("=H2s4s8x")
_IN6: Final = struct.Struct("=H2sI16sI")
# struct cmsghdr, then struct in_pktinfo (interface, address to send from, address) or in6_pktinfo (address, interface).
_CONTROL: Final = struct.Struct("=QiiI4s4s4x")
_CONTROL6: Final = struct.Struct("=Qii16sI4x")
_MAPPED: Final = bytes(10) + b"\xff\xff"

_now: Final = time.monotonic

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Buffers:
    """Bytes of payload the system holds for the socket, as granted."""

    receive: int
    send: int


class UdpPath:
    """A way to a peer: its address, and which of ours it is reached from. The same way is always the same object.

    `name` and `control` are addresses in memory of what sendmmsg(2) wants to know; they live as long as the path.
    """

    __slots__ = ("__weakref__", "_local", "_memory", "_remote", "_socket", "control", "name")

    def __init__(self, socket: UdpSocket, remote: bytes, local: bytes) -> None:
        self._socket = socket
        self._remote = remote
        self._local = local
        self._memory = remote + socket.control(remote, local)
        # The bytes object itself is what the system reads: it never moves and never changes.
        self.name = address_of(sockets.from_buffer(self._memory))
        self.control = self.name + len(remote)

    def send(self, data: bytes) -> None:
        """Send one datagram now. What the socket does not take is dropped and counted."""
        self._socket.send(self, data)

    @property
    def address(self) -> Address:
        """The peer's. IPv4 that came over a dual-stack socket is given as IPv4."""
        remote = self._remote
        port = int.from_bytes(remote[2:4], "big")
        return (_text(_IN.unpack(remote)[2] if len(remote) == _IN.size else _IN6.unpack(remote)[3]), port)

    @property
    def local(self) -> str | None:
        """Which of our addresses it came to; None if the socket is bound to just one."""
        return _text(self._local) if self._local else None

    def __repr__(self) -> str:
        host, port = self.address
        return f"UdpPath({host!r}, {port}, local={self.local!r})"


class UdpSocket:
    """Bound by `bind`; `listen` starts reading on the running loop. `batch` is for whoever forwards.

    `buffers`: what the system granted of `BUFFER_WANTED`. Counters: `received`; `oversize`, cut by the system;
    `faults`, datagrams whose receiver raised.
    """

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._fd = opened.fileno()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_datagram: Callable[[bytes, UdpPath], None] | None = None
        self._paths: dict[bytes, ref[UdpPath]] = {}
        host = opened.getsockname()[0]
        self._six = opened.family == socket.AF_INET6
        self._wildcard = ipaddress.ip_address(host.partition("%")[0]).is_unspecified
        self._name_length = _IN6.size if self._six else _IN.size
        control = _CONTROL6 if self._six else _CONTROL
        self._control_length = control.size if self._wildcard else 0
        self.received = self.oversize = self.faults = 0
        self.buffers = Buffers(
            _enlarge(opened, _SO_RCVBUFFORCE, socket.SO_RCVBUF), _enlarge(opened, _SO_SNDBUFFORCE, socket.SO_SNDBUF)
        )
        self._make_reading()
        self._next = self._count = 0  # of the datagrams that were read: the first that is not handed on, and how many
        self._closed = False
        self.batch = self._batch()
        self._single = self._batch(size=1)

    @classmethod
    def bind(cls, host: str, port: int) -> UdpSocket:
        """`host`: an address, `0.0.0.0` for all of IPv4, `::` for all of both. Raises `OSError`, `ValueError`."""
        literal = ipaddress.ip_address(host)
        opened = socket.socket(socket.AF_INET6 if literal.version == 6 else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            if literal.version == 6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if literal.is_unspecified else 1)
                if literal.is_unspecified:
                    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            elif literal.is_unspecified:
                opened.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            opened.bind((host, port))
            made = cls(opened)
        except BaseException:
            opened.close()
            raise
        buffers = made.buffers
        if min(buffers.receive, buffers.send) < BUFFER_WANTED:
            log.warning(
                "UDP buffers: wanted %d bytes, got %d to receive and %d to send; raise net.core.rmem_max and wmem_max",
                BUFFER_WANTED,
                buffers.receive,
                buffers.send,
            )
        return made

    @property
    def address(self) -> Address:
        """What it is bound to."""
        host, port = self._socket.getsockname()[:2]
        return (host.partition("%")[0], port)

    @property
    def dropped(self) -> int:
        """Datagrams the socket did not take, or that could not be sent where they should."""
        return sum(batch.dropped + batch.refused for batch in (self.batch, self._single))

    def listen(self, on_datagram: Callable[[bytes, UdpPath], None]) -> None:
        """Read from now on, at most `BURST` datagrams in one turn of the running loop, and as many of them as take
        `TURN_SECONDS`."""
        self._on_datagram = on_datagram
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._read)

    def path(self, address: Address, local: str | None = None) -> UdpPath:
        """The way to `address`; `local`: from which of ours, on a socket bound to all. Raises `ValueError`."""
        host, port = address
        literal = ipaddress.ip_address(host)
        if literal.version == 6 and not self._six:
            raise ValueError(f"an IPv4 socket reaches no {host}")
        family = socket.AF_INET6 if self._six else socket.AF_INET
        number = port.to_bytes(2, "big")
        if self._six:
            remote = _IN6.pack(family, number, 0, _wide(literal), 0)
        else:
            remote = _IN.pack(family, number, literal.packed)
        return self._interned(remote, self._source(literal, local) if self._wildcard else b"")

    def send(self, path: UdpPath, data: bytes) -> None:
        """Send one datagram now. What the socket does not take is dropped and counted."""
        self._single.put(path, data)

    def close(self) -> None:
        """Stop reading and sending; paths and batches that are left do nothing."""
        if self._closed:
            return
        self._closed = True
        if self._loop is not None:
            self._loop.remove_reader(self._fd)
        self._on_datagram = None
        self.batch.close()
        self._single.close()
        self._socket.close()

    def control(self, remote: bytes, local: bytes) -> bytes:
        """The control message that makes a datagram to `remote` leave from `local` (b"": none is sent)."""
        if not local:
            return b""
        if not self._six:
            return _CONTROL.pack(28, socket.IPPROTO_IP, _IP_PKTINFO, 0, local, bytes(4))
        # The interface only where an address means nothing without it; else the routes decide, and may change.
        scope = _IN6.unpack(remote)[4] if remote[8:10] == b"\xfe\x80" else 0
        return _CONTROL6.pack(36, socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, local, scope)

    def _source(self, remote: ipaddress.IPv4Address | ipaddress.IPv6Address, local: str | None) -> bytes:
        if local is None:
            # All zeros: the system chooses. For IPv4 over IPv6 it wants that in IPv4's form.
            literal: ipaddress.IPv4Address | ipaddress.IPv6Address = type(remote)(0)
        else:
            literal = ipaddress.ip_address(local)
        return _wide(literal) if self._six else literal.packed

    def _batch(self, size: int | None = None) -> Batch:
        sizes = {} if size is None else {"size": size}
        return Batch(self._fd, name_length=self._name_length, control_length=self._control_length, **sizes)

    def _make_reading(self) -> None:
        """Buffers, made once: `BURST` datagrams, each with its sender and, bound to all, our address it came to."""
        length = self._name_length + self._control_length
        self._data: Any = sockets.new("char[]", BURST * _ROOM)
        self._names: Any = sockets.new("char[]", BURST * length)
        self._iovecs: Any = sockets.new("struct iovec[]", BURST)
        self._headers: Any = sockets.new("struct mmsghdr[]", BURST)
        for index in range(BURST):
            iovec, header = self._iovecs[index], self._headers[index].msg_hdr
            iovec.iov_base = self._data + index * _ROOM
            iovec.iov_len = _ROOM
            header.msg_iov = sockets.addressof(iovec)
            header.msg_iovlen = 1
            header.msg_name = self._names + index * length
            header.msg_namelen = self._name_length
            if self._control_length:
                header.msg_control = self._names + index * length + self._name_length
                header.msg_controllen = self._control_length
        self._datagrams = [self._data + index * _ROOM for index in range(BURST)]
        self._senders = [self._names + index * length for index in range(BURST)]
        # After the cmsghdr (16 bytes): in_pktinfo has the interface first, in6_pktinfo the address.
        self._local_length = 16 if self._six else 4
        into = self._name_length + 16 + (0 if self._six else 4)
        self._locals = [self._names + index * length + into for index in range(BURST)]
        whole = memoryview(sockets.buffer(self._headers)).cast("B")
        at = sockets.offsetof("struct mmsghdr", "msg_len") // 4
        self._lengths = whole.cast("I")[at :: 2 * HEADER_WORDS]
        self._words = whole.cast("Q")

    def _read(self) -> None:
        if self._next < self._count:
            return  # those that were read come first: the socket keeps the others, and stays readable
        count = libc.recvmmsg(self._fd, self._headers, BURST, MSG_DONTWAIT, sockets.NULL)
        if count <= 0:
            if sockets.errno not in {errno.EAGAIN, errno.EINTR}:
                self.faults += 1
            return
        self.received += count
        self._next, self._count = 0, count
        self._hand_on()

    def _hand_on(self) -> None:
        """What was read, for a turn's time; the rest in the next turn."""
        until = _now() + TURN_SECONDS
        first, count, self._next, self._count = self._next, self._count, 0, 0
        on_datagram, paths, unpack = self._on_datagram, self._paths, sockets.unpack
        wildcard, name_length = self._wildcard, self._name_length
        for index in range(first, count):
            length = self._lengths[index]
            local = b""
            key = unpack(self._senders[index], name_length)
            if wildcard:
                # The system wrote how much it used over how much there is.
                self._words[HEADER_WORDS * index + CONTROL_LENGTH_WORD] = self._control_length
                local = unpack(self._locals[index], self._local_length)
                key += local
            if length >= _ROOM:
                self.oversize += 1
                continue
            known = paths.get(key)
            path = None if known is None else known()
            if path is None:
                path = self._interned(key[:name_length], local)
            if on_datagram is None or self._closed:
                return
            try:
                on_datagram(unpack(self._datagrams[index], length), path)
            except Exception:
                self._fault()
            if _now() > until and index + 1 < count:
                self._next, self._count = index + 1, count
                assert self._loop is not None
                self._loop.call_soon(self._hand_on)
                return

    def _interned(self, remote: bytes, local: bytes) -> UdpPath:
        key = remote + local
        known = self._paths.get(key)
        path = None if known is None else known()
        if path is None:
            path = UdpPath(self, remote, local)
            paths = self._paths

            def forget(gone: ref[UdpPath]) -> None:
                if paths.get(key) is gone:
                    del paths[key]

            # Weak: addresses nobody holds on to leave nothing behind.
            paths[key] = ref(path, forget)
        return path

    def _fault(self) -> None:
        """One datagram must not cost the others of its burst; nor may one that faults fill the log."""
        self.faults += 1
        if self.faults & (self.faults - 1) == 0:
            log.exception("a datagram's receiver failed (%d so far)", self.faults)


def _wide(literal: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
    return literal.packed if literal.version == 6 else _MAPPED + literal.packed


def _text(packed: bytes) -> str:
    if len(packed) == 16 and packed.startswith(_MAPPED):
        packed = packed[12:]
    return socket.inet_ntop(socket.AF_INET6 if len(packed) == 16 else socket.AF_INET, packed)


def _enlarge(opened: socket.socket, force: int, option: int) -> int:
    """Ask for `BUFFER_WANTED`; beyond the system's limit where this process may. Linux counts its bookkeeping twice."""
    if opened.getsockopt(socket.SOL_SOCKET, option) // 2 < BUFFER_WANTED:
        try:
            opened.setsockopt(socket.SOL_SOCKET, force, BUFFER_WANTED)
        except PermissionError:
            opened.setsockopt(socket.SOL_SOCKET, option, BUFFER_WANTED)
    return opened.getsockopt(socket.SOL_SOCKET, option) // 2
