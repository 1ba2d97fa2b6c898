"""The codec against what real Yjs writes, and against what real Yjs reads in it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc

from collab_core.wire import awareness, messages
from collab_core.wire.lib0 import Reader, WireError, write_var_bytes, write_var_uint
from collab_core.wire.update import Slice, compose, walk
from tests.node import PEERS_FOLDER, node_executable
from tests.vectors import (
    FOLDER,
    FrameVector,
    Id,
    PrimitiveVector,
    UpdateVector,
    YjsStruct,
    frame_vectors,
    primitive_vectors,
    update_vectors,
)

REFUSED = {"embed with half a surrogate pair", "json legacy", "type xml hook"}
"""Well-formed to Yjs, but yrs reads each of them otherwise: the document's view could not follow."""

UPDATES = [vector for vector in update_vectors() if vector.name not in REFUSED]
FRAMES = frame_vectors()
PRIMITIVES = primitive_vectors()
CONTENT_KINDS = {
    "gc", "skip", "deleted", "json", "binary", "string", "embed", "format", "type", "any", "doc",
}  # fmt: skip
GENERATE_SECONDS = 60

every_update = pytest.mark.parametrize("vector", UPDATES, ids=lambda vector: vector.name)
every_frame = pytest.mark.parametrize("vector", FRAMES, ids=lambda vector: vector.name)
every_primitive = pytest.mark.parametrize("vector", PRIMITIVES, ids=lambda vector: f"{vector.kind}-{vector.value}"[:40])


def test_vectors_are_what_this_yjs_makes(tmp_path: Path) -> None:
    subprocess.run(
        [node_executable(), str(PEERS_FOLDER / "vectors.mjs"), str(tmp_path)], check=True, timeout=GENERATE_SECONDS
    )
    for name in ("updates.json", "frames.json", "primitives.json"):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), name


def test_vectors_have_every_content_type() -> None:
    assert {struct.kind for vector in update_vectors() for struct in vector.structs} == CONTENT_KINDS


def _ids(struct: YjsStruct) -> list[Id]:
    """What the struct depends on."""
    return [at for at in (struct.origin, struct.right_origin, struct.parent) if isinstance(at, Id)]


def _halves(struct: YjsStruct) -> list[tuple[int, int]]:
    """(client, clock) of each second half of a surrogate pair."""
    units = (struct.text or "").encode("utf-16-le")
    at = [
        index // 2
        for index in range(0, len(units), 2)
        if 0xDC00 <= int.from_bytes(units[index : index + 2], "little") < 0xE000
    ]
    return [(struct.client, struct.clock + offset) for offset in at]


@every_update
def test_walk_reads_the_structs_yjs_reads(vector: UpdateVector) -> None:
    read = walk(vector.update)
    clients = list(dict.fromkeys(struct.client for struct in vector.structs))
    assert [section.client for section in read.sections] == clients
    for section in read.sections:
        structs = [struct for struct in vector.structs if struct.client == section.client]
        assert [clock for clock, _ in section.marks] == [struct.clock for struct in structs]
        assert section.start == structs[0].clock
        assert section.end == structs[-1].clock + structs[-1].length
        assert section.skips == [(s.clock, s.clock + s.length) for s in structs if s.kind == "skip"]


@every_update
def test_walk_reads_what_yjs_depends_on(vector: UpdateVector) -> None:
    needs = {(need.at, need.client, need.clock) for section in walk(vector.update).sections for need in section.needs}
    assert needs == {
        (struct.clock, at.client, at.clock)
        for struct in vector.structs
        for at in _ids(struct)
        if at.client != struct.client
    }


@every_update
def test_walk_reads_where_text_is_cut(vector: UpdateVector) -> None:
    read = walk(vector.update)
    left = {(struct.origin.client, struct.origin.clock + 1) for struct in vector.structs if struct.origin}
    right = {
        (struct.right_origin.client, struct.right_origin.clock) for struct in vector.structs if struct.right_origin
    }
    assert set(read.cuts) == left | right
    assert sorted(read.halves) == sorted(half for struct in vector.structs for half in _halves(struct))


@every_update
def test_walk_reads_the_deletions_yjs_reads(vector: UpdateVector) -> None:
    assert walk(vector.update).deletes == {
        deleted.client: [(span.clock, span.clock + span.length) for span in deleted.ranges]
        for deleted in vector.deletes
    }


@every_update
def test_all_slices_composed_are_the_update_again(vector: UpdateVector) -> None:
    read = walk(vector.update)
    slices = [Slice(section, 0, len(section.marks)) for section in read.sections]
    assert compose(vector.update, slices, read.deletes) == vector.update


@every_update
def test_one_struct_composed_alone_is_that_struct(vector: UpdateVector) -> None:
    for section in walk(vector.update).sections:
        ends = [clock for clock, _ in section.marks[1:]] + [section.end]
        for index, (clock, _) in enumerate(section.marks):
            alone = walk(compose(vector.update, [Slice(section, index, index + 1)], {})).sections[0]
            assert (alone.client, alone.start, alone.end) == (section.client, clock, ends[index])


