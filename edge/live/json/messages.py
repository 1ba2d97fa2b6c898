"""CODE_UPDATE as it comes in, and what goes out to JSON clients about code."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from collab_core.wire import frames
from edge.live.json.positions import Edit, Position, edits_of, position_of
from edge.live.json.shared_file import Step

EDITS = 1_000
"""Edits of one message; more are sent as whole content."""
NOBODY = UUID(int=0)
"""The author of content that is nobody's news: the file as a newcomer gets it."""

Names = Callable[[UUID], str]
"""How a user is shown."""


class Selection(msgspec.Struct, frozen=True):
    """From where to where, in the text after the edit."""

    start: Position
    end: Position


class CodeUpdate(msgspec.Struct, frozen=True, rename="camel"):
    """What a client sends. Neither `content` nor `edits`: it asks what was changed since `base_version`."""

    file: str | None = None
    base_version: str | None = None
    seq: int | None = None
    content: str | None = None
    edits: list[Edit] | None = None
    position: Position | None = None
    selection: Selection | None = None


class BadMessage(Exception):
    """Not a CODE_UPDATE of ours. The text says where it is wrong."""


def read(payload: bytes) -> CodeUpdate:
    """Parse a text frame. Raises `BadMessage`."""
    try:
        update = msgspec.json.decode(payload, type=CodeUpdate)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage(str(error) if isinstance(error, msgspec.ValidationError) else "not JSON") from None
    if update.content is not None and update.edits is not None:
        raise BadMessage("either content or edits")
    if update.edits is not None and update.base_version is None:
        raise BadMessage("edits need the baseVersion they count in")
    if update.edits is not None and len(update.edits) > EDITS:
        raise BadMessage(f"more than {EDITS} edits: send the content")
    if update.seq is not None and not 0 <= update.seq < 1 << 53:
        raise BadMessage("seq must be from 0 to 2^53 - 1")
    return update


def stamp(now: float) -> str:
    """ISO 8601 with milliseconds, of Unix seconds."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Told:
    """One step of one file, as frames that many readers share; each is encoded when the first needs it."""

    def __init__(self, file: str, step: Step, names: Names, now: float) -> None:
        self._step = step
        people = [
            {"userId": str(user), "userName": names(user), "position": position_of(step.after, cursor)}
            for user, cursor in step.authors
        ]
        nobody = {"userId": str(NOBODY), "userName": "", "position": Position(0, 0)}
        self._head: dict[str, Any] = {"type": "CODE_UPDATE", "file": file, "version": step.version}
        self._rest: dict[str, Any] = {**(people[-1] if people else nobody), "timestamp": stamp(now)}
        if len(people) > 1:
            self._rest["authors"] = people
        self._edits = b""
        self._content = b""
        self._edits_frame = b""
        self._content_frame = b""

    def edits(self, ack: int | None = None) -> bytes:
        """For readers of the version before. Whole content if that is shorter."""
        if not self._edits:
            step = self._step
            if sum(len(splice.insert) + 32 for splice in step.splices) > len(step.after) + 32:
                return self.content(ack)
            fields = {"baseVersion": step.base_version, "edits": edits_of(step.before, step.splices)}
            self._edits = msgspec.json.encode({**self._head, **fields, **self._rest})
            self._edits_frame = frames.encode(frames.TEXT, self._edits)
        return self._edits_frame if ack is None else _acknowledged(self._edits, ack)

    def content(self, ack: int | None = None) -> bytes:
        """For everyone else."""
        if not self._content:
            self._content = msgspec.json.encode({**self._head, "content": self._step.after, **self._rest})
            self._content_frame = frames.encode(frames.TEXT, self._content)
        return self._content_frame if ack is None else _acknowledged(self._content, ack)


def _acknowledged(body: bytes, ack: int) -> bytes:
    return frames.encode(frames.TEXT, b'%b,"ackSeq":%d}' % (body[:-1], ack))
