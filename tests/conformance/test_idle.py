"""Members who do nothing stay: stock clients leave a server that is silent for 30 s, and drop states as old."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.peers import NodePeers, Peer, PeerError
from tests.running import RunningDojo

IDLE_SECONDS = 36.0
"""A stock client checks every 3 s whether its last message is 30 s old."""
SILENCE_SECONDS = 16.0
"""An application message at least every 15 s, and one second for a busy machine."""


async def test_idle_members_stay_connected_and_present(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    alone = await peers.open(dojo.live, f"{room} alone", await dojo.token(user="alone"))
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"), presence={"name": "Ana"})
    ben = await peers.open(dojo.live, room, await dojo.token(user="ben"), presence={"name": "Ben"})
    await ana.wait_presence(ben.client_id, {"name": "Ben"})

    async def is_left_alone(peer: Peer) -> None:
        with pytest.raises(PeerError, match="waited in vain"):
            await peer.wait_closed(seconds=IDLE_SECONDS)

    async def stays_present() -> None:
        with pytest.raises(PeerError, match="waited in vain"):
            await ana.wait_presence(ben.client_id, None, seconds=IDLE_SECONDS)

    await asyncio.gather(is_left_alone(alone), is_left_alone(ana), is_left_alone(ben), stays_present())
    for peer in (alone, ana, ben):
        state = await peer.state()
        assert state.opens == 1
        assert time.time() - state.last_received_at / 1000 <= SILENCE_SECONDS
    await ana.insert(0, "still works")
    await ben.wait_text("still works")
