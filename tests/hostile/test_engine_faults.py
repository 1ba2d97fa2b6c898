"""Updates that are well-formed and that the engine does not take, or must not be asked to.

All of them were found by seeded mutation of real updates, and reduced. `ana` stands for the honest member's
client id, which anyone in the room can see.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import psutil
import pytest

from collab_core.closes import CloseCode
from collab_core.wire.messages import update_frame
from tests.convergence.judge import YjsJudge
from tests.hostile import forge
from tests.hostile.scene import HONEST_TEXT, Scene
from tests.peers import NodePeers
from tests.running import RunningDojo

Attack = Callable[[int], bytes]

_X = forge.text("xyz")
_JSON = (forge.JSON, forge.uint(2) + forge.string('{"a":1}') + forge.string("2"))
_HOOK = (forge.TYPE, forge.uint(5) + forge.string("p"))

ATTACKS: Final[dict[str, Attack]] = {
    # The engine: "block parent must be deleted or a shared type".
    "text-within-a-character": lambda ana: forge.update({77: (0, [forge.item(_X, parent=(ana, 0))])}),
    "map-entry-of-a-character": lambda ana: forge.update({77: (0, [forge.item(_X, parent=(ana, 3), sub="key")])}),
    "type-within-a-character": lambda ana: forge.update(
        {77: (0, [forge.item((forge.TYPE, forge.uint(2)), parent=(ana, 1)), forge.item(_X, parent=(77, 0))])}
    ),
    # yrs reads one string too many, and what it writes of it is no update any more: joiners would get nothing.
    "json-content": lambda ana: forge.update(
        {99: (0, [forge.item(_JSON, origin=(ana, 2))]), 28: (0, [forge.run(forge.GC, 2)])}
    ),
    # yrs forgets the name, so that the struct behind it is read from the middle.
    "xml-hook": lambda ana: forge.update({99: (0, [forge.item(_HOOK, parent="xml")])}),
    # Deletions out of order: a merge keeps only some of them.
    "unsorted-deletions": lambda ana: forge.update({}, {ana: [(4, 2), (0, 3)]}),
    "overlapping-deletions": lambda ana: forge.update({}, {ana: [(1, 5), (2, 2)]}),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
async def test_an_update_no_document_can_take(scene: Scene, attack: Attack) -> None:
    assert await scene.refused(update_frame(attack(scene.ana.client_id))) == CloseCode.MALFORMED
    await scene.intact()


async def test_one_after_the_other_from_many_people(scene: Scene) -> None:
    for number, attack in enumerate(ATTACKS.values()):
        code = await scene.refused(update_frame(attack(scene.ana.client_id)), user=f"mallory{number}")
        assert code == CloseCode.MALFORMED
    await scene.intact()


async def test_somebody_who_goes_on_with_it_is_kept_out_for_good(scene: Scene) -> None:
    """Each connection ends with a permanent code, and nobody else pays for any of them."""
    attacks = list(ATTACKS.values())
    for number in range(12):
        code = await scene.refused(update_frame(attacks[number % len(attacks)](scene.ana.client_id)))
        assert code in {CloseCode.MALFORMED, CloseCode.FORBIDDEN}
    await scene.intact()


async def test_only_the_sender_of_a_bad_update_pays(scene: Scene) -> None:
    """Good and bad updates of many people arrive at the same moment, in one window."""
    names = [f"good{number}" for number in range(6)]
    good = [await scene.peers.open(scene.dojo.live, scene.room, await scene.dojo.token(user=name)) for name in names]
    bad = [await scene.raw(f"bad{number}") for number in range(len(ATTACKS))]

    async def attack(number: int) -> int:
        frame = update_frame(list(ATTACKS.values())[number](scene.ana.client_id))
        bad[number].writer.write(_masked(frame))
        return await bad[number].close_code()

    typing = [peer.type(0, f"<{name}>") for name, peer in zip(names, good, strict=True)]
    results = await asyncio.gather(*(attack(number) for number in range(len(bad))), *typing)
    assert results[: len(bad)] == [CloseCode.MALFORMED] * len(bad)
    await scene.peers.wait_equal(scene.ana, *good)
    text = await scene.ana.text()
    assert sorted(text) == sorted(HONEST_TEXT + "".join(f"<{name}>" for name in names))
    for peer in good:
        assert (await peer.state()).closes == []
    for socket in bad:
        await socket.leave()
    await scene.intact(text)


def _masked(payload: bytes) -> bytes:
    assert len(payload) < 126
    return bytes((0x82, 0x80 | len(payload))) + bytes(4) + payload


# While the database is away


@contextlib.asynccontextmanager
async def _frozen_postgres(dojo: RunningDojo) -> AsyncIterator[None]:
    """The whole database hangs, as a machine does that swaps or lost its disk."""
    postmaster = psutil.Process(dojo.postgres_pid)
    family = [postmaster, *postmaster.children(recursive=True)]
    for process in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)


async def test_while_postgres_is_away(tmp_path: Path, peers: NodePeers, judge: YjsJudge) -> None:
    async with RunningDojo(tmp_path / "dojo", {"DOJO_ENGINE__UNSAVED_AFTER_SECONDS": "0.3"}) as dojo:
        scene = await Scene.set(dojo, peers, judge, "away")
        ben = await peers.open(dojo.live, "away", await dojo.token(user="ben"), dojo_v1=True)
        async with _frozen_postgres(dojo):
            await ben.insert(0, "# nobody saves this now\n")
            await ben.wait({"control": {"type": "unsaved"}})
            for number, attack in enumerate(ATTACKS.values()):
                code = await scene.refused(update_frame(attack(scene.ana.client_id)), user=f"mallory{number}")
                assert code == CloseCode.MALFORMED
            await ben.insert(0, "# nor this\n")
            text = "# nor this\n# nobody saves this now\n" + HONEST_TEXT
            await scene.ana.wait_text(text)
            await peers.wait_equal(scene.ana, ben)
        await ben.wait_saved()
        await scene.intact(text)
        # And what is saved is enough to start from.
        for peer in (scene.ana, ben):
            await peer.disconnect()
        await dojo.kill9()
        await dojo.start()
        cleo = await peers.open(dojo.live, "away", await dojo.token(user="cleo"))
        assert await cleo.text() == text
