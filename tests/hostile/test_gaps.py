"""Edits that depend on what nobody has: held apart, asked for twice, and then their sender has to come back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from collab_core.closes import CloseCode
from collab_core.wire.messages import sync_step2, update_frame
from tests.convergence.judge import YjsJudge
from tests.hostile import forge
from tests.hostile.scene import HONEST_TEXT, Scene
from tests.peers import NodePeers
from tests.running import RunningDojo

_X = forge.text("never seen")
GAPS = {
    "clock": forge.update({77: (5, [forge.item(_X)])}),
    "origin": forge.update({77: (0, [forge.item(_X, origin=(78, 3))])}),
    "right-origin": forge.update({77: (0, [forge.item(_X, right=(78, 3))])}),
    "parent": forge.update({77: (0, [forge.item(_X, parent=(78, 0))])}),
    "deletion": forge.update({}, {78: [(0, 5)]}),
    "skip": forge.update({77: (0, [forge.run(forge.SKIP, 4), forge.item(_X)])}),
    "step-too-far": forge.update({77: (2**31 - 20, [forge.item(_X)])}),
}


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDojo]:
    """A server that waits for a gap's filling no longer than a second."""
    settings = {"DOJO_LIMITS__HELD_SECONDS": "1", "DOJO_ENGINE__HEARTBEAT_SECONDS": "0.3"}
    with RunningDojo(tmp_path_factory.mktemp("impatient"), settings) as running:
        yield running


@pytest.mark.parametrize("update", GAPS.values(), ids=GAPS.keys())
async def test_a_gap_that_two_rounds_do_not_fill(scene: Scene, update: bytes) -> None:
    async with await scene.intruder() as mallory:
        await mallory.send(sync_step2(b"\x00\x00"))
        await mallory.ping()
        asked = _questions(mallory.received)
        await mallory.update(update)
        await mallory.ping()
        assert _questions(mallory.received) == asked + 1, "it is asked for what is missing"
        await mallory.send(sync_step2(b"\x00\x00"))
        await mallory.ping()
        assert _questions(mallory.received) == asked + 2, "and asked again"
        await mallory.send(sync_step2(b"\x00\x00"))
        assert await mallory.closed() == CloseCode.GAP
    await scene.intact()


def _questions(received: list[bytes | str]) -> int:
    return sum(1 for frame in received if frame[:2] == b"\x00\x00")


@pytest.mark.parametrize("update", GAPS.values(), ids=GAPS.keys())
async def test_a_gap_whose_sender_does_not_answer(
    impatient: RunningDojo, peers: NodePeers, judge: YjsJudge, room: str, update: bytes
) -> None:
    scene = await Scene.set(impatient, peers, judge, room)
    assert await scene.refused(update_frame(update)) == CloseCode.GAP
    await scene.intact()


async def test_more_waiting_than_a_member_may_have(scene: Scene) -> None:
    block = "x" * 300_000
    async with await scene.intruder() as mallory:
        for number in range(5):
            await mallory.update(forge.update({77: (10**6 * (number + 1), [forge.item(forge.text(block))])}))
        assert await mallory.closed() == CloseCode.GAP
    await scene.intact()


async def test_what_waits_is_not_shown_saved_or_lost(scene: Scene) -> None:
    """The first half of a two-part edit comes last: nobody sees the second before, and then everyone sees both."""
    first = forge.update({77: (0, [forge.item(forge.text("# first"), right=(scene.ana.client_id, 0))])})
    second = forge.update(
        {77: (7, [forge.item(forge.text(" second\n"), origin=(77, 6), right=(scene.ana.client_id, 0))])}
    )
    async with await scene.intruder(dojo_v1=True) as mallory:
        await mallory.update(second)
        await mallory.ping()
        assert await scene.ana.text() == HONEST_TEXT
        await mallory.update(first)
        saved = await mallory.control("saved")
        assert saved["upTo"] == 2
        assert not [frame for frame in mallory.received if isinstance(frame, str) and '"upTo":1' in frame]
    await scene.intact("# first second\n" + HONEST_TEXT)
