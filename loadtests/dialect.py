"""How a server wraps the Yjs sync and awareness messages in its WebSocket frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from loadtests.lib0 import Truncated, read_varbytes, varbytes, varuint

SYNC = 0
AWARENESS = 1
STEP_1 = 0
STEP_2 = 1
UPDATE = 2

EMPTY_STATE_VECTOR = b"\x00"
EMPTY_UPDATE = b"\x00\x00"


def step_1(state_vector: bytes) -> bytes:
    """A SyncStep1 message: what the sender has."""
    return b"\x00\x00" + varbytes(state_vector)


def step_2(update: bytes) -> bytes:
    """A SyncStep2 message: everything the other side lacks."""
    return b"\x00\x01" + varbytes(update)


def sync_update(update: bytes) -> bytes:
    """An Update message."""
    return b"\x00\x02" + varbytes(update)


def awareness(update: bytes) -> bytes:
    """An awareness message around an encoded awareness update."""
    return b"\x01" + varbytes(update)


class Dialect(Protocol):
    """Between a y-protocols message and one server's frame. A room is named as that server names it."""

    def greeting(self, room: str) -> tuple[bytes, ...]:
        """Frames to send on an open connection before any message."""
        ...

    def wrap(self, room: str, message: bytes) -> bytes:
        """The frame that carries `message`."""
        ...

    def unwrap(self, frame: bytes) -> bytes:
        """The message in `frame`, its type number normalised to `SYNC` or `AWARENESS` where it is one of these;
        `b""` if the frame is of no interest to a document client. Raises `Truncated`."""
        ...


@dataclass(frozen=True, slots=True)
class PlainDialect:
    """y-websocket's own: the frame is the message."""

    def greeting(self, room: str) -> tuple[bytes, ...]:
        return ()

    def wrap(self, room: str, message: bytes) -> bytes:
        return message

    def unwrap(self, frame: bytes) -> bytes:
        return frame if frame[:1] in {b"\x00", b"\x01"} else b""


@dataclass(frozen=True, slots=True)
class HocuspocusDialect:
    """Hocuspocus: each frame starts with the document's name; an Auth message must come first, and a sync reply has
    a type of its own (4) so that the answer to an answer does not ask again."""

    _AUTH = 2
    _AUTH_TOKEN = 0
    _SYNC_REPLY = 4

    def greeting(self, room: str) -> tuple[bytes, ...]:
        return (self.wrap(room, varuint(self._AUTH) + varuint(self._AUTH_TOKEN) + varbytes(b"anyone")),)

    def wrap(self, room: str, message: bytes) -> bytes:
        return varbytes(room.encode()) + message

    def unwrap(self, frame: bytes) -> bytes:
        _, at = read_varbytes(frame, 0)
        if at >= len(frame):
            raise Truncated("a frame with nothing behind its document name")
        kind = frame[at]
        if kind in {SYNC, self._SYNC_REPLY}:
            return b"\x00" + frame[at + 1 :]
        return frame[at:] if kind == AWARENESS else b""
