"""Counts and lengths that no frame could hold: nothing may be allocated for them, nor panic over them."""

from __future__ import annotations

import pytest

from collab_core.closes import CloseCode
from collab_core.wire.messages import awareness_frame, sync_step2, update_frame
from tests.hostile import forge
from tests.hostile.intruder import memory_of
from tests.hostile.scene import Scene

_HUGE = [2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**53 - 1, 2**53]
_MEMORY_BYTES = 8 * 1024 * 1024
"""What the live node may grow by meanwhile: its own noise."""


def _messages(count: int) -> list[bytes]:
    huge = forge.uint(count)
    client = forge.uint(77)
    one_item = forge.item(forge.text("x"))
    return [
        bytes.fromhex("000005ffffffff07"),
        b"\x00\x00" + forge.string(huge),  # a state vector of so many clients
        b"\x00\x00" + huge,  # a message of so many bytes
        b"\x00\x02" + huge,
        update_frame(huge),  # so many clients
        update_frame(b"\x01" + huge + client + b"\x00" + one_item + b"\x00"),  # so many structs
        update_frame(b"\x00" + huge),  # so many clients in the delete set
        update_frame(b"\x00\x01" + client + huge),  # so many ranges
        update_frame(b"\x01\x01" + client + b"\x00" + b"\x04\x01" + huge),  # a root's name of so many bytes
        update_frame(b"\x01\x01" + client + b"\x00" + b"\x04\x01\x01t" + huge),  # so much text
        update_frame(b"\x01\x01" + client + b"\x00" + b"\x08\x01\x01t" + huge),  # so many values
        update_frame(b"\x01\x01" + client + b"\x00" + b"\x08\x01\x01t\x01\x75" + huge),  # an array of so many
        update_frame(b"\x01\x01" + client + b"\x00" + b"\x08\x01\x01t\x01\x76" + huge),  # an object of so many
        update_frame(b"\x01\x01" + client + b"\x00" + b"\x08\x01\x01t\x01\x74" + huge),  # so many bytes
        update_frame(b"\x01\x01" + client + b"\x00" + b"\x02\x01\x01t" + huge),  # so many JSON values
        sync_step2(huge),
        awareness_frame(b"\x01" + client + b"\x01" + huge),  # a state of so many bytes
        b"\x01" + huge,
    ]


@pytest.mark.parametrize("count", _HUGE)
async def test_counts_that_no_frame_can_hold(scene: Scene, count: int) -> None:
    before = memory_of(scene.dojo.live_node_pid)
    for message in _messages(count):
        assert await scene.refused(message) == CloseCode.MALFORMED, message.hex()
    assert memory_of(scene.dojo.live_node_pid) - before < _MEMORY_BYTES
    await scene.intact()


@pytest.mark.parametrize("count", _HUGE)
async def test_a_presence_frame_with_a_huge_count(scene: Scene, count: int) -> None:
    """Echoes of several entries are turned away unread, so only a count that cannot be is told from them."""
    assert await scene.refused(awareness_frame(forge.uint(count) + bytes(12))) == CloseCode.MALFORMED
    await scene.intact()


@pytest.mark.parametrize("length", [2**31 - 1, 2**31, 2**32 + 5, 2**53 - 1])
@pytest.mark.parametrize("kind", [forge.GC, forge.SKIP, forge.DELETED], ids=["gc", "skip", "deleted"])
async def test_structs_of_impossible_length(scene: Scene, kind: int, length: int) -> None:
    struct = forge.item((kind, forge.uint(length))) if kind == forge.DELETED else forge.run(kind, length)
    code = await scene.refused(update_frame(forge.update({77: (5, [struct])})))
    assert code == CloseCode.MALFORMED
    await scene.intact()


@pytest.mark.parametrize(
    "update",
    [
        forge.update({77: (0, [forge.run(forge.GC, 0)])}),
        forge.update({77: (0, [forge.item((forge.DELETED, forge.uint(0)))])}),
        forge.update({77: (0, [forge.item(forge.text(""))])}),
        forge.update({77: (0, [forge.item((forge.ANY, forge.uint(0)))])}),
        forge.update({77: (0, [])}),
        forge.update({}, {77: [(0, 0)]}),
        forge.update({}, {77: []}),
        forge.update({}, {77: [(2**31 - 1, 5)]}),
        # One client in two sections, and in two delete sets.
        b"\x02" + 2 * (b"\x01" + forge.uint(77) + b"\x00" + forge.item(forge.text("x"))) + b"\x00",
        b"\x00\x02" + 2 * (forge.uint(77) + b"\x01\x00\x01"),
        # A struct that depends on itself, and on a later one of its own client.
        forge.update({77: (0, [forge.item(forge.text("x"), origin=(77, 0))])}),
        forge.update({77: (0, [forge.item(forge.text("x"), right=(77, 9))])}),
        # Content, type and parent kinds that do not exist.
        forge.update({77: (0, [forge.item((11, b"\x01"))])}),
        forge.update({77: (0, [forge.item((31, b"\x01"))])}),
        forge.update({77: (0, [forge.item((forge.TYPE, forge.uint(7)))])}),
        forge.update({77: (0, [b"\x04\x02" + forge.string("x")])}),
        # Invalid UTF-8 and half a surrogate pair in CESU-8; clients decode fatally.
        forge.update({77: (0, [forge.item(forge.text(b"\xff\xfe"))])}),
        forge.update({77: (0, [forge.item(forge.text(b"\xed\xa0\xbd"))])}),
        forge.update({77: (0, [forge.item((forge.EMBED, forge.string("{nonsense")))])}),
        forge.update({77: (0, [forge.item((forge.FORMAT, forge.string("bold") + forge.string("[1,")))])}),
    ],
    ids=bytes.hex,
)
async def test_structs_that_cannot_be(scene: Scene, update: bytes) -> None:
    assert await scene.refused(update_frame(update)) == CloseCode.MALFORMED
    await scene.intact()
