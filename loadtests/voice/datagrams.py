"""Many clients behind one UDP socket, each with a loopback address of its own.

To a server they are as many remote addresses as there are clients; here, one recvmmsg takes the packets of all of
them, and RTP headers are read without making an object of any packet. The kernel's own time of arrival comes along,
so that a generator that is late with reading does not measure itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import socket
import struct
from collections.abc import Iterator
from typing import Any, Final, Protocol

from cffi import FFI  # type: ignore[import-untyped]

from loadtests.voice.streams import LATE, Stream

BATCH: Final = 128
"""Packets of one recvmmsg."""
_DATAGRAM: Final = 1_536
"""Room for one packet behind its first twelve bytes."""
_HEAD: Final = 12
_MESSAGE: Final = 64
_CONTROL: Final = 64
"""SCM_TIMESTAMPNS (32 bytes) and IP_PKTINFO (32 bytes), in the order in which Linux puts them."""
_RECEIVE_BUFFER: Final = 16 << 20
_SO_TIMESTAMPNS: Final = 35
_SO_RCVBUFFORCE: Final = 33
_SO_MEMINFO: Final = 55
_IP_PKTINFO: Final = 8
_BILLION: Final = 1_000_000_000

_ffi: Final = FFI()
_ffi.cdef("""
    struct sockaddr_in { uint16_t family; uint8_t port[2]; uint8_t host[4]; uint8_t zero[8]; };
    struct iovec { void *base; size_t length; };
    struct msghdr { void *name; uint32_t namelen; struct iovec *iov; size_t iovlen; void *control; size_t controllen;
                    int flags; };
    struct mmsghdr { struct msghdr header; unsigned int length; };
    int recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags, void *timeout);
