"""What tells a JSON client's edit apart from all others, so that one that is sent again is made once."""

from __future__ import annotations

from uuid import UUID

import msgspec

from collab_core.marks import mark_of
from edge.live.json.messages import CodeUpdate


def mark(user: UUID, file: str, update: CodeUpdate) -> bytes:
    """The same for the same edit on every node; empty for one without `seq` and `baseVersion`, which cannot be told
    apart. A client that sends one again sends the same `seq`, `baseVersion` and text."""
    if update.seq is None or update.base_version is None:
        return b""
    text = update.content if update.content is not None else msgspec.json.encode(update.edits).decode()
    kind = b"content" if update.content is not None else b"edits"
    parts = (file, update.base_version, str(update.seq), text)
    return mark_of(user.bytes, kind, *(part.encode() for part in parts))
