"""A file's versions: what each is called, how to get back to it, and what was changed since.

A version is named by the text itself, by a hash of it. So it is the same on every node and after every restart without
anybody keeping count, and whoever names one names exactly the text the edit was made to. A text that comes back (typed
and deleted again) is the same version again, and that is right: nothing between matters to an edit made to that text.
"""

from __future__ import annotations

from base64 import b32encode
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

from collab_core.splice import Splice, spliced

VERSIONS = 512
"""How many versions back an edit may start: at 50 flushes a second some ten seconds of a busy room."""
WALK_BACK = 16 * 1024 * 1024
"""Characters that may be copied to get a version's text back, 5 ms: versions times length is bounded by it."""
KEPT = 1024 * 1024
"""Characters inserted and deleted that the changes of one file may hold."""
CHANGE_OVERHEAD = 100


def version_of(text: str) -> str:
    """The text's version: opaque, 20 characters. 96 bits: nobody finds two texts of one version by chance."""
    return b32encode(blake2b(text.encode(), digest_size=12).digest()).decode().rstrip("=").lower()


@dataclass(frozen=True, slots=True)
class Change:
    """What turned one text into the next, and the way back."""

    splices: tuple[Splice, ...]
    back: tuple[Splice, ...]

    @property
    def size(self) -> int:
        """Characters held, about."""
        return CHANGE_OVERHEAD + sum(len(splice.insert) for splice in (*self.splices, *self.back))


def change_of(text: str, splices: Sequence[Splice]) -> Change:
    """The change that `splices` make to `text`."""
    back = []
    moved = 0
    for splice in splices:
        start = splice.start + moved
        back.append(Splice(start, start + len(splice.insert), text[splice.start : splice.end]))
        moved += len(splice.insert) - (splice.end - splice.start)
    return Change(tuple(splices), tuple(back))


class Versions:
    """One file's text, and a bounded past. Places in the past are counted in changes since the start."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._changes: deque[Change] = deque()
        self._first = 0
        self._size = 0
        self._places: dict[str, int] = {}
        """Version -> the last place where the text was that, oldest first."""
        self.version = ""
        """The last version that was marked."""
        self.mark()

    @property
    def first(self) -> int:
        """The earliest place that is remembered."""
        return self._first

    @property
    def place(self) -> int:
        """Where the text is now."""
        return self._first + len(self._changes)

    def change(self, splices: Sequence[Splice]) -> None:
        """Change the text. Raises `ValueError` for splices that do not fit."""
        text = spliced(self.text, splices)
        change = change_of(self.text, splices)
        self.text = text
        self._changes.append(change)
        self._size += change.size

    def mark(self) -> str:
        """Give the present text its version: from now on edits may start from it."""
        self.version = version_of(self.text)
        self._places.pop(self.version, None)
        self._places[self.version] = self.place
        self._forget()
        return self.version

    def place_of(self, version: str) -> int | None:
        """Where the text was last of that version; `None` if that is unknown, or too long ago."""
        return self._places.get(version)

    def text_at(self, place: int) -> str:
        """The text as it was."""
        text = self.text
        for change in islice(reversed(self._changes), self.place - place):
            text = spliced(text, change.back)
        return text

    def since(self, place: int) -> list[Sequence[Splice]]:
        """What was changed since, in order."""
        return [change.splices for change in islice(self._changes, place - self._first, None)]

    def _forget(self) -> None:
        most = max(2, min(VERSIONS, WALK_BACK // max(1, len(self.text))))
        while len(self._places) > 1 and (
            len(self._places) > most or self._size > KEPT or len(self._changes) > 4 * most
        ):
            del self._places[next(iter(self._places))]
            oldest = next(iter(self._places.values()))
            while self._first < oldest:
                self._size -= self._changes.popleft().size
                self._first += 1