@every_update
def test_no_proper_beginning_of_an_update_is_one(vector: UpdateVector) -> None:
    for length in range(len(vector.update)):
        with pytest.raises(WireError):
            walk(vector.update[:length])


@every_update
def test_nothing_may_follow_an_update(vector: UpdateVector) -> None:
    with pytest.raises(WireError, match="trailing"):
        walk(vector.update + b"\x00")


def test_what_the_engine_cannot_read_is_refused() -> None:
    refused = [vector for vector in update_vectors() if vector.name in REFUSED]
    assert len(refused) == len(REFUSED)
    for vector in refused:
        with pytest.raises(WireError):
            walk(vector.update)
        with pytest.raises(ValueError, match="Cannot decode update"):
            Doc[Any]().apply_update(vector.update)


@every_frame
def test_frames_are_read_and_written_as_y_protocols_does(vector: FrameVector) -> None:
    if vector.kind == "auth":  # the server's to send, never a client's
        with pytest.raises(WireError):
            messages.parse(vector.frame)
        return
    message = messages.parse(vector.frame)
    match message:
        case messages.SyncStep1(state):
            assert vector.kind == "step1"
            assert state == {at.client: at.clock for at in vector.state_vector or []}
            assert messages.sync_step1(state) == vector.frame
        case messages.SyncStep2(update):
            assert (vector.kind, update) == ("step2", vector.update)
            assert messages.sync_step2(update) == vector.frame
        case messages.Update(update):
            assert (vector.kind, update) == ("update", vector.update)
            assert messages.update_frame(update) == vector.frame
        case messages.Awareness(payload):
            assert vector.kind == "awareness"
            entries = awareness.decode(payload)
            read = [{"client": e.client, "clock": e.clock, "state": json.loads(e.state)} for e in entries]
            assert read == vector.entries
            assert awareness.count_of(payload) == len(entries)
            assert messages.awareness_frame(awareness.encode(entries)) == vector.frame
        case messages.QueryAwareness():
            assert vector.kind == "queryAwareness"


@every_frame
def test_no_proper_beginning_of_a_frame_is_one(vector: FrameVector) -> None:
    for length in range(len(vector.frame)):
        with pytest.raises(WireError):
            messages.parse(vector.frame[:length])


@every_primitive
def test_primitives_are_read_to_their_last_byte(vector: PrimitiveVector) -> None:
    reader = Reader(vector.raw)
    match vector.kind:
        case "varUint":
            assert reader.var_uint() == vector.value
        case "varInt":
            reader.skip_var_int()
        case "varString":
            assert reader.var_string() == vector.value
        case "varUint8Array":
            reader.var_bytes()
        case "any":
            assert reader.skip_any() == vector.raw[0]
    reader.finish()


@every_primitive
def test_primitives_are_written_as_lib0_does(vector: PrimitiveVector) -> None:
    out = bytearray()
    match vector.kind:
        case "varUint":
            write_var_uint(out, vector.value)
        case "varString":
            write_var_bytes(out, vector.value.encode())
        case _:
            write_var_bytes(out, vector.raw)
            assert Reader(bytes(out)).var_bytes() == vector.raw
            return
    assert bytes(out) == vector.raw


@pytest.mark.parametrize(
    "raw",
    [b"\x80\x00", b"\xff\x00", b"\x80\x80\x00", b"\xff" * 8 + b"\x01", b"\xff" * 7 + b"\x10", b"\x80", b""],
    ids=["zero in two", "127 in two", "zero in three", "nine bytes", "over 53 bits", "truncated", "empty"],
)
def test_varints_lib0_never_writes_are_refused(raw: bytes) -> None:
    with pytest.raises(WireError):
        Reader(raw).var_uint()


@pytest.mark.parametrize(
    ("update", "why"),
    [
        ("000005ffffffff07", "trailing"),
        ("ffffffff07", "more than the frame"),
        ("01ffffffff07010000", "more than the frame"),
        ("0101010004010474657874ffffffff0f", "more than the frame"),
        ("00ffffffff07", "more than the frame"),
        ("000101ffffffff07", "more than the frame"),
        ("0001010100ffffffff0f", "impossible"),
        ("01010100000000", "impossible length"),
        ("0101010004010474657874000000", "impossible length"),
        ("010101000b010474657874017800", "unknown content"),
        ("0101010007010474657874077800", "unknown type"),
        ("010101000401047465787402fffe00", "UTF-8"),
        ("0101010005010474657874017b00", "JSON"),
        ("0201010004010474657874017801010104010474657874017800", "twice"),
        ("010101008401000178", "itself"),
        ("010101004001000178", "."),
    ],
)
def test_forged_updates_are_refused(update: str, why: str) -> None:
    with pytest.raises(WireError, match=why):
        walk(bytes.fromhex(update))
