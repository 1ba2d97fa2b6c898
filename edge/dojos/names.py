"""Names as they are shown in a dojo. A guest never goes under a member's name."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from typing import Final

from kernel.http.fields import one_line

NAME_CHARACTERS: Final = 100
GUEST_CHARACTERS: Final = 40

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, marks of direction and width, halves of characters: they can make one name look like another."""

_JOINER: Final = "\u200d"
"""Invisible too, but many emoji are several joined by it."""


class UnusableName(ValueError):
    """Nothing of the name can be seen, or it is too long."""


def member_name(name: str) -> str:
    """A member's name, on one line and cut to what the tables hold."""
    return one_line(_visible(name))[:NAME_CHARACTERS].rstrip() or "?"


def guest_name(name: str) -> str:
    """The name a guest chose, on one line. Raises `UnusableName`."""
    line = one_line(_visible(name))
    if not 0 < len(line) <= GUEST_CHARACTERS:
        raise UnusableName(f"a guest's name has 1 to {GUEST_CHARACTERS} characters that can be seen")
    return line


def key(name: str) -> str:
    """What two names have in common that look alike: no case, no accents, no widths, no blanks."""
    folded = unicodedata.normalize("NFKC", _visible(name).replace(_JOINER, "")).casefold()
    bare = (letter for letter in unicodedata.normalize("NFD", folded) if not unicodedata.combining(letter))
    return "".join("".join(bare).split())


def apart(name: str, taken: Collection[str]) -> str:
    """`name`, or `name (guest)`, `name (guest 2)` and so on: the first whose key is not in `taken`."""
    candidate, number = name, 0
    while key(candidate) in taken:
        number += 1
        candidate = f"{name} (guest)" if number == 1 else f"{name} (guest {number})"
    return candidate


def _visible(name: str) -> str:
    return "".join(
        letter
        for letter in name
        if letter in "\t\n\r" or unicodedata.category(letter) not in _INVISIBLE or letter == _JOINER
    )
