"""Many datagrams with one system call: sendmmsg(2), on buffers that are made once.

Sending is most of what a forwarded packet costs. Nothing is allocated per packet: buffers, iovecs and message headers
stay; a packet sets its length and where it goes.

    index = batch.count
    ... write into batch.views[index], protect batch.pointers[index] in place with batch.lengths[index] ...
    batch.commit(path)                  # or nothing at all: what was not committed is written over
    batch.flush()                       # at the end of the turn
"""

from __future__ import annotations

import errno
import sys
from typing import Any, Final, Protocol

import cffi  # type: ignore[import-untyped]

from media_sfu import srtp

# Sent with one call. Whoever is first in a batch waits for the last: 64 packets take 0.3 ms to encrypt, and a call for
# each 64 costs hardly more than one for 256.
DATAGRAMS: Final = 64

# Bytes of a buffer: an Ethernet frame's payload and room to encrypt in. An odd number of 64-byte cache lines, so that
# the first lines of neighbouring buffers do not all fall into the same few sets of the cache.
ROOM: Final = 1_728

sockets: Final[Any] = cffi.FFI()
sockets.cdef("""
    struct iovec { void *iov_base; size_t iov_len; };
    struct msghdr {
        void *msg_name; uint32_t msg_namelen;
        struct iovec *msg_iov; size_t msg_iovlen;
        void *msg_control; size_t msg_controllen;
        int msg_flags;
    };
    struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
    int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);
    int recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags, void *timeout);
""")
libc: Final[Any] = sockets.dlopen(None)

MSG_DONTWAIT: Final = 0x40

# 64-bit words of `struct mmsghdr` on 64-bit Linux: name 0, its length 1, iovec 2, how many 3, control 4, its length 5.
HEADER_WORDS: Final = sockets.sizeof("struct mmsghdr") // 8
NAME_WORD: Final = sockets.offsetof("struct msghdr", "msg_name") // 8
CONTROL_WORD: Final = sockets.offsetof("struct msghdr", "msg_control") // 8
CONTROL_LENGTH_WORD: Final = sockets.offsetof("struct msghdr", "msg_controllen") // 8
_SHIFT: Final = 3
if HEADER_WORDS != 1 << _SHIFT:
    raise ImportError("the voice server needs 64-bit Linux: struct mmsghdr has another shape here")

# Where the low 32 bits of a 64-bit length lie: libsrtp reads and writes an int there.
_LOW: Final = 0 if sys.byteorder == "little" else 4


class Destination(Protocol):
    """Where a datagram goes: addresses of a sockaddr and of a control message that live as long as this does."""

    @property
    def name(self) -> int:
        """Address of the sockaddr; 0: not a datagram socket's, `send` is called instead."""
        ...

    @property
    def control(self) -> int:
        """Address of the control message (the source address); read only on a socket that has one."""
        ...

    def send(self, data: bytes) -> None: ...


def address_of(cdata: Any) -> int:
    """Where `cdata` lies in memory."""
    return int(sockets.cast("uintptr_t", cdata))


class Batch:
    """Datagrams of one socket, waiting for one call. Not thread-safe; belongs to the loop of its socket.

    `size`: how many it takes. `count`: how many are waiting. By index: `views` (writable, `ROOM` bytes), `pointers`
    (cdata `char *` of the same bytes, for libsrtp), `lengths` (cdata `int *`, the length that will be sent:
    `srtp_protect` writes it).
    Counters: `sent`; `dropped`, the socket took no more; `refused`, the system would not send this one there.
    """

    __slots__ = (
        "_buffer",
        "_control_length",
        "_fd",
        "_headers",
        "_iovecs",
        "_paths",
        "_words",
        "count",
        "dropped",
        "lengths",
        "pointers",
        "refused",
        "sent",
        "size",
        "views",
    )

    def __init__(self, fd: int, *, name_length: int, control_length: int = 0, size: int = DATAGRAMS) -> None:
        """`name_length`: bytes of a sockaddr of this socket's family. `control_length`: of a destination's control
        message; 0: none is sent."""
        self._fd = fd
        self._control_length = control_length
        self.size = size
        self.count = 0
        self.sent = self.dropped = self.refused = 0
        # libsrtp's binding takes pointers of its own types only.
        self._buffer = srtp.ffi.new("char[]", size * ROOM)
        self._headers = sockets.new("struct mmsghdr[]", size)
        self._iovecs = sockets.new("struct iovec[]", size)
        whole = memoryview(srtp.ffi.buffer(self._buffer))
        self.views = [whole[at : at + ROOM] for at in range(0, size * ROOM, ROOM)]
        self.pointers = [self._buffer + at for at in range(0, size * ROOM, ROOM)]
        base = int(srtp.ffi.cast("uintptr_t", self._buffer))
        self.lengths: list[Any] = []
        for index in range(size):
            iovec, header = self._iovecs[index], self._headers[index].msg_hdr
            iovec.iov_base = sockets.cast("void *", base + index * ROOM)
            header.msg_iov = sockets.addressof(iovec)
            header.msg_iovlen = 1
            header.msg_namelen = name_length
            header.msg_controllen = control_length
            length = address_of(sockets.addressof(iovec, "iov_len")) + _LOW
            self.lengths.append(srtp.ffi.cast("int *", length))
        self._words = memoryview(sockets.buffer(self._headers)).cast("B").cast("Q")
        # The system reads their sockaddr at the flush: they must live until then.
        self._paths: list[Destination | None] = [None] * size

    def commit(self, path: Destination) -> None:
        """The buffer at `count` is for `path`, as long as `lengths` says. Flushes by itself when that was the last
        place."""
        index = self.count
        name = path.name
        if not name:
            path.send(self.views[index][: self.lengths[index][0]].tobytes())
            return
        words = self._words
        word = index << _SHIFT
        words[word] = name
        if self._control_length:
            words[word + CONTROL_WORD] = path.control
        self._paths[index] = path
        index += 1
        self.count = index
        if index == self.size:
            self.flush()

    def put(self, path: Destination, data: bytes) -> None:
        """Copy a whole datagram in. Longer ones than `ROOM` are refused."""
        length = len(data)
        if length > ROOM:
            self.refused += 1
            return
        index = self.count
        self.views[index][:length] = data
        self.lengths[index][0] = length
        self.commit(path)

    def flush(self) -> int:
        """Send all that wait; how many the socket took. Never waits: a datagram is late rather than useful later."""
        count, self.count = self.count, 0
        at = sent = 0
        while at < count:
            done = libc.sendmmsg(self._fd, self._headers + at, count - at, MSG_DONTWAIT)
            if done > 0:
                at += done
                sent += done
                continue
            error = sockets.errno
            if error == errno.EINTR:
                continue
            if error in {errno.EAGAIN, errno.ENOBUFS, errno.EBADF}:
                self.dropped += count - at
                break
            # The system says so only of the first one: its address is unreachable or forbidden. The others may go.
            self.refused += 1
            at += 1
        self.sent += sent
        return sent

    def close(self) -> None:
        """The socket is gone, and its number may soon be another file's: nothing is sent any more."""
        self._fd = -1
