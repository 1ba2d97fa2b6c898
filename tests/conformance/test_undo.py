"""The undo manager takes back one's own edits only, and everybody sees it."""

from __future__ import annotations

from tests.peers import NodePeers
from tests.running import RunningDojo


async def test_undo_and_redo_of_own_edits(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"))
    ben = await peers.open(dojo.live, room, await dojo.token(user="ben"))
    await ana.start_undo()
    await ana.insert(0, "one ")
    await ana.insert(4, "two ")
    await ben.wait_text("one two ")
    await ben.insert(8, "three")
    await ana.wait_text("one two three")
    assert await ana.undo()
    await ben.wait_text("one three")
    assert await ana.undo()
    await ben.wait_text("three")
    assert not await ana.undo()
    assert await ana.redo()
    assert await ana.redo()
    await ben.wait_text("one two three")
    await peers.wait_equal(ana, ben)


async def test_undo_of_a_deletion_somebody_else_typed_into(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"))
    ben = await peers.open(dojo.live, room, await dojo.token(user="ben"))
    await ben.insert(0, "abcdef")
    await ana.wait_text("abcdef")
    await ana.start_undo()
    await ana.delete(1, 4)
    await ben.wait_text("af")
    await ben.insert(1, "X")
    await ana.wait_text("aXf")
    assert await ana.undo()
    await peers.wait_equal(ana, ben)
    # What was deleted is there again, in order, and so is what was typed meanwhile.
    text = await ben.text()
    assert text.replace("X", "") == "abcdef"
    assert text.count("X") == 1
