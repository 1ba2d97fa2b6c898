"""Edits inside a surrogate pair: Yjs makes two broken halves of it, yrs cannot, so nobody may."""

from __future__ import annotations

import pytest

from collab_core.closes import CloseCode
from collab_core.wire.messages import sync_step2, update_frame
from tests.hostile import forge
from tests.hostile.scene import HONEST_TEXT, Scene

_AT = HONEST_TEXT.encode("utf-16-le").index("\U0001f600".encode("utf-16-le")) // 2
"""Where the pair begins, in UTF-16 code units; so it does in clocks, as the text was typed from the start."""


@pytest.mark.parametrize(("index", "length"), [(_AT, 1), (_AT + 1, 1), (_AT + 1, 4), (_AT - 3, 4)])
async def test_a_stock_client_that_deletes_half_a_character(scene: Scene, index: int, length: int) -> None:
    mallory = await scene.peers.open(scene.dojo.live, scene.room, await scene.dojo.token(user="mallory"))
    await mallory.delete(index, length)
    await mallory.wait_refused(CloseCode.SPLIT_CHARACTER)
    await scene.intact()


async def test_a_stock_client_that_types_into_a_character(scene: Scene) -> None:
    mallory = await scene.peers.open(scene.dojo.live, scene.room, await scene.dojo.token(user="mallory"))
    await mallory.insert(_AT + 1, "x")
    await mallory.wait_refused(CloseCode.SPLIT_CHARACTER)
    await scene.intact()


async def test_a_dojo_client_is_told_to_start_over(scene: Scene) -> None:
    mallory = await scene.peers.open(scene.dojo.live, scene.room, await scene.dojo.token(user="mallory"), dojo_v1=True)
    await mallory.delete(_AT, 1)
    await mallory.wait({"control": {"type": "reset", "reason": "split_character"}})
    # Until it has a new document, nothing it sends is taken.
    await mallory.insert(0, "from the diverged document")
    await scene.intact()


async def test_half_a_character_that_nobody_has_seen(scene: Scene) -> None:
    """Deleted before it was ever sent, it comes as what Yjs made of it: a whole replacement character."""
    mallory = await scene.peers.open(scene.dojo.live, scene.room, await scene.dojo.token(user="mallory"))
    await mallory.disconnect()
    await mallory.insert(0, "new \U0001f680 ")
    await mallory.delete(4, 1)
    await mallory.connect()
    await scene.ana.wait_text("new \ufffd " + HONEST_TEXT)
    await scene.intact("new \ufffd " + HONEST_TEXT)


async def test_forged_cuts(scene: Scene) -> None:
    ana = scene.ana.client_id
    emoji = forge.text("\U0001f680")
    attacks = [
        forge.update({77: (0, [forge.item(forge.text("x"), origin=(ana, _AT), right=(ana, _AT + 1))])}),
        forge.update({77: (0, [forge.item(forge.text("x"), right=(ana, _AT + 1))])}),
        forge.update({77: (0, [forge.item(forge.text("x"), origin=(ana, _AT))])}),
        forge.update({}, {ana: [(_AT, 1)]}),
        forge.update({}, {ana: [(_AT + 1, 1)]}),
        # A pair and its cut in one update.
        forge.update({77: (0, [forge.item(emoji), forge.item(forge.text("x"), origin=(77, 0), right=(77, 1))])}),
        forge.update({77: (0, [forge.item(emoji)])}, {77: [(1, 1)]}),
        # A section of a client that begins inside a pair of what is known.
        forge.update({ana: (_AT + 1, [forge.item(forge.text("x" * 99), origin=(ana, _AT))])}),
    ]
    for update in attacks:
        assert await scene.refused(update_frame(update)) == CloseCode.SPLIT_CHARACTER, update.hex()
        assert await scene.refused(sync_step2(update)) == CloseCode.SPLIT_CHARACTER, update.hex()
    await scene.intact()


async def test_a_state_vector_inside_a_character_gets_a_whole_one(scene: Scene) -> None:
    async with await scene.intruder() as mallory:
        await mallory.send(b"\x00\x00" + forge.string(b"\x01" + forge.uint(scene.ana.client_id) + forge.uint(_AT + 1)))
        await mallory.ping()
        answers = [frame for frame in mallory.received if isinstance(frame, bytes) and frame[:2] == b"\x00\x01"]
        assert len(answers) == 1
        assert "\U0001f600".encode() in answers[0]
    await scene.intact()
