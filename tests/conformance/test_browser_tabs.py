"""Two tabs of one browser: stock providers that also talk to each other over BroadcastChannel."""

from __future__ import annotations

from collab_core.closes import CloseCode
from tests.peers import NodePeers
from tests.running import RunningDojo


async def test_two_tabs_and_somebody_elsewhere_converge(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    token = await dojo.token(user="ana")
    first = await peers.open(dojo.live, room, token, broadcast_channel=True, presence={"tab": 1})
    second = await peers.open(dojo.live, room, token, broadcast_channel=True, presence={"tab": 2})
    ben = await peers.open(dojo.live, room, await dojo.token(user="ben"), presence={"name": "Ben"})
    await first.type(0, "first")
    await second.wait_text("first")
    await second.type(5, " second")
    await ben.wait_text("first second")
    await ben.insert(0, "ben ")
    await peers.wait([first, second], {"content": {"kind": "text", "root": "text", "equals": "ben first second"}})
    await peers.wait_equal(first, second, ben)
    for tab, state in ((first, {"tab": 1}), (second, {"tab": 2})):
        await ben.wait_presence(tab.client_id, state)
        await tab.wait_presence(ben.client_id, {"name": "Ben"})
        assert (await tab.state()).closes == []


async def test_a_closed_tab_is_gone_and_the_other_stays(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    token = await dojo.token(user="ana")
    first = await peers.open(dojo.live, room, token, broadcast_channel=True, presence={"tab": 1})
    second = await peers.open(dojo.live, room, token, broadcast_channel=True, presence={"tab": 2})
    ben = await peers.open(dojo.live, room, await dojo.token(user="ben"))
    await ben.wait_presence(first.client_id, {"tab": 1})
    await ben.wait_presence(second.client_id, {"tab": 2})
    await first.close()
    await ben.wait_presence(first.client_id, None)
    await second.set_presence({"tab": "still here"})
    await ben.wait_presence(second.client_id, {"tab": "still here"})
    assert (await second.state()).opens == 1


async def test_what_a_tab_without_a_connection_types_reaches_the_room_through_the_other(
    dojo: RunningDojo, peers: NodePeers, room: str
) -> None:
    token = await dojo.token(user="ana")
    lost = await peers.open(dojo.live, room, token, broadcast_channel=True)
    other = await peers.open(dojo.live, room, token, broadcast_channel=True)
    ben = await peers.open(dojo.live, room, await dojo.token(user="ben"))
    # Refused for good, this tab has no socket any more, but BroadcastChannel goes on.
    await lost.set_token("no token")
    await lost.drop()
    await lost.wait_refused(CloseCode.UNAUTHENTICATED)
    await lost.insert(0, "lost tab")
    await other.wait_text("lost tab")
    # This edit depends on text the server has never seen, and the other tab's socket has not carried.
    await other.insert(8, ", other tab")
    await ben.wait_text("lost tab, other tab")
    await peers.wait_equal(lost, other, ben)
    assert (await other.state()).closes == []
