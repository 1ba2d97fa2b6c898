"""The live sockets' addresses: `/api/v1/rooms/{room}/sync` and `/api/v1/dojos/{dojoId}/live`."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote_to_bytes
from uuid import UUID

ROOM_BYTES = 200
"""Longest room name, in UTF-8 bytes."""

_SYNC = re.compile(r"/api/v1/rooms/([^/]+)/sync")
_LIVE = re.compile(r"/api/v1/dojos/([^/]+)/live")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def valid_room(name: str) -> bool:
    """Whether a room may have this name: 1-200 UTF-8 bytes, no control characters, no `/`."""
    if not name or "/" in name or any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        return False
    return len(name.encode()) <= ROOM_BYTES


def room_from_segment(segment: str) -> str | None:
    """The room a percent-encoded path segment names; None if it names none. An encoded `/` is refused too: no
    proxy on the way may read another route out of it."""
    if _BAD_ESCAPE.search(segment):
        return None
    try:
        name = unquote_to_bytes(segment).decode()
    except UnicodeError:
        return None
    return name if valid_room(name) else None


def room_from_path(path: str) -> str | None:
    """The room of a sync address (path without query); None if it is another path or the name is not valid."""
    match = _SYNC.fullmatch(path)
    return room_from_segment(match[1]) if match else None


def is_live(path: str) -> bool:
    """Whether it is a dojo's address, if perhaps one that names none."""
    return _LIVE.fullmatch(path) is not None


def dojo_from_path(path: str) -> UUID | None:
    """The dojo of a live address (path without query); None if it is another path or names none."""
    match = _LIVE.fullmatch(path)
    return uuid_from(match[1]) if match else None


def uuid_from(text: str) -> UUID | None:
    """An id in its usual form, in either case; None for anything else."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None
