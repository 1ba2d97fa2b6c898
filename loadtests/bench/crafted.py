"""Yjs updates made by hand: one typed character each, and the walk over what servers make of them.

A generator that ran a CRDT per member would measure itself. A writer here types one character after the other behind
its own last one, which needs no document: the origin is its own previous clock.
"""

from __future__ import annotations

from collections.abc import Iterator

from loadtests.lib0 import read_varbytes, read_varuint, varbytes, varuint

_HAS_ORIGIN = 0x80
_HAS_RIGHT_ORIGIN = 0x40
_HAS_PARENT_SUB = 0x20
_CONTENT = 0x1F
_GC = 0
_DELETED = 1
_STRING = 4
_SKIP = 10
_NO_DELETES = b"\x00"
_LETTERS = "the quick brown fox jumps over the lazy dog\n"

Range = tuple[int, int, int]
"""Client id, first clock, how many."""


class UnexpectedContent(ValueError):
    """A struct that no crafted update holds: the server sent something that was never typed."""


class Keyboard:
    """Types into the root text `root` under `client_id`, one character per update."""

    __slots__ = ("_continued", "_root", "client_id", "clock")

    def __init__(self, client_id: int, root: str) -> None:
        self.client_id = client_id
        self.clock = 0
        self._root = varbytes(root.encode())
        # One client section with one struct, then its client id: the same in every update.
        self._continued = b"\x01\x01" + varuint(client_id)

    def press(self) -> bytes:
        """The next character as a Yjs update (v1)."""
        clock = self.clock
        self.clock = clock + 1
        content = b"\x01" + _LETTERS[clock % len(_LETTERS)].encode()
        if clock == 0:
            return self._continued + b"\x00" + bytes((_STRING, 1)) + self._root + content + _NO_DELETES
        previous = varuint(self.client_id) + varuint(clock - 1)
        return self._continued + varuint(clock) + bytes((_HAS_ORIGIN | _STRING,)) + previous + content + _NO_DELETES

    def text(self) -> str:
        """What was typed so far."""
        whole, rest = divmod(self.clock, len(_LETTERS))
        return _LETTERS * whole + _LETTERS[:rest]


def ranges(update: bytes) -> Iterator[Range]:
    """The clocks that an update of typed characters brings, in the order it holds them.

    Raises `UnexpectedContent` on anything but text, `Truncated` if the update ends early.
    """
    sections, at = read_varuint(update, 0)
    for _ in range(sections):
        structs, at = read_varuint(update, at)
        client, at = read_varuint(update, at)
        clock, at = read_varuint(update, at)
        for _ in range(structs):
            skipped, length, at = _struct(update, at)
            if not skipped:
                yield client, clock, length
            clock += length


def _struct(update: bytes, at: int) -> tuple[bool, int, int]:
    """Whether the struct is a gap, its length in clocks, and the position behind it."""
    info = update[at]
    at += 1
    content = info & _CONTENT
    if content in {_GC, _SKIP}:
        length, at = read_varuint(update, at)
        return content == _SKIP, length, at
    if info & _HAS_ORIGIN:
        _, at = read_varuint(update, at)
        _, at = read_varuint(update, at)
    if info & _HAS_RIGHT_ORIGIN:
        _, at = read_varuint(update, at)
        _, at = read_varuint(update, at)
    if not info & (_HAS_ORIGIN | _HAS_RIGHT_ORIGIN):
        by_name, at = read_varuint(update, at)
        if by_name:
            _, at = read_varbytes(update, at)
        else:
            _, at = read_varuint(update, at)
            _, at = read_varuint(update, at)
        if info & _HAS_PARENT_SUB:
            _, at = read_varbytes(update, at)
    if content == _DELETED:
        length, at = read_varuint(update, at)
        return False, length, at
    if content == _STRING:
        text, at = read_varbytes(update, at)
        # Only ASCII is typed here, so bytes, UTF-16 code units and clocks are the same number.
        return False, len(text), at
    raise UnexpectedContent(f"a struct of content type {content}; only text was typed")
