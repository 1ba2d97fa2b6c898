"""The peers themselves, tried against the plainest server there is, so that the other tests speak about Dojo."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.node import PEERS_FOLDER, node_executable
from tests.peers import NodePeers, PeerError

READY_SECONDS = 20.0


@pytest.fixture
async def reference() -> AsyncIterator[str]:
    """The reference server's address, `ws://host:port`."""
    script = Path(PEERS_FOLDER) / "reference.mjs"
    process = await asyncio.create_subprocess_exec(
        node_executable(), str(script), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), READY_SECONDS)
        yield line.decode().removeprefix("ready ").strip()
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), READY_SECONDS)


async def test_two_peers_converge_and_see_each_other(reference: str, peers: NodePeers) -> None:
    ana = await peers.open(reference, "a room", presence={"name": "Ana"})
    ben = await peers.open(reference, "a room", presence={"name": "Ben"})
    await ana.insert(0, "h\U0001f600llo")
    await ben.wait_text("h\U0001f600llo")
    await ben.delete(1, 2)
    await ana.wait_text("hllo")
    await peers.wait_equal(ana, ben)
    await ana.wait_presence(ben.client_id, {"name": "Ben"})
    await ben.close()
    await ana.wait_presence(ben.client_id, None)


async def test_a_dropped_peer_comes_back_with_its_offline_edits(reference: str, peers: NodePeers) -> None:
    ana = await peers.open(reference, "r")
    ben = await peers.open(reference, "r")
    await ana.drop()
    await ana.wait_disconnected()
    await ana.insert(0, "offline")
    await ben.wait_text("offline")
    state = await ana.state()
    assert state.opens == 2
    assert [close.code for close in state.closes] == [1006]


async def test_a_wait_in_vain_says_what_is_there_instead(reference: str, peers: NodePeers) -> None:
    ana = await peers.open(reference, "r")
    await ana.insert(0, "here")
    with pytest.raises(PeerError, match=r"waited in vain .*elsewhere.*\\\"here\\\""):
        await ana.wait_text("elsewhere", seconds=0.05)


async def test_shared_types_of_every_kind_are_read_back(reference: str, peers: NodePeers) -> None:
    ana = await peers.open(reference, "r")
    ben = await peers.open(reference, "r")
    await ana.call("map", "m", "set", "n", {"$bigint": "9007199254740993"})
    await ana.call("map", "m", "set", "nested", {"$type": "array", "content": [1, {"$bytes": "AAE="}]})
    await ana.call("xml", "x", "insert", 0, [{"$type": "xmlelement", "name": "p", "attributes": {"k": "v"}}])
    await ben.wait_content("map", "m", {"n": {"$bigint": "9007199254740993"}, "nested": [1, {"$bytes": "AAE="}]})
    await ben.wait_content("xml", "x", '<p k="v"></p>')
