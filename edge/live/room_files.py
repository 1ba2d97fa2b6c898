"""Which files a room has, for clients that cannot read its document: in the order its people gave them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from collab_core.engine import EngineRefused
from collab_core.view import View
from edge.dojos.files import FILE_ROOT, FILES_MAP, files_of
from edge.dojos.main_file import main_file
from edge.live.json.open_files import ListedFile
from edge.live.paced import Paced

MOST: Final = 64
"""Files that JSON clients are told; the others are for clients with a document."""
ENTRIES: Final = 1024
"""Entries of the map that are looked at: a forged one of 100,000 would take 50 ms at each look."""
LOOK_SECONDS: Final = 1.0
"""Shortest time between two looks into the document. Typing does not change the files, and nothing cheaper than a look
tells it from what does: an entry that is deleted or set again names neither the map nor the file."""
REST: Final = 50
"""How many times as long as a look took the next one waits: 100,000 forged root types take 0.3 s."""


class RoomFiles:
    """The files of one room, the main one first. `changed` is called when they may be others than before, as long as
    somebody asks for them."""

    def __init__(
        self, view: View, language: str, changed: Callable[[], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._view = view
        self._main = ListedFile(main_file(language), language)
        self._changed = changed
        self._now = monotonic
        self._files: Sequence[ListedFile] = (self._main,)
        self._stale = True
        self._asked = False
        self._next = float("-inf")
        """When it may look again."""
        self._later = Paced(LOOK_SECONDS, self._look)

    def flushed(self) -> None:
        """The document was changed."""
        self._stale = True
        if self._asked:
            self._later.want()
        self._asked = False

    def __call__(self) -> Sequence[ListedFile]:
        """As of now, or of at most `LOOK_SECONDS` before it."""
        self._asked = True
        if self._stale and self._now() >= self._next:
            self._read()
        return self._files

    def close(self) -> None:
        """The room leaves this node."""
        self._later.stop()

    def _look(self) -> None:
        if self._stale and self._now() < self._next:
            self._later.want()
            return
        if self._stale:
            self._read()
        self._changed()

    def _read(self) -> None:
        started = self._now()
        self._stale = False
        with suppress(EngineRefused):  # then they stay as they were: nobody can edit either
            self._files = self._found()
        ended = self._now()
        self._next = ended + max(LOOK_SECONDS, REST * (ended - started))

    def _found(self) -> Sequence[ListedFile]:
        texts = (name.removeprefix(FILE_ROOT) for name in self._view.texts(FILE_ROOT))
        files = files_of({**dict.fromkeys(texts), **self._view.entries(FILES_MAP, ENTRIES)}, {})
        return tuple(ListedFile(file.path, file.language) for file in files[:MOST]) or (self._main,)
