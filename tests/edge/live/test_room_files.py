"""Which files a room has, as clients learn of them who cannot read its document."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from pycrdt import Array, Doc, Map, Text, XmlFragment

from collab_core.document import Document
from collab_core.engine import EngineRefused
from collab_core.log import RoomLog
from collab_core.metrics import EngineMetrics
from collab_core.view import View
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import walk
from edge.dojos.seed import seed_update
from edge.live.json.open_files import ListedFile
from edge.live.room_files import LOOK_SECONDS, MOST, REST, RoomFiles
from tests.collab_core.live import until

PAUSE = 0.01


class Room:
    """A log with its view, and a client's document that writes into them."""

    def __init__(self) -> None:
        self.log = RoomLog(EMPTY_UPDATE, {}, {}, {})
        self.view = View(self.log, Document(), EngineMetrics())
        self.now = 100.0
        self.changes = 0
        self.doc: Doc[Any] = Doc()
        self.described: Map[Any] = self.doc.get("files", type=Map)
        self._sent: list[bytes] = []
        self._subscription = self.doc.observe(lambda event: self._sent.append(event.update))
        self.files = RoomFiles(self.view, "python", self.changed, lambda: self.now)

    def changed(self) -> None:
        self.changes += 1

    def flush(self) -> None:
        for update in self._sent:
            walked = walk(update)
            screened = self.log.screen(walked)
            self.view.take(screened.accepted)
            self.log.accept(screened, walked)
        self._sent.clear()
        self.log.flush()
        self.files.flushed()

    def text(self, path: str) -> Text:
        text: Text = self.doc.get(f"file/{path}", type=Text)
        return text

    def later(self) -> list[str]:
        self.now += LOOK_SECONDS
        self.flush()
        return [file.path for file in self.files()]


@pytest.fixture
async def room() -> Room:
    made = Room()
    made.doc.apply_update(seed_update(UUID(int=3), "python", "x = 1\n"))
    made.flush()
    return made


async def test_a_room_without_any_has_its_main_file() -> None:
    room = Room()
    assert room.later() == ["main.py"]
    assert list(room.files()) == [ListedFile("main.py", "python")]
    room.files.close()


async def test_files_come_in_the_order_they_were_given_and_new_ones_are_noticed(room: Room) -> None:
    assert room.later() == ["main.py"]
    room.described["test_main.py"] = {"language": "python", "order": -1}
    assert room.later() == ["test_main.py", "main.py"]
    text = room.text("notes.md")
    text += "a file that nobody listed"
    assert room.later() == ["test_main.py", "main.py", "notes.md"]
    assert [file.language for file in room.files()] == ["python", "python", None]
    room.files.close()


async def test_files_that_go_and_change_places_are_noticed(room: Room) -> None:
    room.described["b.py"] = {"language": "python", "order": 5}
    text = room.text("b.py")
    text += "b"
    assert room.later() == ["main.py", "b.py"]
    room.described["b.py"] = {"language": "python", "order": -1}
    assert room.later() == ["b.py", "main.py"]
    # Its text is still there, so it is: nothing that somebody typed goes out of sight.
    del room.described["b.py"]
    assert room.later() == ["main.py", "b.py"]
    text.clear()
    assert room.later() == ["main.py"]
    room.files.close()


async def test_whatever_else_stands_in_the_map_is_no_reason_to_fail(room: Room) -> None:
    room.described["odd.py"] = Text("no map")
    room.described["fragment.py"] = XmlFragment()
    room.described["list.py"] = Array([1])
    room.described["order.py"] = {"order": "first", "language": 7}
    room.described["none.py"] = None
    assert room.later() == ["main.py", "fragment.py", "list.py", "none.py", "odd.py", "order.py"]
    for number in range(MOST):
        room.described[f"{number:03}.py"] = {"order": 1}
    assert len(room.later()) == MOST
    room.files.close()


async def test_it_looks_at_most_once_a_second_and_not_without_a_change(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.later()
    room.described["b.py"] = {"order": 1}
    room.flush()
    assert [file.path for file in room.files()] == ["main.py"]
    assert room.later() == ["main.py", "b.py"]
    looks: list[str] = []
    monkeypatch.setattr(room.view, "texts", looks.append)
    room.now += LOOK_SECONDS
    room.files()
    assert looks == []
    room.files.close()


async def test_a_long_look_is_followed_by_a_long_rest(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = room.view.texts

    def slow(prefix: str) -> list[str]:
        room.now += 1.0
        return texts(prefix)

    monkeypatch.setattr(room.view, "texts", slow)
    room.later()
    room.described["b.py"] = {"order": 1}
    assert room.later() == ["main.py"]
    room.now += REST
    assert room.later() == ["main.py", "b.py"]
    room.files.close()


async def test_who_asked_is_told_of_changes_without_asking_again(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.live.room_files.LOOK_SECONDS", PAUSE)
    files = room.files = RoomFiles(room.view, "python", room.changed)
    files()
    room.described["b.py"] = {"order": 1}
    room.flush()
    await until(lambda: room.changes and len(files()) == 2)
    files.close()


async def test_while_the_document_cannot_be_read_the_files_stay(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.described["b.py"] = {"order": 1}
    before = room.later()

    def refuse(*_: object) -> list[str]:
        raise EngineRefused("away")

    monkeypatch.setattr(room.view, "entries", refuse)
    room.described["c.py"] = {"order": 2}
    assert room.later() == before
    room.files.close()
