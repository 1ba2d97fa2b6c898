"""Large documents: brought by a member, given to newcomers complete, kept over a restart."""

from __future__ import annotations

import random

from tests.peers import NodePeers
from tests.running import RunningDojo

DOCUMENT_BYTES = 2_000_000
LARGE_SECONDS = 30.0
SEED = 7


def _text() -> str:
    source = random.Random(SEED)
    return "".join(source.choices("abcdefghijklmnopqrstuvwxyz    \n", k=DOCUMENT_BYTES))


async def test_two_megabytes_are_brought_and_received_whole(
    fresh_dojo: RunningDojo, peers: NodePeers, room: str
) -> None:
    text = _text()
    ana = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="ana"), connect=False)
    await ana.insert(0, text)
    await ana.connect()
    await ana.wait_synced(seconds=LARGE_SECONDS)
    ben = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="ben"))
    await ben.wait({"length": {"root": "text", "atLeast": DOCUMENT_BYTES}}, seconds=LARGE_SECONDS)
    # From now on "synced" means all of it, at once: applications fill a document that is empty when synced.
    cleo = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="cleo"))
    assert await cleo.text() == text
    await cleo.insert(1_000_000, "<here>")
    await peers.wait([ana, ben], {"contains": {"root": "text", "contains": "<here>"}})
    await peers.wait_equal(ana, ben, cleo)
    for peer in (ana, ben, cleo):
        assert (await peer.state()).closes == []
    await fresh_dojo.restart()
    dana = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="dana"))
    assert await dana.text() == text[:1_000_000] + "<here>" + text[1_000_000:]


async def test_synced_is_complete_for_a_document_of_many_pieces(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"), connect=False)
    for part in range(20):
        # Typed at the start each time: no two pieces join into one struct.
        await ana.type(0, f"{part:02d}" * 100)
    await ana.delete(500, 1500)
    await ana.connect()
    await ana.wait_synced()
    text = await ana.text()
    ben = await peers.open(dojo.live, room, await dojo.token(user="ben"))
    await ben.wait_text(text)
    cleo = await peers.open(dojo.live, room, await dojo.token(user="cleo"))
    assert await cleo.text() == text
    received = (await cleo.state()).received
    assert received["step2"] == 1
    assert received.get("update", 0) == 0
    await peers.wait_equal(ana, ben, cleo)
