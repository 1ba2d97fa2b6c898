"""Which files a room has, for clients that cannot read its document: in the order its people gave them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from pycrdt import Doc, Map

from collab_core.engine import EngineRefused, panics_as_refusals
from collab_core.log import RoomLog
from edge.dojos.files import FILE_ROOT, FILES_MAP, files_of
from edge.dojos.main_file import main_file

MOST: Final = 64
"""Files that JSON clients are told; the others are for clients with a document."""
LOOK_SECONDS: Final = 1.0
"""Shortest time between two looks into the document: each loads it, in some 8 ms for an edited 100,000 characters."""
_NAMES: Final = (FILES_MAP.encode(), FILE_ROOT.encode())


class RoomFiles:
    """The paths of one room's files, the main one first."""

    def __init__(self, log: RoomLog, language: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._main = main_file(language)
        self._now = monotonic
        self._paths: Sequence[str] = ()
        self._stale = True
        self._read_at = float("-inf")
        self._cursor = log.end
        self._asked = False

    def flushed(self) -> None:
        """A piece joined the log. A new file names itself in it."""
        cursor, self._cursor = self._cursor, self._log.end
        asked, self._asked = self._asked, False
        if not asked:
            self._stale = True  # nobody wants to know: whoever does next looks
        elif not self._stale and cursor < self._log.end:
            piece = self._log.since(cursor)
            self._stale = any(name in piece for name in _NAMES)

    def __call__(self) -> Sequence[str]:
        """As of the last flush, or of at most `LOOK_SECONDS` before it."""
        self._asked = True
        if self._stale and self._now() - self._read_at >= LOOK_SECONDS:
            self._read_at = self._now()
            self._stale = False
            self._paths = self._read()
        return self._paths

    def _read(self) -> Sequence[str]:
        try:
            with panics_as_refusals():
                doc: Doc[Any] = Doc()
                doc.apply_update(self._log.whole())
                files: Map[Any] = doc.get(FILES_MAP, type=Map)
                described: Any = files.to_py()
                names = list(doc.keys())
        except EngineRefused:
            return self._paths or (self._main,)
        texts = {name[len(FILE_ROOT) :]: "" for name in names if name.startswith(FILE_ROOT)}
        paths = [file.path for file in files_of(described, texts)]
        return tuple(paths[:MOST]) or (self._main,)
