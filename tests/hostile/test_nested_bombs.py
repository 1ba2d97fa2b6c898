"""Values nested so deep that a recursive decoder would end the process: the engine's, the server's or a client's."""

from __future__ import annotations

import pytest

from collab_core.closes import CloseCode
from collab_core.wire.messages import awareness_frame, update_frame
from tests.hostile import forge
from tests.hostile.scene import Scene

_DEPTH = 300_000
_ARRAYS = b"\x75\x01" * _DEPTH + b"\x7e"
_OBJECTS = (b"\x76\x01" + forge.string("k")) * _DEPTH + b"\x7e"
_JSON = "[" * _DEPTH + "]" * _DEPTH
_JSON_OBJECTS = '{"a":' * (_DEPTH // 3) + "1" + "}" * (_DEPTH // 3)


@pytest.mark.parametrize(
    "content",
    [
        (forge.ANY, forge.uint(1) + _ARRAYS),
        (forge.ANY, forge.uint(1) + _OBJECTS),
        (forge.DOC, forge.string("guid") + _OBJECTS),
        (forge.EMBED, forge.string(_JSON)),
        (forge.EMBED, forge.string(_JSON_OBJECTS)),
        (forge.FORMAT, forge.string("bold") + forge.string(_JSON)),
        (forge.JSON, forge.uint(1) + forge.string(_JSON)),
    ],
    ids=["any-arrays", "any-objects", "doc", "embed", "embed-objects", "format", "json"],
)
async def test_a_bomb_in_an_update(scene: Scene, content: tuple[int, bytes]) -> None:
    update = forge.update({77: (0, [forge.item(content)])})
    assert await scene.refused(update_frame(update)) == CloseCode.MALFORMED
    await scene.intact()


@pytest.mark.parametrize("depth", [90, 101, 127, 129, 500, 1000, 5000])
async def test_values_nested_about_as_deep_as_decoders_go(scene: Scene, depth: int) -> None:
    """Whatever the server takes, real Yjs takes as well: `intact` would find a member that threw or lags."""
    for content in (
        (forge.ANY, forge.uint(1) + b"\x75\x01" * depth + b"\x7e"),
        (forge.EMBED, forge.string("[" * depth + "]" * depth)),
    ):
        async with await scene.intruder() as mallory:
            await mallory.update(forge.update({77: (0, [forge.item(content, parent="other")])}))
            assert await mallory.outcome() in {None, CloseCode.MALFORMED}
    await scene.intact()


async def test_a_bomb_in_a_presence_state(scene: Scene) -> None:
    for state in (_JSON, _JSON_OBJECTS):
        payload = b"\x01" + forge.uint(77) + b"\x01" + forge.string(state)
        assert await scene.refused(awareness_frame(payload)) == CloseCode.MALFORMED
    await scene.intact()


async def test_a_long_chain_of_nested_types(scene: Scene) -> None:
    """Types within types: what walks up to the root must not recurse."""
    depth = 20_000
    structs = [forge.item((forge.TYPE, forge.uint(0)), parent="other")]
    structs += [forge.item((forge.TYPE, forge.uint(0)), parent=(77, clock)) for clock in range(depth)]
    async with await scene.intruder() as mallory:
        await mallory.update(forge.update({77: (0, structs)}))
        assert await mallory.outcome() in {None, CloseCode.MALFORMED}
    await scene.intact()
