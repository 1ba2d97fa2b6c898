"""Mutated real updates and frames: the codec refuses them or reads them, and nothing else happens."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab_core.wire import awareness, messages
from collab_core.wire.lib0 import WireError
from collab_core.wire.update import Slice, Walk, compose, walk
from tests.vectors import frame_vectors, update_vectors

UPDATES = [vector.update for vector in update_vectors()]
FRAMES = [vector.frame for vector in frame_vectors()]

EXAMPLES = 1_000
ALLOCATED_PER_BYTE = 128
"""A struct of two bytes becomes one entry of a list; nothing may cost more than that per byte of input."""
ALLOCATED_FLAT = 64 * 1024
"""Of any input, however small: an exception with its traceback, a few lists."""
SECONDS_PER_MEBIBYTE = 10.0
"""Linear, whatever the input: a quadratic reader takes minutes for one mebibyte. Wide, for a busy machine."""
MEBIBYTE = 1024 * 1024
PACKED = MEBIBYTE // 4
"""Size of the tightly packed updates: enough that a quadratic reader shows."""

BOMBS = [
    bytes.fromhex(bomb) for bomb in ("ffffffff07", "ffffffffffffff0f", "ffffffffffffffffff01", "80", "8000", "00", "ff")
]

Mutation = Callable[[bytes], bytes]


@st.composite
def mutations(draw: st.DrawFn) -> Mutation:
    """One change: a byte set, bytes removed, inserted or doubled, a piece of another update, a varint bomb."""
    kind = draw(st.sampled_from(["set", "flip", "remove", "insert", "double", "bomb", "splice", "cut"]))
    where = draw(st.floats(0, 1, exclude_max=True))
    length = draw(st.integers(1, 8))
    byte = draw(st.integers(0, 255))
    bomb = draw(st.sampled_from(BOMBS))
    other = draw(st.sampled_from(UPDATES))

    def change(data: bytes) -> bytes:
        at = int(where * len(data))
        end = min(len(data), at + length)
        match kind:
            case "set":
                return data[:at] + bytes([byte]) + data[at + 1 :]
            case "flip":
                return data[:at] + bytes([value ^ (1 << byte % 8) for value in data[at : at + 1]]) + data[at + 1 :]
            case "remove":
                return data[:at] + data[end:]
            case "insert":
                return data[:at] + bytes([byte]) * length + data[at:]
            case "double":
                return data[:end] + data[at:]
            case "bomb":
                return data[:at] + bomb + data[at + byte % 2 :]
            case "splice":
                cut = int(where * len(other))
                return data[:at] + other[cut:]
            case _:
                return data[:at]

    return change


def mutated(originals: list[bytes]) -> st.SearchStrategy[bytes]:
    """A real one with one to four changes."""

    def apply(original: bytes, changes: list[Mutation]) -> bytes:
        for change in changes:
            original = change(original)
        return original

    return st.builds(apply, st.sampled_from(originals), st.lists(mutations(), min_size=1, max_size=4))


def _walked(update: bytes) -> Walk | None:
    try:
        return walk(update)
    except WireError:
        return None


def _facts(read: Walk) -> object:
    sections = [(s.client, s.start, s.end, [clock for clock, _ in s.marks], s.needs, s.skips) for s in read.sections]
    return sections, read.deletes, read.cuts, read.halves


@settings(max_examples=EXAMPLES, deadline=None)
@given(mutated(UPDATES))
def test_what_is_accepted_is_read_the_same_again(update: bytes) -> None:
    read = _walked(update)
    if read is None:
        return
    whole = compose(update, [Slice(section, 0, len(section.marks)) for section in read.sections], read.deletes)
    assert whole == update
    assert _facts(walk(whole)) == _facts(read)


@settings(max_examples=EXAMPLES, deadline=None)
@given(mutated(UPDATES))
def test_parts_of_what_is_accepted_are_well_formed(update: bytes) -> None:
    read = _walked(update)
    if read is None:
        return
    for section in read.sections:
        middle = len(section.marks) // 2
        for part in (Slice(section, 0, middle), Slice(section, middle, len(section.marks))):
            if part.first < part.last:
                again = walk(compose(update, [part], {})).sections[0]
                assert again.client == section.client
                assert again.start == section.marks[part.first][0]


@settings(max_examples=EXAMPLES, deadline=None)
@given(mutated(FRAMES) | st.binary(max_size=64))
def test_frames_are_read_or_refused(frame: bytes) -> None:
    try:
        message = messages.parse(frame)
    except WireError:
        return
    match message:
        case messages.SyncStep1(state):
            assert messages.sync_step1(state) == frame
        case messages.SyncStep2(update):
            assert messages.sync_step2(update) == frame
        case messages.Update(update):
            assert messages.update_frame(update) == frame
        case messages.Awareness(payload):
            assert messages.awareness_frame(payload) == frame
            try:
                entries = awareness.decode(payload)
            except WireError:
                return
            assert awareness.encode(entries) == payload
        case messages.QueryAwareness():
            assert frame == b"\x03"


@settings(max_examples=400, deadline=None)
@given(mutated(UPDATES) | st.binary(max_size=200))
def test_memory_stays_within_a_multiple_of_the_input(update: bytes) -> None:
    assert _peak(lambda: _walked(update)) <= ALLOCATED_FLAT + ALLOCATED_PER_BYTE * len(update)


def _peak(work: Callable[[], object]) -> int:
    """Bytes allocated at most while `work` runs."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _var_uint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    out.append(value)
    return bytes(out)


