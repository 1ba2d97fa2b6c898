"""Places in texts, held against real Yjs: histories of several people, with characters of every width."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Text

from collab_core.document import Document, delete_set_of
from collab_core.log import RoomLog
from collab_core.metrics import EngineMetrics
from collab_core.places import LARGEST
from collab_core.relative_position import RelativePosition, read
from collab_core.view import View
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import walk
from tests.node import PEERS_FOLDER, node_executable

ROOT = "file/a"
Step = tuple[Any, ...]

texts = st.text(alphabet="ab\né日😀👍", min_size=1, max_size=6)
people = st.integers(0, 2)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), people, st.integers(0, 40), texts),
        st.tuples(st.just("delete"), people, st.integers(0, 40), st.integers(1, 5)),
        st.tuples(st.just("sync"), people, people),
    ),
    max_size=25,
)


class Yjs:
    """The Node process that knows."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, history: Sequence[Step]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(history) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@pytest.fixture(scope="module")
def yjs() -> Iterator[Yjs]:
    with subprocess.Popen(
        [node_executable(), str(PEERS_FOLDER / "places.mjs")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        yield Yjs(process)


class Room:
    """A log and its view."""

    def __init__(self, *updates: bytes) -> None:
        self.log = RoomLog(EMPTY_UPDATE, {}, {}, {})
        self.view = View(self.log, Document(), EngineMetrics())
        for update in updates:
            self.take(update)

    def take(self, update: bytes) -> None:
        walked = walk(update)
        screened = self.log.screen(walked)
        self.view.take(screened.accepted)
        self.log.accept(screened, walked)
        self.log.flush()

    @property
    def text(self) -> str:
        return self.view.text(ROOT)

    def unit_of(self, position: object) -> int | None:
        found = read(position)
        assert found is not None
        return self.view.unit_of(ROOT, self.text, found)


def agrees(room: Room, answer: dict[str, Any]) -> None:
    """Every place in the text and every id, both ways, are where Yjs says."""
    text = room.text
    assert text == answer["text"]
    for unit, relative in enumerate(answer["relative"]):
        assert room.unit_of(relative) == unit
        made = room.view.relative(ROOT, text, unit)
        assert made is not None
        assert made.to_json() == relative
        if relative["item"] is not None:
            assert room.unit_of({"item": relative["item"]}) == unit  # as engines write it that leave the root out
    for client, clock, index, left in answer["places"]:
        item = {"client": client, "clock": clock}
        gone = client in room.log.deleted and room.log.deleted[client].covers(clock, clock + 1)
        assert room.unit_of({"tname": ROOT, "item": item, "assoc": 0}) == (None if gone else index)
        assert room.unit_of({"tname": ROOT, "item": item, "assoc": -1}) == (None if gone else left)


@settings(max_examples=120, deadline=None)
@given(history=steps)
def test_every_place_is_where_yjs_says(yjs: Yjs, history: list[Step]) -> None:
    answer = yjs.ask(history)
    agrees(Room(base64.b64decode(answer["update"])), answer)


@settings(max_examples=40, deadline=None)
@given(history=steps, later=steps)
def test_places_follow_the_text(yjs: Yjs, history: list[Step], later: list[Step]) -> None:
    before, after = yjs.ask(history), yjs.ask([*history, *later])
    room = Room(base64.b64decode(before["update"]))
    agrees(room, before)
    room.take(base64.b64decode(after["update"]))
    agrees(room, after)


def test_a_typo_after_a_wide_character(yjs: Yjs) -> None:
    # Bytes gained and clocks lost cancel out here: whoever compares only distances takes both for one item.
    history = [("insert", 0, 0, "é"), ("insert", 0, 1, "q"), ("delete", 0, 1, 1), ("insert", 0, 1, "y")]
    answer = yjs.ask(history)
    agrees(Room(base64.b64decode(answer["update"])), answer)


def update_of(text: str, root: str = ROOT) -> bytes:
    doc: Doc[Any] = Doc(client_id=7)
    body: Text = doc.get(root, type=Text)
    body += text
    return doc.get_update()


@pytest.mark.parametrize("text", ["abc", "aé😀"])
def test_what_is_no_place_here_is_none(text: str) -> None:
    room = Room(update_of(text))
    assert room.unit_of({"tname": ROOT, "item": {"client": 7, "clock": 99}}) is None
    assert room.unit_of({"tname": ROOT, "item": {"client": 8, "clock": 0}}) is None
    assert room.unit_of({"tname": "file/other"}) is None
    assert room.view.unit_of("file/other", "", RelativePosition(None, (7, 0))) is None
    assert room.view.unit_of(ROOT, "another text than the document's", RelativePosition(ROOT, (7, 0))) is None
    assert room.view.relative(ROOT, room.text, 99) is None
    assert room.view.relative(ROOT, room.text, -1) is None


@pytest.mark.parametrize("text", ["abc", "aé😀"])
def test_the_ends_need_no_character(text: str) -> None:
    room = Room(update_of(text))
    assert room.unit_of({"tname": ROOT}) == len(text.encode("utf-16-le")) // 2
    assert room.unit_of({"tname": ROOT, "item": None, "assoc": -1}) == 0


def test_an_id_that_was_brought_without_its_character_is_none() -> None:
    hollow = bytes.fromhex("0101090000 05 00".replace(" ", ""))
    for text in ("abc", "aé😀"):
        room = Room(update_of(text), hollow)
        assert room.log.state[9] == 5
        assert room.unit_of({"tname": ROOT, "item": {"client": 9, "clock": 2}}) is None
        assert room.unit_of({"tname": ROOT, "item": {"client": 7, "clock": 1}}) == 1


def test_a_text_that_holds_more_than_text_has_no_places() -> None:
    doc: Doc[Any] = Doc(client_id=7)
    body: Text = doc.get(ROOT, type=Text)
    body += "aé"
    body.insert_embed(1, {"a": "picture"})
    room = Room(doc.get_update())
    assert room.text == "aé"
    assert room.view.relative(ROOT, "aé", 1) is None
    assert room.unit_of({"tname": ROOT, "item": {"client": 7, "clock": 0}}) is None


def test_a_huge_text_has_places_only_in_ascii() -> None:
    assert Room(update_of("x" * LARGEST)).unit_of({"tname": ROOT, "item": {"client": 7, "clock": 9}}) == 9
    assert Room(update_of("é" * LARGEST)).unit_of({"tname": ROOT, "item": {"client": 7, "clock": 9}}) is None


def test_the_second_document_holds_what_was_deleted_of_the_first() -> None:
    room = Room(update_of("aé😀bc"))
    assert room.unit_of({"tname": ROOT, "item": {"client": 7, "clock": 5}}) == 5
    room.take(bytes.fromhex("00010701 01 01".replace(" ", "")))
    assert delete_set_of(room.view.folded())[7].covers(1, 2)
    assert room.text == "a😀bc"
    assert room.unit_of({"tname": ROOT, "item": {"client": 7, "clock": 5}}) == 4
