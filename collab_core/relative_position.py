"""A place in a text as clients with a document name it: before a certain character, wherever that goes.

The JSON is that of Yjs (https://github.com/yjs/yjs, src/utils/RelativePosition.js): `item` is the id of the character
behind the place, `tname` the root text, and without an `item` the place is the text's end. A negative `assoc` turns it
round: `item` is the character in front of the place, and without one it is the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from collab_core.wire.lib0 import MAX_SAFE_INTEGER
from collab_core.wire.update import MAX_CLOCK

Item = tuple[int, int]
"""Client id and clock of one UTF-16 code unit."""


@dataclass(frozen=True, slots=True)
class RelativePosition:
    """`root` is the root text's name; positions that other engines write leave it out where there is an item."""

    root: str | None
    item: Item | None
    leans_left: bool = False
    """Whether it keeps to the character in front of it."""

    def to_json(self) -> dict[str, Any]:
        """As Yjs writes it. With every field: its reader takes a missing one for a value."""
        item = None if self.item is None else {"client": self.item[0], "clock": self.item[1]}
        return {"type": None, "tname": self.root, "item": item, "assoc": -1 if self.leans_left else 0}


def read(value: object) -> RelativePosition | None:
    """A position out of somebody's presence, which may be anything; `None` if it is none in a root text."""
    if not isinstance(value, dict):
        return None
    root, item, assoc = value.get("tname"), value.get("item"), value.get("assoc", 0)
    if not isinstance(root, str):
        root = None
    leans_left = isinstance(assoc, int | float) and assoc < 0
    if item is None:
        return None if root is None else RelativePosition(root, None, leans_left)
    if not isinstance(item, dict):
        return None
    client, clock = _count(item.get("client"), MAX_SAFE_INTEGER), _count(item.get("clock"), MAX_CLOCK)
    return None if client is None or clock is None else RelativePosition(root, (client, clock), leans_left)


def _count(value: object, most: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most else None
