"""The first content of a room: the same bytes, whoever makes them and however often, so that a merge changes nothing.

A struct in a Yjs document is known by its client id and clock. Both are fixed here: two nodes that open a new room at
the same moment, or one that starts again, write the very same structs.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any
from uuid import UUID, uuid5

from pycrdt import Doc, Map, Text

from collab_core.identity import RoomKey
from collab_core.journal.port import Entry, Journal, Row
from edge.dojos.files import FILE_ROOT, FILES_MAP
from edge.dojos.main_file import main_file

_EPOCHS = UUID("5bd0a7f2-3f0c-5c6e-9f0e-6c1c2b8b0a11")


def seed_client(room: UUID) -> int:
    """The client id of a room's first content: 32 bits, as Yjs' own are, never 0."""
    return int.from_bytes(hashlib.sha256(b"seed" + room.bytes).digest()[:4]) or 1


def seed_update(room: UUID, language: str, code: str) -> bytes:
    """One update with the main file and its entry in the list of files."""
    doc: Doc[Any] = Doc(client_id=seed_client(room))
    path = main_file(language)
    files: Map[Any] = doc.get(FILES_MAP, type=Map)
    text: Text = doc.get(FILE_ROOT + path, type=Text)
    with doc.transaction():
        files[path] = {"language": language, "order": 0}
        if code:
            text += code
    return doc.get_update()


async def seed(journal: Journal, key: RoomKey, room: UUID, *, author: UUID, language: str, code: str) -> None:
    """Write a room's first content unless it has any. Raises `JournalUnavailable`.

    The row has one name for all nodes, so the journal itself takes it once.
    """
    loaded = await journal.load(key)
    if loaded.base or loaded.updates:
        return
    entry = Entry(author, int(time.time() * 1000), seed_update(room, language, code))
    await journal.append([Row(key, uuid5(_EPOCHS, str(room)), 1, [entry])])
