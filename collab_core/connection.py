"""One WebSocket: the thin shell between a socket and a room.

Two choices keep thousands of idle connections small and a fan-out cheap. All connections read through one
shared buffer, so an idle one holds none and a long message leaves nothing behind. And a frame to a member is
ready-made bytes, written to the socket directly; only what the socket does not take goes to the transport's
buffer, and from then until it has drained the member is behind (`Room.blocked`).
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import socket
import struct
import termios
import time
from collections.abc import Callable, Hashable
from enum import Enum, auto
from typing import TYPE_CHECKING, cast

from collab_core.admission import Dialect, Refused
from collab_core.closes import CloseCode
from collab_core.commands import Commands
from collab_core.handshake import (
    BadHandshake,
    PlainRequest,
    Upgrade,
    http_response,
    is_whole,
    read_request,
    wants_upgrade,
)
from collab_core.member import Member
from collab_core.room import Room
from collab_core.wire import frames
from collab_core.wire.frames import Frame, FrameError, FrameReader

if TYPE_CHECKING:
    from collab_core.server import LiveServer

logger = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0
"""From the connection's start to a complete upgrade request."""
ADMIT_SECONDS = 10.0
"""How long the authoriser may take."""
CLOSE_SECONDS = 3.0
"""How long a closing connection waits for the peer's close frame."""
READ_BUFFER_BYTES = 256 * 1024
EARLY_BYTES = 64 * 1024
"""Kept of what comes while a connection waits to be let in; until then it is read, so that its end is noticed."""

_shared = memoryview(bytearray(READ_BUFFER_BYTES))
"""Filled and emptied within one callback of the event loop, so all connections of a thread can share it."""


class _State(Enum):
    HANDSHAKE = auto()
    WAITING = auto()
    ADMITTING = auto()
    OPEN = auto()
    CLOSING = auto()
    CLOSED = auto()


