"""Nobody writes under another person's client id, through the real server: here, away, and after a restart."""

from __future__ import annotations

import pytest

from collab_core.closes import CloseCode
from collab_core.wire.messages import sync_step2
from tests.hostile import forge
from tests.hostile.scene import HONEST_TEXT, Scene

TYPED = len(HONEST_TEXT.encode("utf-16-le")) // 2


def more_of(client: int) -> bytes:
    """What that client would type next: a character at the end."""
    return forge.update({client: (TYPED, [forge.item(forge.text("!"), origin=(client, TYPED - 1))])})


async def test_the_id_of_somebody_who_is_here(scene: Scene) -> None:
    async with await scene.intruder() as mallory:
        await mallory.update(more_of(scene.ana.client_id))
        assert await mallory.closed() == CloseCode.FORBIDDEN
    assert await scene.refused(sync_step2(more_of(scene.ana.client_id))) == CloseCode.GAP
    await scene.intact()


async def test_a_dojo_member_is_told(scene: Scene) -> None:
    async with await scene.intruder(dojo_v1=True) as mallory:
        await mallory.update(more_of(scene.ana.client_id))
        assert (await mallory.control("reset"))["reason"] == "not_yours"
    await scene.intact()


@pytest.mark.parametrize("others", [0, 1])
async def test_the_id_of_somebody_who_is_away(scene: Scene, others: int) -> None:
    client = scene.ana.client_id
    witness = await scene.peers.open(scene.dojo.live, scene.room, await scene.dojo.token(user="witness"))
    await scene.ana.close()
    structs = {client: (TYPED, [forge.item(forge.text("!"), origin=(client, TYPED - 1))])}
    if others:
        structs[77] = (0, [forge.item(forge.text("mine"), origin=(client, TYPED - 1))])
    async with await scene.intruder() as mallory:
        await mallory.update(forge.update(structs))
        assert await mallory.closed() == CloseCode.FORBIDDEN
    assert await scene.refused(sync_step2(more_of(client))) == CloseCode.GAP
    assert await witness.text() == HONEST_TEXT
    await witness.close()
