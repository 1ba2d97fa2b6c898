"""Nobody can set, move or remove another person's presence."""

from __future__ import annotations

from typing import Any

import pytest

from collab_core.closes import CloseCode
from collab_core.wire.messages import awareness_frame
from tests.hostile import forge
from tests.hostile.scene import Scene

_ANA: dict[str, Any] = {"user": {"name": "Ana"}, "cursor": 4}


def _entries(*entries: tuple[int, int, str]) -> bytes:
    body = b"".join(forge.uint(client) + forge.uint(clock) + forge.string(state) for client, clock, state in entries)
    return awareness_frame(forge.uint(len(entries)) + body)


@pytest.mark.parametrize("clock", [0, 1, 2, 50, 2**31, 2**53 - 2])
@pytest.mark.parametrize("state", ["null", '{"user":{"name":"Forged"}}'], ids=["remove", "set"])
async def test_somebody_elses_presence(scene: Scene, state: str, clock: int) -> None:
    ben = await scene.peers.open(scene.dojo.live, scene.room, await scene.dojo.token(user="ben"))
    await scene.ana.set_presence(_ANA)
    await ben.wait_presence(scene.ana.client_id, _ANA)
    ana = scene.ana.client_id
    for frame in (
        _entries((ana, clock, state)),
        _entries((ana, clock, state), (77, 1, '{"mine":true}')),
        _entries((77, 1, '{"mine":true}'), (ana, clock, state)),
    ):
        async with await scene.intruder() as mallory:
            await mallory.send(frame)
            # Stock clients echo what they receive: it is ignored, and closes nobody.
            assert await mallory.outcome() is None
    await _all_see_ana(scene)
    # She can still move, at once.
    moved = {**_ANA, "cursor": 5}
    await scene.ana.set_presence(moved)
    await ben.wait_presence(ana, moved)
    await scene.intact()


async def _all_see_ana(scene: Scene) -> None:
    """A newcomer's presence comes after whatever was forged: who has seen it has seen all that was before."""
    cleo = await scene.peers.open(
        scene.dojo.live, scene.room, await scene.dojo.token(user="cleo"), presence={"user": {"name": "Cleo"}}
    )
    await scene.ana.wait_presence(cleo.client_id, {"user": {"name": "Cleo"}})
    for peer in (scene.ana, cleo):
        await peer.wait_presence(scene.ana.client_id, _ANA)
    await cleo.close()


async def test_the_client_id_of_somebody_who_is_here(scene: Scene) -> None:
    """A stock client that takes over another person's client id shows nothing under it, and removes nothing."""
    state = {"user": {"name": "Ben"}}
    token = await scene.dojo.token(user="ben")
    ben = await scene.peers.open(scene.dojo.live, scene.room, token, presence=state)
    await scene.ana.wait_presence(ben.client_id, state)
    mallory = await scene.peers.open(
        scene.dojo.live,
        scene.room,
        await scene.dojo.token(user="mallory"),
        client_id=ben.client_id,
        presence={"user": {"name": "Mallory as Ben"}},
    )
    await mallory.set_presence({"user": {"name": "still Mallory"}})
    await scene.ana.set_presence(_ANA)
    await _all_see_ana(scene)
    await scene.ana.wait_presence(ben.client_id, state)
    await mallory.close()  # a stock client removes its state as it goes
    await _all_see_ana(scene)
    await scene.ana.wait_presence(ben.client_id, state)
    await ben.close()
    await scene.intact()


async def test_presence_goes_with_its_owner_and_not_before(scene: Scene) -> None:
    ben = await scene.peers.open(
        scene.dojo.live, scene.room, await scene.dojo.token(user="ben"), presence={"user": {"name": "Ben"}}
    )
    await scene.ana.wait_presence(ben.client_id, {"user": {"name": "Ben"}})
    async with await scene.intruder() as mallory:
        await ben.close()
        await scene.ana.wait_presence(ben.client_id, None)
        # Nor can he be brought back, by an echo or as oneself.
        await mallory.send(_entries((ben.client_id, 99, '{"user":{"name":"Ben"}}')))
        assert await mallory.outcome() is None
    await scene.ana.set_presence(_ANA)
    await _all_see_ana(scene)
    await scene.ana.wait_presence(ben.client_id, None)
    await scene.intact()


async def test_more_ids_and_larger_states_than_a_member_may_have(scene: Scene) -> None:
    async with await scene.intruder() as mallory:
        for client in range(1000, 1100):
            await mallory.send(_entries((client, 1, "{}")))
        await mallory.send(_entries((1001, 2, '"' + "x" * 20_000 + '"')))
        assert await mallory.outcome() is None
        await scene.ana.set_presence(_ANA)
        await _all_see_ana(scene)
        seen = {presence.client: presence.state for presence in await scene.ana.presence()}
        assert len([client for client in seen if 1000 <= client < 1100]) == 8
        assert seen[1001] == {}
    await scene.ana.wait({"presenceCount": 1})
    await scene.intact()


@pytest.mark.parametrize(
    "frame",
    [
        _entries((77, 1, "{nonsense")),
        _entries((77, 1, "")),
        _entries((77, 2**53 - 1, "{}")),
        awareness_frame(b"\x01" + forge.uint(77) + b"\x01" + forge.string(b"\xff\xff")),
        awareness_frame(b"\x01" + forge.uint(77) + b"\x01" + forge.string("{}") + b"\x00"),
        awareness_frame(b""),
    ],
    ids=["not-json", "empty", "last-clock", "not-utf8", "trailing", "nothing"],
)
async def test_presence_that_clients_could_not_read(scene: Scene, frame: bytes) -> None:
    assert await scene.refused(frame) == CloseCode.MALFORMED
    await scene.intact()
