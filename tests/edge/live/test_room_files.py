"""Which files a room has, as clients learn of them who cannot read its document."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from pycrdt import Doc, Map, Text

from collab_core.log import RoomLog
from collab_core.wire.update import walk
from edge.dojos.seed import seed_update
from edge.live.room_files import LOOK_SECONDS, RoomFiles


class Room:
    """A log, and a client's document that writes into it."""

    def __init__(self) -> None:
        self.log = RoomLog(b"\x00\x00", {}, {}, {})
        self.now = 100.0
        self.doc: Doc[Any] = Doc()
        self._sent: list[bytes] = []
        self._subscription = self.doc.observe(lambda event: self._sent.append(event.update))
        self.files = RoomFiles(self.log, "python", lambda: self.now)

    def flush(self) -> None:
        for update in self._sent:
            walked = walk(update)
            self.log.accept(self.log.screen(walked), walked)
        self._sent.clear()
        self.log.flush()
        self.files.flushed()

    def later(self) -> list[str]:
        self.now += LOOK_SECONDS
        return list(self.files())


def test_a_room_without_any_has_its_main_file() -> None:
    assert Room().later() == ["main.py"]


def test_files_come_in_the_order_they_were_given_and_new_ones_are_noticed() -> None:
    room = Room()
    room.doc.apply_update(seed_update(UUID(int=3), "python", "x = 1\n"))
    room.flush()
    assert room.later() == ["main.py"]
    files: Map[Any] = room.doc.get("files", type=Map)
    files["test_main.py"] = {"language": "python", "order": -1}
    room.flush()
    assert room.later() == ["test_main.py", "main.py"]
    text: Text = room.doc.get("file/notes.md", type=Text)
    text += "a file that nobody listed"
    room.flush()
    assert room.later() == ["test_main.py", "main.py", "notes.md"]


def test_typing_costs_no_look_into_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room()
    room.doc.apply_update(seed_update(UUID(int=3), "python", "x = 1\n"))
    room.flush()
    assert room.later() == ["main.py"]
    reads: list[int] = []
    monkeypatch.setattr(room.log, "whole", lambda: reads.append(1))
    text: Text = room.doc.get("file/main.py", type=Text)
    for _ in range(3):
        text += "y"
        room.flush()
        assert room.later() == ["main.py"]
    assert reads == []


def test_it_looks_at_most_once_a_second() -> None:
    room = Room()
    room.doc.apply_update(seed_update(UUID(int=3), "python", ""))
    room.flush()
    room.later()
    files: Map[Any] = room.doc.get("files", type=Map)
    files["b.py"] = {"order": 1}
    room.flush()
    assert list(room.files()) == ["main.py"]
    assert room.later() == ["main.py", "b.py"]