def _structs(struct: bytes) -> bytes:
    """An update of one client's structs, all alike."""
    count = PACKED // len(struct)
    return b"\x01" + _var_uint(count) + b"\x01\x00" + struct * count + b"\x00"


def _content(info: int, content: bytes) -> bytes:
    """One struct under the root "r"."""
    return b"\x01\x01\x01\x00" + bytes([info]) + b"\x01\x01r" + content + b"\x00"


DENSE = {
    "collected structs": _structs(b"\x00\x01"),
    "skips": _structs(b"\x0a\x01"),
    "deleted with an origin elsewhere": _structs(b"\x81\x02\x00\x01"),
    "strings of a letter": _structs(b"\x84\x02\x00\x01x"),
    "many clients": _var_uint(40_000)
    + b"".join(b"\x01" + _var_uint(client) + b"\x00\x00\x01" for client in range(40_000))
    + b"\x00",
    "a delete set of single clocks": b"\x00\x01\x01"
    + _var_uint(50_000)
    + b"".join(_var_uint(clock * 2) + b"\x01" for clock in range(50_000)),
    "a delete set of many clients": b"\x00"
    + _var_uint(40_000)
    + b"".join(_var_uint(client) + b"\x01\x00\x01" for client in range(40_000)),
    "a string of astral characters": _content(4, _var_uint(PACKED) + "\U0001f600".encode() * (PACKED // 4)),
    "an array of undefined": _content(8, _var_uint(PACKED) + b"\x7f" * PACKED),
    "arrays in an array": _content(8, b"\x01u" + _var_uint(PACKED // 2) + b"u\x00" * (PACKED // 2)),
    "nesting": _content(8, b"\x01" + b"u\x01" * (PACKED // 2) + b"\x7f"),
    "JSON nesting": _content(5, _var_uint(PACKED) + b"[" * (PACKED // 2) + b"]" * (PACKED // 2)),
    "JSON numbers": _content(5, _var_uint(PACKED + 1) + b"[" + b"1," * (PACKED // 2 - 1) + b"1]"),
    "a number of many digits in JSON": _content(5, _var_uint(PACKED) + b"9" * PACKED),
    "varint without an end": b"\x01" + b"\xff" * PACKED,
}


@pytest.mark.parametrize("name", DENSE)
def test_an_update_packed_tight_costs_little(name: str) -> None:
    update = DENSE[name]
    started = time.process_time()
    _walked(update)
    assert time.process_time() - started <= SECONDS_PER_MEBIBYTE * len(update) / MEBIBYTE
    assert _peak(lambda: _walked(update)) <= ALLOCATED_FLAT + ALLOCATED_PER_BYTE * len(update)
