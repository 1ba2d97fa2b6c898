"""`dojo.v1`: the same binary frames, and JSON text frames that say what is committed."""

from __future__ import annotations

import time
from uuid import UUID

from tests.peers import NodePeers
from tests.running import RunningDojo


async def test_joined_comes_first(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"), dojo_v1=True)
    reader = await peers.open(dojo.live, room, await dojo.token(user="reader", read_only=True), dojo_v1=True)
    for peer, can_write in ((ana, True), (reader, False)):
        joined = (await peer.control())[0]
        assert joined["type"] == "joined"
        assert joined["canWrite"] is can_write
        assert joined["expiresAt"] > time.time() * 1000
        assert str(UUID(joined["userId"])) == joined["userId"]


async def test_saved_counts_every_sync_message_of_the_connection(
    dojo: RunningDojo, peers: NodePeers, room: str
) -> None:
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"), dojo_v1=True)
    await ana.type(0, "twenty one characters")
    await ana.wait_saved()
    state = await ana.state()
    assert state.saved_clock == 21
    counts = [message["upTo"] for message in await ana.control() if message["type"] == "saved"]
    assert counts == sorted(counts)
    assert counts[-1] == state.sent["step2"] + state.sent["update"]


async def test_saved_is_there_after_a_crash(fresh_dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="ana"), dojo_v1=True)
    await ana.type(0, "acknowledged")
    await ana.wait_saved()
    await fresh_dojo.kill9()
    await ana.wait_disconnected()
    await ana.disconnect()
    await fresh_dojo.start()
    ben = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="ben"))
    assert await ben.text() == "acknowledged"


async def test_a_reconnected_member_is_saved_again(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"), dojo_v1=True)
    await ana.insert(0, "one")
    await ana.wait_saved()
    await ana.disconnect()
    await ana.insert(3, " two")
    await ana.connect()
    await ana.wait({"opens": 2, "allSaved": True})
    assert (await ana.state()).saved_clock == 7
