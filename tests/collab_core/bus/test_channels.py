"""Names of channels, and the address in front of a message to one node."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_core.bus import channels
from collab_core.bus.messages import BusError
from collab_core.identity import RoomKey

ACME = UUID("00000000-0000-0000-0000-00000000ac3e")
keys = st.builds(RoomKey, st.uuids(), st.text(st.characters(exclude_categories=["Cs"])))


def test_the_names() -> None:
    assert channels.of_room(RoomKey(ACME, "kata:1")) == b"dojo:room:00000000-0000-0000-0000-00000000ac3e:kata:1"
    assert channels.of_node(ACME) == b"dojo:node:00000000-0000-0000-0000-00000000ac3e"


@given(keys, keys)
def test_two_rooms_never_share_a_channel(one: RoomKey, other: RoomKey) -> None:
    assert (channels.of_room(one) == channels.of_room(other)) == (one == other)


@given(st.binary(), st.binary())
def test_an_address_is_read_as_it_was_written(channel: bytes, message: bytes) -> None:
    if channel:
        assert channels.read_address(channels.address(channel, message)) == (channel, message)


@pytest.mark.parametrize("data", [b"", b"\0\0\0", b"\0\0\0\0", b"\0\0\0\0message", b"\0\0\0\x05name", b"\xff" * 9])
def test_what_has_no_address_is_refused(data: bytes) -> None:
    with pytest.raises(BusError, match="does not say for which room"):
        channels.read_address(data)


@given(st.binary())
def test_anything_else_is_refused_or_read(data: bytes) -> None:
    try:
        channel, message = channels.read_address(data)
    except BusError:
        return
    assert channels.address(channel, message) == data
