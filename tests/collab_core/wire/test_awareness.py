"""Awareness payloads byte by byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab_core.wire.awareness import EMPTY, REMOVED, PresenceEntry, count_of, decode, encode, encode_client
from collab_core.wire.lib0 import MAX_SAFE_INTEGER, WireError

laws = settings(derandomize=True, deadline=None, max_examples=200)

states = st.one_of(
    st.just(REMOVED),
    st.dictionaries(st.text(max_size=4), st.none() | st.integers() | st.text(max_size=4), max_size=3).map(
        lambda value: json.dumps(value).encode()
    ),
)
entries = st.lists(
    st.builds(PresenceEntry, st.integers(0, MAX_SAFE_INTEGER), st.integers(0, MAX_SAFE_INTEGER - 1), states),
    max_size=6,
    unique_by=lambda entry: entry.client,
)


@laws
@given(entries)
def test_entries_are_read_back(sent: list[PresenceEntry]) -> None:
    payload = encode(sent)
    assert count_of(payload) == len(sent)
    assert decode(payload) == sent
    for length in range(len(payload)):
        with pytest.raises(WireError):
            decode(payload[:length])


def test_one_entry_as_y_protocols_writes_it() -> None:
    raw = bytes.fromhex("01ac02050a7b226e223a22c3a9227d")
    assert decode(raw) == [PresenceEntry(300, 5, '{"n":"é"}'.encode())]
    assert encode([PresenceEntry(300, 5, '{"n":"é"}'.encode())]) == raw


def test_nobody_is_one_byte() -> None:
    assert encode([]) == EMPTY
    assert decode(EMPTY) == []


def test_a_client_id_as_it_stands_in_a_payload() -> None:
    assert encode_client(300) == b"\xac\x02"
    assert encode_client(300) in encode([PresenceEntry(300, 0, REMOVED)])


def test_a_removal_with_white_space_is_a_removal() -> None:
    assert decode(bytes.fromhex("010102") + b"\x06 null\n") == [PresenceEntry(1, 2, REMOVED)]


def test_half_of_an_emoji_escaped_as_browsers_do_is_a_state() -> None:
    state = b'{"typed":"\\ud83d"}'
    assert decode(encode([PresenceEntry(1, 2, state)]))[0].state == state


@pytest.mark.parametrize(
    "state",
    [b"", b"{", b"undefined", b"NaN", b"[Infinity]", b"-Infinity", b"1 1", b'"\xff"', b'"\x01"', b"[" * 5_000],
    ids=["nothing", "open", "undefined", "NaN", "Infinity", "-Infinity", "two", "UTF-8", "control", "deep"],
)
def test_a_state_that_is_no_json_is_refused(state: bytes) -> None:
    with pytest.raises(WireError, match="invalid JSON"):
        decode(encode([PresenceEntry(1, 2, state)]))


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ("", "truncated"),
        ("02010031", "more than the frame"),
        ("ffffffff07", "more than the frame"),
        ("01010104", "more than the frame"),
        ("010101013100", "trailing"),
        ("020100013101010131", "twice"),
        ("0101ffffffffffffff0f0131", "clock at its end"),
        ("0101ffffffffffffff1f0131", "over 53 bits"),
    ],
)
def test_payloads_are_refused(payload: str, why: str) -> None:
    with pytest.raises(WireError, match=why):
        decode(bytes.fromhex(payload))
