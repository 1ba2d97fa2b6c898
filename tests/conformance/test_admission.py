"""Who gets in, and what a stock client is told: permanent codes stop it, rooms of two tenants are two rooms."""

from __future__ import annotations

from collab_core.closes import CloseCode
from tests.peers import NodePeers
from tests.running import RunningDojo


async def test_no_token_and_a_forged_one_are_refused_for_good(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    token = await dojo.token()
    for bad in (None, "", "nonsense", token[:-4] + "AAAA", "a.b.c"):
        peer = await peers.open(dojo.live, room, bad, synced=False)
        await peer.wait_refused(CloseCode.UNAUTHENTICATED)


async def test_a_token_opens_its_rooms_only(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    token = await dojo.token(rooms=room)
    await peers.open(dojo.live, room, token)
    elsewhere = await peers.open(dojo.live, f"{room} elsewhere", token, synced=False)
    await elsewhere.wait_refused(CloseCode.FORBIDDEN)


async def test_rooms_of_two_tenants_with_one_name_are_two(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(dojo.live, room, await dojo.token(tenant="acme"), presence={"name": "Ana"})
    await ana.insert(0, "of acme")
    other = await peers.open(dojo.live, room, await dojo.token(tenant="globex"), presence={"name": "Other"})
    assert await other.text() == ""
    await other.insert(0, "of globex")
    friend = await peers.open(dojo.live, room, await dojo.token(tenant="acme", user="ben"))
    await friend.wait_text("of acme")
    await friend.wait_presence(ana.client_id, {"name": "Ana"})
    assert await ana.text() == "of acme"
    assert [seen.client for seen in await ana.presence() if seen.state == {"name": "Other"}] == []


async def test_a_foreign_origin_is_refused(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    peer = await peers.open(dojo.live, room, await dojo.token(), origin="https://evil.example", synced=False)
    await peer.wait_refused(CloseCode.FORBIDDEN)
    await peers.open(dojo.live, room, await dojo.token(), origin=dojo.http)


async def test_a_reader_sees_edits_and_may_make_none(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"))
    reader = await peers.open(dojo.live, room, await dojo.token(user="reader", read_only=True), presence={"name": "R"})
    await ana.insert(0, "read this")
    await reader.wait_text("read this")
    await ana.wait_presence(reader.client_id, {"name": "R"})
    assert (await reader.state()).closes == []
    await reader.insert(0, "no ")
    await reader.wait_refused(CloseCode.FORBIDDEN)
    newcomer = await peers.open(dojo.live, room, await dojo.token(user="newcomer"))
    assert await newcomer.text() == "read this"
    assert await ana.text() == "read this"


async def test_room_names_of_any_script(dojo: RunningDojo, peers: NodePeers) -> None:
    for name in ("späti \U0001f600", "100% [a] + b?c#d&e", "日本" * 33, "x" * 200):
        ana = await peers.open(dojo.live, name, await dojo.token(user="ana"))
        await ana.insert(0, "here")
        ben = await peers.open(dojo.live, name, await dojo.token(user="ben"))
        await ben.wait_text("here")


async def test_a_room_name_too_long_is_not_found(dojo: RunningDojo, peers: NodePeers) -> None:
    peer = await peers.open(dojo.live, "x" * 201, await dojo.token(), synced=False)
    await peer.wait_refused(CloseCode.NOT_FOUND)