class LiveConnection(asyncio.BufferedProtocol):
    """A member's socket. Implements `collab_core.member.Connection` and `collab_core.entrance.Newcomer`."""

    __slots__ = (
        "_asked",
        "_commands",
        "_dialect",
        "_early",
        "_fd",
        "_member",
        "_paused",
        "_ping",
        "_reader",
        "_room",
        "_server",
        "_state",
        "_timer",
        "_transport",
        "whose",
    )

    _transport: asyncio.Transport

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self._state = _State.HANDSHAKE
        self.whose: Hashable = None
        self._dialect = Dialect.YJS
        self._asked: Upgrade | None = None
        self._early = b""  # of the handshake, or frames that came before the admission was decided
        self._fd = -1
        self._paused = False
        self._ping: bytes | None = None
        self._reader: FrameReader | None = None
        self._room: Room | None = None
        self._member: Member | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._commands = Commands(server)

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's, but are the same by shape.
        self._transport = transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._server.limits.outbox_bytes)
        self._fd = sock.fileno()
        # Zero: whatever the socket does not take makes the member "behind" at once, and it is not any more only
        # when the socket has taken everything.
        transport.set_write_buffer_limits(high=0)
        self._server.opened(self)
        self._after(HANDSHAKE_SECONDS, transport.abort)

    def get_buffer(self, sizehint: int) -> memoryview:
        return _shared

    def buffer_updated(self, nbytes: int) -> None:
        chunk = bytes(_shared[:nbytes])
        if self._state is _State.OPEN or self._state is _State.CLOSING:
            self._read(chunk)
        elif self._state is _State.HANDSHAKE:
            self._early += chunk
            self._handshake()
        elif self._state is _State.WAITING or self._state is _State.ADMITTING:
            self._early += chunk
            if len(self._early) > EARLY_BYTES:
                self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._paused = True
        if self._room is not None and self._member is not None:
            self._room.blocked(self._member)

    def resume_writing(self) -> None:
        self._paused = False
        if self._room is not None and self._member is not None and self._state is _State.OPEN:
            self._room.drained(self._member)
            self._pong()

    def connection_lost(self, exc: Exception | None) -> None:
        self._state = _State.CLOSED
        self._cancel_timer()
        self._commands.cancel()
        self._server.lost(self)
        if self._room is not None and self._member is not None:
            self._member.ended = True
            self._server.hub.left(self._room, self._member)
        self._room = self._member = None

    # Entering

    def _handshake(self) -> None:
        if not is_whole(self._early):
            return
        self._cancel_timer()
        self._state = _State.WAITING
        if wants_upgrade(self._early):
            self._server.entrance.arrived(self)
        else:  # health must be told also when thousands wait
            self.read_request()

    def read_request(self) -> bool:
        """See `Newcomer`."""
        if self._state is not _State.WAITING:
            return False
        try:
            asked = read_request(self._early)
        except BadHandshake as error:
            self._answer(error.response)
            return False
        assert asked is not None
        if isinstance(asked, PlainRequest):
            status, content_type, body = self._server.plain(asked.path)
            self._answer(http_response(status, content_type, body))
            return False
        self._early = asked.rest
        if self._server.hub.draining:
            self._accept(asked)
            self._refuse(CloseCode.RESTARTING, "this node is going away")
            return False
        if len(self._server.connections) > self._server.limits.connections:
            self._accept(asked)
            self._refuse(CloseCode.OVERLOADED, "too many connections on this node")
            return False
        self._asked = asked
        self.whose = self._server.authoriser.whose(asked.request)
        return True

    def turn_away(self, seconds: int) -> None:
        """See `Newcomer`."""
        if self._state is _State.WAITING:
            self._answer(http_response(503, "text/plain", b"too many at once, try again", retry_after=seconds))

    def _accept(self, asked: Upgrade) -> None:
        self._transport.write(asked.response)
        self._dialect = asked.dialect
        self._reader = FrameReader(self._server.limits.message_bytes)
        self._state = _State.ADMITTING
        self._transport.pause_reading()

    def _answer(self, response: bytes) -> None:
        self._cancel_timer()
        self._transport.write(response)
        self._state = _State.CLOSED
        self._transport.close()

    async def admit(self) -> None:
        """See `Newcomer`."""
        asked, self._asked = self._asked, None
        if asked is None or self._state is not _State.WAITING:
            return
        self._accept(asked)
        await self._enter(asked)

    async def _enter(self, asked: Upgrade) -> None:
        try:
            async with asyncio.timeout(ADMIT_SECONDS):
                admission = await self._server.authoriser.admit(asked.request)
            if self._state is not _State.ADMITTING:
                return
            # From here on the room may write to this connection.
            self._state = _State.OPEN
            self._room, self._member = await self._server.hub.join(
                admission, asked.dialect, self, self._server.authoriser.review
            )
        except Refused as refused:
            self._refuse(refused.code, refused.reason)
            return
        except TimeoutError:
            logger.error("the authoriser did not answer within %g s", ADMIT_SECONDS)
            self._refuse(CloseCode.ROOM_UNAVAILABLE, CloseCode.ROOM_UNAVAILABLE.label)
            return
        except Exception:
            logger.exception("a connection could not be admitted")
            self._refuse(CloseCode.ROOM_UNAVAILABLE, CloseCode.ROOM_UNAVAILABLE.label)
            return
        if self._transport.is_closing():
            # It went away while the room was loading, and `connection_lost` knew no room yet.
            self._server.hub.left(self._room, self._member)
            self._room = self._member = None
            return
        if self._paused:
            self._room.blocked(self._member)
        self._transport.resume_reading()
        self._read_early()

    def _refuse(self, code: CloseCode, reason: str) -> None:
        """Close a connection that is in no room."""
        if self._state is _State.CLOSED:
            return
        self._server.hub.metrics.closes[code.label] += 1
        self._state = _State.OPEN
        self.close(code, reason)
        self._read_early()

    def _read_early(self) -> None:
        if self._early:
            early, self._early = self._early, b""
            self._read(early)

    # Reading

    def _read(self, chunk: bytes) -> None:
        member = self._member
        if member is None or member.synced or not member.dialect.has_document:
            self._take(chunk)
            return
        # The first sync is the larger part of what a newcomer costs.
        begun = time.thread_time()
        self._take(chunk)
        self._server.entrance.spend(time.thread_time() - begun)

    def _take(self, chunk: bytes) -> None:
        reader, member = self._reader, self._member
        if reader is None:
            return  # out of step with the peer's frames: what still comes is thrown away
        if member is not None and reader.limit != (limit := self._server.message_limit(member)):
            reader.limit = limit
        try:
            for frame in reader.feed(chunk):
                self._frame(frame)
                if self._state is _State.CLOSED:
                    return
                if member is not None and reader.limit != (limit := self._server.message_limit(member)):
                    reader.limit = limit
        except FrameError as error:
            self._reader = None
            self._expel(CloseCode.TOO_LARGE if error.too_large else CloseCode.MALFORMED, str(error))
            # The peer's close frame would not be recognised any more: end our side, so that it need not wait.
            if not self._transport.is_closing():
                self._transport.write_eof()

    def _frame(self, frame: Frame) -> None:
        if self._state is _State.CLOSING:
            if frame.opcode == frames.CLOSE:
                self._transport.close()
            return
        room, member = self._room, self._member
        if room is None or member is None:
            return
        if frame.opcode == frames.BINARY and member.dialect.has_document:
            room.receive(member, frame.payload)
        elif frame.opcode == frames.CLOSE:
            self._state = _State.CLOSED
            self._transport.write(frames.encode(frames.CLOSE, frame.payload[:2]))
            self._transport.close()
        elif not member.bucket.take(time.monotonic()):
            self._expel(CloseCode.FLOOD, "")
        elif frame.opcode == frames.TEXT:
            self._text(room, member, frame.payload)
        elif frame.opcode == frames.BINARY:
            self._expel(CloseCode.MALFORMED, "binary frames are not for the subprotocol dojo.json.v1")
        else:
            member.heard = time.monotonic()
            if frame.opcode == frames.PING:
                self._ping = frame.payload
                self._pong()

    def _pong(self) -> None:
        """Answer the last ping; while the socket is full it has to wait, because clients take a lost one for an end."""
        if self._ping is not None and not self._paused:
            payload, self._ping = self._ping, None
            self.write(frames.encode(frames.PONG, payload))

    def _text(self, room: Room, member: Member, payload: bytes) -> None:
        if not member.speaks_json:
            self._expel(CloseCode.MALFORMED, "text frames need the subprotocol dojo.v1")
            return
        member.heard = time.monotonic()
        self._commands.take(room, member, payload)

    # Writing

    @property
    def unsent(self) -> int:
        """Bytes in the transport's and the kernel's send buffers."""
        if self._state is _State.CLOSED or self._transport.is_closing():
            return 0
        queued: int = struct.unpack("i", fcntl.ioctl(self._fd, termios.TIOCOUTQ, b"\0\0\0\0"))[0]
        return self._transport.get_write_buffer_size() + queued

    def write(self, frame: bytes) -> None:
        """Send one ready-made frame, directly unless something is buffered."""
        # The transport closes the descriptor before it tells us; its number may be another connection's by now.
        if self._state is not _State.OPEN or self._transport.is_closing():
            return
        if self._paused:
            self._transport.write(frame)
            return
        try:
            sent = os.write(self._fd, frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._transport.abort()
            return
        if sent < len(frame):
            self._transport.write(memoryview(frame)[sent:])

    def close(self, code: CloseCode, reason: str) -> None:
        """Send a close frame, then wait for the peer's, but not for long."""
        if self._state is not _State.OPEN or self._transport.is_closing():
            return
        wire_code = code if self._dialect.has_document else code.in_json
        self._transport.write(frames.encode_close(wire_code, reason[:120]))
        self._state = _State.CLOSING
        self._after(CLOSE_SECONDS, self._transport.abort)
        self._transport.resume_reading()

    def abort(self) -> None:
        """End the connection at once, whatever its state."""
        self._transport.abort()

    def _expel(self, code: CloseCode, reason: str) -> None:
        if self._room is not None and self._member is not None:
            self._room.expel(self._member, code, reason)

    def _after(self, seconds: float, callback: Callable[[], None]) -> None:
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, callback)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
