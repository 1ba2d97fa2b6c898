"""From bytes to a room's log and document, and back to smaller bytes: what opening and compaction share."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pycrdt import get_state

from collab_core.document import Document
from collab_core.engine import EngineRefused, panics_as_refusals
from collab_core.log import Halves, RoomLog
from collab_core.merge import merge
from collab_core.wire.id_ranges import IdRanges
from collab_core.wire.messages import decode_state_vector
from collab_core.wire.update import Walk, walk

_ASTRAL = re.compile(rb"[\xf0-\xf4][\x80-\xbf]{3}")
"""UTF-8 of a character outside the basic plane. Without a match no string can hold a surrogate pair."""


def open_log(base: bytes, updates: Sequence[bytes]) -> tuple[RoomLog, Document | None]:
    """A room's log from what the journal holds, and its document; `None` if no document agrees with the bytes,
    and then the room is served from the bytes alone. Raises `ValueError` on bytes that are no update."""
    merged = merge([base, *updates])
    document: Document | None
    try:
        document = Document(merged)
    except EngineRefused:
        document = None
    with panics_as_refusals():
        state = decode_state_vector(get_state(merged))
    if document is not None and document.state() != state:
        document = None
    walked = None if document is not None and not _ASTRAL.search(merged) else walk(merged)
    if document is not None:
        deleted = document.deleted()
    else:
        assert walked is not None
        deleted = {client: IdRanges(ranges) for client, ranges in walked.deletes.items()}
    return RoomLog(merged, state, deleted, _halves(walked)), document


def _halves(walked: Walk | None) -> Halves:
    halves: Halves = {}
    if walked is not None:
        for client, clock in walked.halves:
            halves.setdefault(client, set()).add(clock)
    return halves


def fold(base: bytes, updates: Sequence[bytes]) -> bytes:
    """Base and updates as one base. A document's encoding is smaller than merged bytes, but takes their place
    only when its state vector and delete set are equal to theirs: nothing may get lost in a view."""
    merged = merge([base, *updates])
    try:
        document = Document(merged)
        walked = walk(merged)
        state = {section.client: section.end for section in walked.sections}
        deleted = {client: IdRanges(ranges) for client, ranges in walked.deletes.items()}
        if document.state() == state and document.deleted() == deleted:
            encoded = document.encode()
            return encoded if len(encoded) < len(merged) else merged
    except EngineRefused:
        pass  # the bytes stay what they are
    return merged
