"""A person in a simulation: a pycrdt document, random edits, and the updates they made, in order."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from pycrdt import Array, Doc, Map, Text

PIECES = ("a", "word ", "\n    ", "é", "日本", "\U0001f600", "\U0001f469‍\U0001f680", "x" * 40, "()", "�")


class Author:
    """One document. `edited` is called with each update made here, never with one that was applied; without it the
    author only reads. Close it: pycrdt holds its observers where the garbage collector cannot see them."""

    def __init__(self, client_id: int, edited: Callable[[bytes], None] | None = None) -> None:
        self.doc: Doc[Any] = Doc(client_id=client_id)
        self.text: Text = self.doc.get("text", type=Text)
        self.map: Map[str] = self.doc.get("map", type=Map)
        self.array: Array[str] = self.doc.get("array", type=Array)
        self.made: list[bytes] = []
        self._edited = edited
        self._applying = False
        self._subscription = None if edited is None else self.doc.observe(self._observed)

    def close(self) -> None:
        """No more edits are noticed."""
        if self._subscription is not None:
            self.doc.unobserve(self._subscription)
            self._subscription = None

    def _observed(self, event: object) -> None:
        if not self._applying:
            update: bytes = event.update  # type: ignore[attr-defined]
            self.made.append(update)
            if self._edited is not None:
                self._edited(update)

    def apply(self, update: bytes) -> None:
        """Take somebody else's update, or one of one's own that comes back."""
        self._applying = True
        try:
            self.doc.apply_update(update)
        finally:
            self._applying = False

    def meet(self, other: Author) -> None:
        """Exchange everything, both ways, past the room."""
        self.apply(other.doc.get_update(self.doc.get_state()))
        other.apply(self.doc.get_update(other.doc.get_state()))

    def edit(self, random: Random) -> None:
        """One edit: mostly a piece typed into the text or a part of it deleted."""
        kind = random.random()
        if kind < 0.60:
            self.insert(random.randrange(len(self.content()) + 1), random.choice(PIECES))
        elif kind < 0.90:
            length = len(self.content())
            if length:
                start = random.randrange(length)
                self.delete(start, random.randrange(1, 1 + min(12, length - start)))
            else:
                self.insert(0, random.choice(PIECES))
        elif kind < 0.94:
            self.map[random.choice(("k1", "k2", "k3"))] = random.choice(PIECES)
        elif kind < 0.98 or not len(self.array):
            self.array.insert(random.randrange(len(self.array) + 1), random.choice(PIECES))
        else:
            del self.array[random.randrange(len(self.array))]

    def insert(self, index: int, piece: str) -> None:
        """Insert at an index of characters; pycrdt counts UTF-8 bytes."""
        self.text.insert(len(self.content()[:index].encode()), piece)

    def delete(self, index: int, count: int) -> None:
        """Delete a number of characters."""
        content = self.content()
        start = len(content[:index].encode())
        del self.text[start : start + len(content[index : index + count].encode())]

    def content(self) -> str:
        return str(self.text)

    def roots(self) -> tuple[str, object, object]:
        """Text, map and array as plain values."""
        return self.content(), self.map.to_py(), self.array.to_py()
