"""Presence (awareness) between stock clients: seen, changed, removed, and back after a reconnect with the same id."""

from __future__ import annotations

from tests.peers import NodePeers
from tests.running import RunningDojo

BACK_SECONDS = 5.0
"""A reconnected member shows again well before its next heartbeat, which is 15 s away."""


async def test_seen_by_members_and_newcomers(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"), presence={"name": "Ana"})
    ben = await peers.open(dojo.live, room, await dojo.token(user="ben"), presence={"name": "Ben"})
    await ben.wait_presence(ana.client_id, {"name": "Ana"})
    await ana.wait_presence(ben.client_id, {"name": "Ben"})
    await ana.set_presence({"name": "Ana", "cursor": {"anchor": 1, "head": 2}})
    await ben.wait_presence(ana.client_id, {"name": "Ana", "cursor": {"anchor": 1, "head": 2}})
    cleo = await peers.open(dojo.live, room, await dojo.token(user="cleo"))
    await cleo.wait_presence(ana.client_id, {"name": "Ana", "cursor": {"anchor": 1, "head": 2}})
    await cleo.wait_presence(ben.client_id, {"name": "Ben"})


async def test_removed_by_its_owner(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"), presence={"name": "Ana"})
    ben = await peers.open(dojo.live, room, await dojo.token(user="ben"))
    await ben.wait_presence(ana.client_id, {"name": "Ana"})
    await ana.set_presence(None)
    await ben.wait_presence(ana.client_id, None)
    await ana.set_presence({"name": "back"})
    await ben.wait_presence(ana.client_id, {"name": "back"})


async def test_removed_when_its_owner_leaves(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"), presence={"name": "Ana"})
    ben = await peers.open(dojo.live, room, await dojo.token(user="ben"))
    await ben.wait_presence(ana.client_id, {"name": "Ana"})
    await ana.close()
    await ben.wait_presence(ana.client_id, None)


async def test_back_at_once_after_a_reconnect_with_the_same_id(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"), presence={"name": "Ana"})
    ben = await peers.open(dojo.live, room, await dojo.token(user="ben"), presence={"name": "Ben"})
    await ben.wait_presence(ana.client_id, {"name": "Ana"})
    await ana.drop()
    # The server notices the broken connection and tells Ben, and soon the provider is back by itself.
    await ben.wait_presence(ana.client_id, None)
    await ana.wait({"opens": 2, "synced": True})
    await ben.wait_presence(ana.client_id, {"name": "Ana"}, seconds=BACK_SECONDS)
    # A stock client forgets the others when it loses its connection, and takes them only at a higher clock again.
    await ben.set_presence({"name": "Ben", "cursor": 1})
    await ana.wait_presence(ben.client_id, {"name": "Ben", "cursor": 1}, seconds=BACK_SECONDS)


async def test_back_at_once_after_leaving_and_coming_again(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"), presence={"name": "Ana"})
    ben = await peers.open(dojo.live, room, await dojo.token(user="ben"))
    await ben.wait_presence(ana.client_id, {"name": "Ana"})
    await ana.disconnect()
    await ben.wait_presence(ana.client_id, None)
    await ana.connect()
    await ben.wait_presence(ana.client_id, {"name": "Ana"}, seconds=BACK_SECONDS)


async def test_back_after_the_server_restarted(fresh_dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="ana"), presence={"name": "Ana"})
    ben = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="ben"), presence={"name": "Ben"})
    await ben.wait_presence(ana.client_id, {"name": "Ana"})
    await fresh_dojo.restart()
    await peers.wait([ana, ben], {"opens": 2, "synced": True})
    # Stock clients take each other's states at a higher clock only: with the next change, or the next renewal.
    await ana.set_presence({"name": "Ana", "cursor": 1})
    await ben.set_presence({"name": "Ben", "cursor": 2})
    await ben.wait_presence(ana.client_id, {"name": "Ana", "cursor": 1}, seconds=BACK_SECONDS)
    await ana.wait_presence(ben.client_id, {"name": "Ben", "cursor": 2}, seconds=BACK_SECONDS)


async def test_half_a_surrogate_pair_in_a_state_harms_nobody(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    # What JavaScript's JSON.stringify makes of a text cut inside an emoji, a preview of a selection for instance.
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"))
    ben = await peers.open(dojo.live, room, await dojo.token(user="ben"))
    await ana.set_presence({"preview": "cut \ud83d"})
    await ben.wait_presence(ana.client_id, {"preview": "cut \ud83d"})
    assert (await ana.state()).closes == []