""")
_libc: Final[Any] = _ffi.dlopen(None)

_HEADERS: Final = struct.Struct("!BBHII")
_CONTROLS: Final = struct.Struct("<16xqq24xI4x")
_LENGTHS: Final = struct.Struct("<56xI4x")
_PACKET_INFO: Final = struct.Struct("=i4s4s")

_numbers: Final = itertools.count(1)


class Owner(Protocol):
    """Who a client address belongs to."""

    def other(self, data: bytes, address: tuple[str, int], arrived: int) -> None:
        """Anything that is not RTP of a known stream. `arrived`: nanoseconds since 1970."""

    def found_missing(self, stream: Stream, numbers: list[int]) -> None: ...


class Batch:
    """Where the kernel writes up to `BATCH` packets: shared by all sockets of a loop, for none keeps anything there."""

    def __init__(self) -> None:
        self.heads = bytearray(_HEAD * BATCH)
        self.rests = bytearray(_DATAGRAM * BATCH)
        self.controls = bytearray(_CONTROL * BATCH)
        self.names = bytearray(16 * BATCH)
        self.messages = _ffi.new("struct mmsghdr[]", BATCH)
        self._vectors = _ffi.new("struct iovec[]", 2 * BATCH)
        self._keep = [_ffi.from_buffer(b) for b in (self.heads, self.rests, self.controls, self.names)]
        heads, rests, controls, names = self._keep
        for number in range(BATCH):
            first, second = self._vectors[2 * number], self._vectors[2 * number + 1]
            first.base, first.length = heads + _HEAD * number, _HEAD
            second.base, second.length = rests + _DATAGRAM * number, _DATAGRAM
            header = self.messages[number].header
            header.name, header.namelen = names + 16 * number, 16
            header.iov, header.iovlen = self._vectors + 2 * number, 2
            header.control, header.controllen = controls + _CONTROL * number, _CONTROL
        self._lengths = memoryview(_ffi.buffer(self.messages))
        self._head_view = memoryview(self.heads)
        self._control_view = memoryview(self.controls)

    def read(self, count: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int]]]:
        """Of each of `count` packets: its RTP header, when and where it arrived, and its length."""
        return zip(
            _HEADERS.iter_unpack(self._head_view[: _HEAD * count]),
            _CONTROLS.iter_unpack(self._control_view[: _CONTROL * count]),
            _LENGTHS.iter_unpack(self._lengths[: _MESSAGE * count]),
            strict=True,
        )

    def whole(self, number: int, length: int) -> bytes:
        rest = number * _DATAGRAM
        return bytes(self.heads[number * _HEAD : number * _HEAD + _HEAD]) + bytes(
            self.rests[rest : rest + length - _HEAD]
        )

    def sender(self, number: int) -> tuple[str, int]:
        name = self.names[number * 16 : number * 16 + 8]
        return ".".join(map(str, name[4:8])), int.from_bytes(name[2:4], "big")


class Datagrams:
    """A UDP socket for some dozens of clients. Reads whenever something is there; sends at once."""

    def __init__(self, batch: Batch, *, host: str | None = None, loss: float = 0.0, seed: int = 1) -> None:
        """`host`: an address of this machine, for one client only; without it, each client gets one within 127/8.
        `loss`: the share of RTP packets thrown away as they come."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        except PermissionError:  # only root gets more than the machine's limit
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        # Bound to every address, and yet nobody outside the machine is heard: a packet from there can only come to an
        # address that no client has.
        self._socket.bind((host or "0.0.0.0", 0))
        self._host = host
        self.port = int(self._socket.getsockname()[1])
        self._fd = self._socket.fileno()
        self._owners: dict[int, Owner] = {}
        self._streams: dict[int, Stream] = {}
        self._random = random.Random(seed)
        self._loss = loss
        self._until_loss = self._next_loss()
        self._batch = batch
        self.packets = 0
        """RTP packets read, those thrown away included."""
        self.octets = 0
        self.injected = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._readable)

    def close(self) -> None:
        if self._loop is not None:
            self._loop.remove_reader(self._fd)
        self._socket.close()

    def settle(self, owner: Owner) -> ClientAddress:
        """An address for one more client."""
        number = next(_numbers)
        host = (
            socket.inet_aton(self._host)
            if self._host
            else bytes([127, 64 + (number >> 16), (number >> 8) & 0xFF, number & 0xFF])
        )
        self._owners[int.from_bytes(host, "little")] = owner
        return ClientAddress(host, self)

    def leave(self, address: ClientAddress) -> None:
        self._owners.pop(address.key, None)
        for key in [key for key in self._streams if key >> 32 == address.key]:
            del self._streams[key]

    def add_stream(self, address: ClientAddress, stream: Stream) -> None:
        self._streams[address.key << 32 | stream.ssrc] = stream

    def send(self, data: bytes, control: list[tuple[int, int, bytes]], to: tuple[str, int]) -> None:
        """Dropped where the kernel has no room, as any network would."""
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            self._socket.sendmsg([data], control, 0, to)

    @property
    def overrun(self) -> int:
        """Packets the kernel threw away because we read too slowly."""
        return int(struct.unpack("=9I", self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36))[8])

    def _next_loss(self) -> int:
        return int(self._random.expovariate(self._loss)) + 1 if self._loss else -1

    def _readable(self) -> None:
        batch = self._batch
        count = _libc.recvmmsg(self._fd, batch.messages, BATCH, socket.MSG_DONTWAIT, _ffi.NULL)
        if count <= 0:
            return
        streams = self._streams
        until_loss = self._until_loss
        packets = octets = 0
        for number, ((_, _, sequence, timestamp, ssrc), (seconds, nanos, to), (length,)) in enumerate(
            batch.read(count)
        ):
            stream = streams.get(to << 32 | ssrc)
            if stream is None:
                self._other(number, length, to, seconds * _BILLION + nanos)
                continue
            packets += 1
            octets += length
            until_loss -= 1
            if until_loss == 0:
                until_loss = self._next_loss()
                self.injected += 1
                stream.skip(sequence)
                continue
            stream.packets += 1
            stream.octets += length
            arrived = seconds * _BILLION + nanos
            if sequence == stream.expected:
                stream.expected = (sequence + 1) & 0xFFFF
                if (timestamp - stream.timestamp - 1) & 0x80000000:
                    stream.time_back += 1
                stream.timestamp = timestamp
            else:
                missing = stream.unexpected(sequence)
                if missing is None:
                    continue
                if missing:
                    stream.moved(timestamp)
                    if owner := self._owners.get(to):
                        owner.found_missing(stream, missing)
                else:
                    arrived = LATE
            if stream.watch is not None:
                stream.watch(stream, batch.whole(number, length), arrived)
        self._until_loss = until_loss
        self.packets += packets
        self.octets += octets

    def _other(self, number: int, length: int, to: int, arrived: int) -> None:
        owner = self._owners.get(to)
        if owner is None or length < _HEAD:
            return
        owner.other(self._batch.whole(number, length), self._batch.sender(number), arrived)


class ClientAddress:
    """Where one client lives. Sends from there."""

    __slots__ = ("_control", "_datagrams", "host", "key")

    def __init__(self, host: bytes, datagrams: Datagrams) -> None:
        self.host = ".".join(map(str, host))
        self.key = int.from_bytes(host, "little")
        self._datagrams = datagrams
        info = _PACKET_INFO.pack(0, host, bytes(4))
        self._control = [(int(socket.IPPROTO_IP), _IP_PKTINFO, info)]

    @property
    def port(self) -> int:
        return self._datagrams.port

    def send(self, data: bytes, to: tuple[str, int]) -> None:
        self._datagrams.send(data, self._control, to)

    def add_stream(self, stream: Stream) -> None:
        self._datagrams.add_stream(self, stream)

    def leave(self) -> None:
        self._datagrams.leave(self)
