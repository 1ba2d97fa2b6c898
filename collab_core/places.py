"""Where a character's id stands in a room's texts, and which id stands at a place, in UTF-16 code units.

A text of ASCII is asked of the room's own document. For all others there is a second one, made of the same updates with
one byte for each code unit (`wire/single_bytes.py`), kept up as long as somebody asks.
"""

from __future__ import annotations

import logging
from typing import Final

from collab_core.document import Document
from collab_core.engine import EngineRefused
from collab_core.log import RoomLog
from collab_core.relative_position import RelativePosition
from collab_core.wire.lib0 import WireError
from collab_core.wire.messages import encode_state_vector
from collab_core.wire.single_bytes import in_single_bytes

logger = logging.getLogger(__name__)

LARGEST: Final = 512 * 1024
"""Bytes of a room that the second document is made for: its making takes 0.2 ms for each KiB of a much edited text."""


class Places:
    """Of one room, while its document agrees with the log."""

    def __init__(self, log: RoomLog) -> None:
        self._log = log
        self._single: Document | None = None
        self._version = -1
        self._failed = False

    def relative(self, document: Document, root: str, text: str, unit: int) -> RelativePosition | None:
        """The place before code unit `unit` of a root text that says `text`; `None` if it cannot be told."""
        try:
            asked = self._fit(document, root, text)
            if asked is None or not 0 <= unit <= asked.length(root):
                return None
            return RelativePosition(root, asked.item_at(root, unit) if unit < asked.length(root) else None)
        except EngineRefused:
            return None

    def unit_of(self, document: Document, root: str, text: str, position: RelativePosition) -> int | None:
        """The code unit of a root text, which says `text`, that the place is before; `None` if its character is
        unknown, deleted, or in another text."""
        if position.root not in (None, root):
            return None
        try:
            asked = self._fit(document, root, text)
            if asked is None:
                return None
            length = asked.length(root)
            if position.item is None:
                return 0 if position.leans_left else length
            unit = self._unit_of(asked, root, position, length)
            return None if unit is None else unit + position.leans_left
        except EngineRefused:
            return None

    def _unit_of(self, asked: Document, root: str, position: RelativePosition, length: int) -> int | None:
        assert position.item is not None
        client, clock = position.item
        deleted = self._log.deleted.get(client)
        # The engine panics on ids that it does not have.
        if clock >= self._log.state.get(client, 0) or (deleted is not None and deleted.covers(clock, clock + 1)):
            return None
        unit = asked.unit_of(root, position.item)
        if unit >= length or (position.root is None and asked.item_at(root, unit) != position.item):
            return None
        return unit

    def _fit(self, document: Document, root: str, text: str) -> Document | None:
        """A document that counts this text in code units; `None` if there is none, or if the text holds what is no
        text: then its places and the document's are not the same."""
        if text.isascii():
            return document if document.length(root) == len(text) else None
        single = self._single_of(document)
        return single if single is not None and single.length(root) == len(text.encode("utf-16-le")) // 2 else None

    def _single_of(self, document: Document) -> Document | None:
        if self._failed:
            return None
        if self._version == self._log.version:
            return self._single
        try:
            if self._single is None:
                if self._log.size > LARGEST:
                    return None
                self._single = Document(in_single_bytes(document.encode()))
            else:
                lacks = document.encode_since(encode_state_vector(self._single.state()))
                self._single.apply(in_single_bytes(lacks))
        except (EngineRefused, WireError) as error:
            # Not again while the room is open: whoever made it fail would make it fail at each keystroke.
            logger.warning("cursors in a text that is not ASCII are not translated any more: %s", error)
            self._failed = True
            self._single = None
            return None
        self._version = self._log.version
        return self._single
