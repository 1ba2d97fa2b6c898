"""Stock clients over restarts, crashes and time offline: they come back by themselves and nothing typed is missing."""

from __future__ import annotations

from collab_core.closes import CloseCode
from tests.peers import NodePeers
from tests.running import RunningDojo


async def test_a_restart_is_survived_by_members_and_their_edits(
    fresh_dojo: RunningDojo, peers: NodePeers, room: str
) -> None:
    ana = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="ana"))
    ben = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="ben"))
    await ana.insert(0, "before ")
    await ben.wait_text("before ")
    await fresh_dojo.stop()
    await peers.wait([ana, ben], {"closed": {"code": CloseCode.RESTARTING}})
    await ana.insert(7, "during ")
    await fresh_dojo.start()
    await ben.wait_text("before during ")
    await ben.insert(14, "after")
    await ana.wait_text("before during after")
    cleo = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="cleo"))
    assert await cleo.text() == "before during after"
    await peers.wait_equal(ana, ben, cleo)


async def test_a_room_is_there_after_a_restart_with_nobody_in_it(
    fresh_dojo: RunningDojo, peers: NodePeers, room: str
) -> None:
    ana = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="ana"))
    await ana.type(0, "kept \U0001f600 text")
    await ana.delete(0, 1)
    fingerprint = await ana.fingerprint()
    await ana.close()
    await fresh_dojo.restart()
    ben = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="ben"))
    assert await ben.text() == "ept \U0001f600 text"
    assert await ben.fingerprint() == fingerprint


async def test_a_crash_is_survived_by_members_and_their_edits(
    fresh_dojo: RunningDojo, peers: NodePeers, room: str
) -> None:
    ana = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="ana"))
    ben = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="ben"))
    await ana.type(0, "typed right before the crash")
    await fresh_dojo.kill9()
    await peers.wait([ana, ben], {"connected": False})
    await ben.insert(0, "> ")
    await fresh_dojo.start()
    await peers.wait([ana, ben], {"synced": True, "opens": 2})
    await ana.wait({"contains": {"root": "text", "contains": "> "}})
    await peers.wait_equal(ana, ben)
    assert sorted(await ana.text()) == sorted("> typed right before the crash")
    cleo = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="cleo"))
    await peers.wait_equal(ana, ben, cleo)


async def test_offline_edits_of_both_sides_meet(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"))
    ben = await peers.open(dojo.live, room, await dojo.token(user="ben"))
    await ana.insert(0, "0123456789")
    await ben.wait_text("0123456789")
    await ana.disconnect()
    await ana.type(10, "ana")
    await ana.delete(0, 2)
    await ben.type(0, "ben")
    await ben.delete(3, 4)
    assert await ana.text() == "23456789ana"
    await ana.connect()
    await ana.wait_synced()
    await peers.wait_equal(ana, ben)
    assert await ben.text() == "ben456789ana"


async def test_a_member_of_long_ago_brings_its_unsynced_edits(
    fresh_dojo: RunningDojo, peers: NodePeers, room: str
) -> None:
    ana = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="ana"))
    await ana.insert(0, "shared")
    ben = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="ben"))
    await ben.disconnect()
    await ben.insert(6, " and offline")
    await ana.insert(0, "still ")
    await ana.close()
    # Nobody is there any more, and the room was closed in between.
    await fresh_dojo.restart()
    await ben.connect()
    await ben.wait_text("still shared and offline")
    cleo = await peers.open(fresh_dojo.live, room, await fresh_dojo.token(user="cleo"))
    await cleo.wait_text("still shared and offline")
    await peers.wait_equal(ben, cleo)


async def test_edits_typed_before_the_first_connection_count(dojo: RunningDojo, peers: NodePeers, room: str) -> None:
    ana = await peers.open(dojo.live, room, await dojo.token(user="ana"), connect=False)
    await ana.type(0, "offline from the start")
    await ana.connect()
    ben = await peers.open(dojo.live, room, await dojo.token(user="ben"))
    await ben.wait_text("offline from the start")
