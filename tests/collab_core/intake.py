"""A log as a room feeds it, and updates written down as bytes."""

from __future__ import annotations

from collab_core.document import Document
from collab_core.log import RoomLog, Screened
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import walk


def update(fields: str) -> bytes:
    """Hex with spaces between the fields, and text in quotes with its length before it."""
    raw = bytearray()
    for at, part in enumerate(fields.split("'")):
        if at % 2:
            raw += bytes([len(part.encode())]) + part.encode()
        else:
            raw += bytes.fromhex(part)
    return bytes(raw)


class Intake:
    """A log as a room feeds it: what waits is tried again whenever something joins, and each accepted update goes,
    in order, into a document of its own that never has anything pending."""

    def __init__(self, *updates: bytes) -> None:
        self.log = RoomLog(EMPTY_UPDATE, {}, {}, {})
        self.document = Document()
        self.accepted: list[bytes] = []
        self.held: list[bytes] = []
        for each in updates:
            self.feed(each)

    def feed(self, raw: bytes) -> Screened:
        screened = self._offer(raw)
        if screened.waiting != EMPTY_UPDATE:
            self.held.append(screened.waiting)
        moved = screened.accepted != EMPTY_UPDATE
        while moved:
            moved = False
            for waiting in list(self.held):
                self.held.remove(waiting)
                again = self._offer(waiting)
                if again.waiting != EMPTY_UPDATE:
                    self.held.append(again.waiting)
                moved = moved or again.accepted != EMPTY_UPDATE
        return screened

    def _offer(self, raw: bytes) -> Screened:
        walked = walk(raw)
        screened = self.log.screen(walked)
        if screened.accepted != EMPTY_UPDATE:
            self.document.apply(screened.accepted)
            self.log.accept(screened, walked)
            self.accepted.append(screened.accepted)
            assert self.document.state() == self.log.state, "something is pending: it depends on what is absent"
        return screened

    @property
    def text(self) -> str:
        whole = Document(self.log.whole())
        assert whole.text("t") == self.document.text("t")
        return whole.text("t")
