"""The document as others see it: trusted while it agrees with the bytes, rebuilt when it fails."""

from __future__ import annotations

from typing import Any

import pytest
from pycrdt import Doc, Map, Text

from collab_core.document import Document
from collab_core.engine import EngineRefused
from collab_core.log import RoomLog
from collab_core.metrics import EngineMetrics
from collab_core.opening import open_log
from collab_core.view import CACHED_REPLIES, View
from collab_core.wire.frames import BINARY, FrameReader, encode
from collab_core.wire.messages import EMPTY_UPDATE, SyncStep1, SyncStep2, parse, sync_step1, sync_step2
from collab_core.wire.update import walk

EMOJI = "\U0001f600"


def fields(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


HELLO = fields("01 01 01 00 04 01 01 74 05 68656c6c6f 00")
"""Client 1 types "hello" into the root "t"."""
LATER = fields("01 01 01 05 84 01 04 01 21 00")
DELETE = fields("00 01 01 01 01 03")

FAULTS = {
    "unwrap": fields("01 00 01 78 00"),
    "unwrap in a map": fields("01 00 01 02 00 28 01 03 6d6170 01 6e 01 7a 80 00 00 00 00 00 00 00 00"),
    "division, half taken": fields("01 02 03 00 03 01 05 6172726179 05 03 02 03 83 03 00 00 00"),
    "division, one struct taken": fields("01 02 03 00 03 01 05 6172726179 02 83 03 00 00 00"),
    "a character as a parent, text taken": fields(
        "01 05 00 00 04 01 01 74 05 68656c6c6f 27 01 01 6d 01 6b 02 04 00 01 04 02 696e"
        "28 01 01 6d 01 76 01 7c 3f800000 88 01 08 01 7c 40000000 01 00 01 02 01"
    ),
}
"""Found by changing real updates at random; `wire` lets none of them through, so they come to the view directly. The
first four make the engine panic, and after the last three it holds what it did not take."""


class Room:
    """A log, its view, and the way of an edit between them."""

    def __init__(self, *updates: bytes) -> None:
        self.metrics = EngineMetrics()
        self.log, document = open_log(EMPTY_UPDATE, [])
        self.view = View(self.log, document, self.metrics)
        for each in updates:
            self.edit(each)

    def edit(self, update: bytes) -> None:
        walked = walk(update)
        screened = self.log.screen(walked)
        self.view.take(screened.accepted)
        self.log.accept(screened, walked)

    def force(self, update: bytes) -> None:
        """Into the log and past the document, as if the engine had not done what it said."""
        walked = walk(update)
        self.log.accept(self.log.screen(walked), walked)


def answer(frame: bytes) -> bytes:
    """The update in a ready-made SyncStep2 frame."""
    message = parse(_payload(frame))
    assert isinstance(message, SyncStep2)
    return message.update


def _payload(frame: bytes) -> bytes:
    """Of an unmasked frame: masked with zeros, the reader takes it."""
    header = 2 if frame[1] < 126 else 4 if frame[1] == 126 else 10
    masked = bytes([frame[0], frame[1] | 0x80]) + frame[2:header] + bytes(4) + frame[header:]
    ((opcode, payload),) = FrameReader(1 << 20).feed(masked)
    assert opcode == BINARY
    return payload


def test_it_answers_with_ready_made_frames() -> None:
    room = Room(HELLO)
    assert room.view.question() == encode(BINARY, sync_step1({1: 5}))
    assert room.view.reply({}) == encode(BINARY, sync_step2(HELLO))
    assert parse(_payload(room.view.question())) == SyncStep1({1: 5})


def test_a_reply_is_all_that_a_member_lacks() -> None:
    room = Room(HELLO, LATER, DELETE)
    member = Document(HELLO)
    member.apply(answer(room.view.reply({1: 5})))
    assert member.text("t") == room.view.text("t") == "ho!"
    assert answer(room.view.reply({1: 6})) == DELETE


def test_each_answer_is_encoded_once_per_version() -> None:
    room = Room(HELLO)
    frames = {id(room.view.reply({})) for _ in range(50)}
    assert len(frames) == 1
    assert room.view.question() is room.view.question()
    assert (room.metrics.sync_replies, room.metrics.sync_replies_encoded) == (50, 1)
    room.edit(LATER)
    assert Document(answer(room.view.reply({}))).text("t") == "hello!"
    assert room.metrics.sync_replies_encoded == 2
    assert parse(_payload(room.view.question())) == SyncStep1({1: 6})


def test_the_cache_is_bounded_and_every_answer_right() -> None:
    room = Room(HELLO)
    for clock in (*range(5), *range(5)):
        member = Document(
            fields("01 01 01 00 04 01 01 74") + bytes([clock]) + b"hello"[:clock] + b"\x00" if clock else b"\x00\x00"
        )
        member.apply(answer(room.view.reply({1: clock})))
        assert member.text("t") == "hello"
    room = Room(*(fields(f"01 01 {client:02x} 00 04 01 01 74 01 78 00") for client in range(1, 2 * CACHED_REPLIES)))
    for client in range(1, 2 * CACHED_REPLIES):
        room.view.reply({client: 1})
    assert len(room.view._replies) == CACHED_REPLIES


@pytest.mark.parametrize(
    "state",
    [{2**53 - 1: 5}, {9: 2**32}, {1: 0}, dict.fromkeys(range(1_000, 2_000), 7)],
    ids=["a client that is not here", "a clock past 32 bits of one", "nothing said", "many"],
)
def test_what_a_vector_says_of_others_changes_nothing(state: dict[int, int]) -> None:
    room = Room(HELLO)
    assert room.view.reply(state) is room.view.reply({})
    assert room.metrics.sync_replies_encoded == 1


@pytest.mark.parametrize("clock", [6, 2**31, 2**32, 2**32 + 1, 2**53 - 1])
def test_a_clock_ahead_of_the_room_is_all_of_it(clock: int) -> None:
    """The engine reads clocks in 32 bits: 2**32 + 1 would be 1."""
    room = Room(HELLO)
    assert answer(room.view.reply({1: clock})) == EMPTY_UPDATE
    assert room.view.reply({1: clock}) is room.view.reply({1: 5})


def test_a_vector_that_ends_inside_a_pair_gets_the_whole_pair() -> None:
    room = Room(fields("01 01 01 00 04 01 01 74 06 61") + EMOJI.encode() + b"b\x00")
    for clock in (1, 2):
        assert answer(room.view.reply({1: clock})) == fields("01 01 01 01 84 01 00 05") + EMOJI.encode() + b"b\x00"
    assert answer(room.view.reply({1: 3})) == fields("01 01 01 03 84 01 02 01 62 00")


# Faults


@pytest.mark.parametrize("name", FAULTS)
def test_after_a_fault_the_document_is_a_new_one_and_equal(name: str) -> None:
    room = Room(HELLO, DELETE)
    before = answer(room.view.reply({}))
    with pytest.raises(EngineRefused):
        room.view.take(FAULTS[name])
    assert room.metrics.engine_faults == 1
    assert room.view.text("t") == "ho"
    assert answer(room.view.reply({})) == before
    assert parse(_payload(room.view.question())) == SyncStep1({1: 5})
    room.edit(LATER)
    assert room.view.text("t") == "ho!"
    assert Document(answer(room.view.reply({}))).text("t") == "ho!"
    assert Document(room.log.whole()).encode() == room.view.folded()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_loses_nothing_of_the_window(name: str) -> None:
    room = Room(HELLO)
    room.log.flush()
    room.edit(LATER)
    with pytest.raises(EngineRefused):
        room.view.take(FAULTS[name])
    assert room.view.text("t") == "hello!"
    assert room.log.flush() == LATER


def test_fault_after_fault_the_room_goes_on() -> None:
    room = Room(HELLO)
    for fault in FAULTS.values():
        with pytest.raises(EngineRefused):
            room.view.take(fault)
    assert room.metrics.engine_faults == len(FAULTS)
    assert room.view.text("t") == "hello"


def test_a_document_that_differs_from_the_bytes_is_rebuilt_before_it_answers() -> None:
    room = Room(HELLO)
    room.force(LATER)
    assert Document(answer(room.view.reply({}))).text("t") == "hello!"
    assert room.view.text("t") == "hello!"
    assert room.metrics.engine_faults == 1


def test_without_a_document_the_bytes_answer() -> None:
    """The merged bytes of a room that no engine loads are still what its members have."""
    child_of_a_character = fields("01 01 08 00 28 00 01 00 01 6b 01 78 00")
    log, document = open_log(HELLO, [LATER, child_of_a_character])
    assert document is None
    view = View(log, document, EngineMetrics())
    assert answer(view.reply({})) == view.folded() == log.whole()
    assert walk(answer(view.reply({1: 5}))).sections[-1].start == 5
    with pytest.raises(EngineRefused):
        view.take(DELETE)
    with pytest.raises(EngineRefused):
        view.text("t")


# Folding


def test_a_fold_is_the_documents_encoding_while_it_is_sound() -> None:
    room = Room(HELLO, LATER, DELETE)
    folded = room.view.folded()
    assert folded == Document(room.log.whole()).encode()
    room.log.flush()
    room.log.fold(folded)
    assert Document(room.log.whole()).text("t") == room.view.text("t") == "ho!"


def test_a_fold_keeps_the_bytes_when_the_document_has_deleted_more() -> None:
    """Two people set a key at the same time: each document drops one value, and no update says so."""
    updates = []
    for client in (3, 4):
        person = Doc[Any](client_id=client)
        person.get("m", type=Map)["k"] = client
        updates.append(person.get_update())
    room = Room(*updates)
    assert room.log.deleted == {}
    assert room.view.folded() == room.log.whole()
    loaded = Doc[Any]()
    loaded.apply_update(answer(room.view.reply({})))
    assert loaded.get("m", type=Map).to_py() == {"k": 4.0}


def test_a_view_reads_the_text_a_peer_typed() -> None:
    person = Doc[Any](client_id=3)
    body = person.get("t", type=Text)
    body += f"aé{EMOJI}"
    assert Room(person.get_update()).view.text("t") == f"aé{EMOJI}"


def test_an_empty_log_has_an_empty_answer() -> None:
    view = View(RoomLog(EMPTY_UPDATE, {}, {}, {}), Document(), EngineMetrics())
    assert answer(view.reply({})) == EMPTY_UPDATE
    assert view.folded() == EMPTY_UPDATE
