"""Peers of a hall over real sockets: how they get in, move about, and end."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import replace
from uuid import uuid4

import pytest

from loadtests.voice import session_description as sd
from media_sfu.hall import ForeignRoom, Full, NoSuchPeer, TooManyPending, WrongVersion
from media_sfu.ice import Credentials
from media_sfu.limits import VoiceLimits
from media_sfu.peer import Ended
from media_sfu.sdp import SdpError
from tests.media_sfu.stage import FRAME, Stage, TcpLine, continuous, staged, until


def fragment(credentials: Credentials) -> str:
    session = f"a=ice-ufrag:{credentials.fragment}\r\na=ice-pwd:{credentials.password}\r\n"
    return session + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"


# Joining


async def test_two_talk(stage: Stage) -> None:
    ana, ben = await stage.join(1), await stage.join(2)
    await stage.speak(ana, ben, frames=25)
    assert (ana.heard, ben.heard) == ({2}, {1})
    assert [p.spoken.number for p in ben.packets if p.spoken] == list(range(1, 26))
    continuous(ben.packets)


async def test_offers_that_cannot_be_answered_leave_nothing(stage: Stage) -> None:
    with pytest.raises(SdpError):
        stage.hall.admit(stage.grant(1), "v=0\r\n")
    assert not stage.hall.rooms
    assert not stage.hall.peers


async def test_the_second_connection_of_a_participant_takes_the_place_of_the_first(stage: Stage) -> None:
    listener = await stage.join(9)
    first = await stage.join(1)
    await stage.speak(first, frames=5)
    second = await stage.join(1, user=first.user)
    assert first.admitted.peer not in stage.hall.peers
    assert stage.hall.counts.ended == {Ended.REPLACED: 1}
    await stage.speak(second, frames=5)
    assert len(listener.packets) == 10
    continuous(listener.packets)
    with pytest.raises(NoSuchPeer):
        stage.hall.leave(first.grant, first.admitted.peer)


async def test_three_may_be_pending_for_one_user() -> None:
    async with staged(VoiceLimits(handshake_seconds=1.0)) as stage:
        user = uuid4()
        for number in (1, 2, 3):
            stage.knock(number, user=user)
        with pytest.raises(TooManyPending):
            stage.knock(4, user=user)
        stage.knock(5)
        await stage.pass_time(0.9)
        assert len(stage.hall.peers) == 4
        await stage.pass_time(0.2)
        assert not stage.hall.peers
        assert stage.hall.counts.ended == {Ended.NEVER_CONNECTED: 4}
        assert stage.emptied == [stage.room_id]
        await stage.join(4, user=user)


async def test_checks_without_a_handshake_end_too() -> None:
    async with staged(VoiceLimits(handshake_seconds=1.0)) as stage:
        guest = stage.knock(1)
        guest._remote = sd.read(guest.admitted.answer)
        guest._to = guest._remote.addresses[0]
        guest.consent()
        await until(lambda: guest.peer.agent.nominated, "the nomination")
        await stage.pass_time(1.1)
        assert stage.hall.counts.ended == {Ended.NEVER_CONNECTED: 1}
        assert len(stage.hall.whereabouts) == 0


async def test_a_full_process_and_a_full_room() -> None:
    async with staged(VoiceLimits(peers=3, peers_per_room=2)) as stage:
        ana = stage.knock(1)
        stage.knock(2)
        with pytest.raises(Full, match="room"):
            stage.knock(3)
        stage.knock(3, room=uuid4())
        with pytest.raises(Full, match="server"):
            stage.knock(4, room=uuid4())
        stage.knock(1, user=ana.user)  # who returns needs no new place
        assert len(stage.hall.peers) == 3


async def test_a_room_is_of_one_dojo(stage: Stage) -> None:
    stage.knock(1)
    with pytest.raises(ForeignRoom):
        stage.knock(2, dojo=uuid4())
    with pytest.raises(ForeignRoom):
        stage.knock(2, tenant=uuid4())


async def test_fifty_at_once(stage: Stage) -> None:
    speaker = await stage.join(100)
    guests = [stage.knock(number) for number in range(1, 51)]
    await asyncio.gather(*(stage.connect(guest) for guest in guests))
    assert stage.hall.handshakes.dropped == 0
    await stage.speak(speaker, frames=3)
    await until(lambda: all(len(guest.packets) == 3 for guest in guests), "three packets at each")
    assert stage.udp.faults == stage.forwarder.faults == stage.hall.counts.faults == 0


async def test_a_client_that_has_only_tcp(stage: Stage) -> None:
    ana = await stage.join(1)
    ben = stage.knock(2)
    line = TcpLine(stage.tcp.address)
    ben.address = line.settle(ben)  # type: ignore[assignment]  # it sends and leaves alike
    await stage.connect(ben)
    await stage.speak(ana, ben, frames=20)
    await until(lambda: len(ben.packets) == 20, "the packets over TCP")
    assert (ana.heard, ben.heard) == ({2}, {1})
    continuous(ben.packets)
    assert (stage.tcp.connections, stage.tcp.unvalidated) == (1, 0)
    # Its connection does not outlive it.
    assert stage.hall.remove(stage.room_id, 2)
    await until(lambda: line.closed and stage.tcp.connections == 0, "the end of the connection")
    assert len(stage.hall.whereabouts) == 1


async def test_a_tcp_connection_that_breaks_is_no_fault(stage: Stage) -> None:
    ana, ben = await stage.join(1), stage.knock(2)
    line = TcpLine(stage.tcp.address)
    ben.address = line.settle(ben)  # type: ignore[assignment]
    await stage.connect(ben)
    await stage.speak(ana, frames=2)
    await until(lambda: len(ben.packets) == 2, "the packets over TCP")
    line.close()
    await until(lambda: stage.tcp.connections == 0, "the end of the connection")
    await stage.speak(ana, frames=5)
    assert stage.forwarder.faults == stage.udp.faults == 0
    # It comes back by UDP, without another handshake.
    ben.move(stage.datagrams())
    ben.consent()
    await until(lambda: ben.peer.agent.nominated is not None, "the nomination")
    await stage.speak(ana, frames=5)
    assert len(ben.packets) == 7


# Moving about


async def test_media_follows_a_new_address(stage: Stage) -> None:
    ana, ben = await stage.join(1), await stage.join(2)
    await stage.speak(ana, ben, frames=5)
    old = ben.peer.agent.nominated
    ben.move(stage.datagrams())
    ben.consent()
    await until(lambda: ben.peer.agent.nominated != old, "the nomination of the new address")
    await stage.speak(ana, ben, frames=5)
    assert len(ben.packets) == 10
    assert len({packet.ssrc for packet in ben.packets}) == 1
    continuous(ben.packets)
    continuous(ana.packets)
    handshakes = stage.hall.counts.unknown
    ben.move(stage.datagrams())
    await stage.speak(ben, frames=2)
    assert stage.hall.counts.unknown == handshakes + 2  # nobody has said whose address this is
    assert len(ana.packets) == 10


async def test_restart_of_ice(stage: Stage) -> None:
    ana, ben = await stage.join(1), await stage.join(2)
    await stage.speak(ana, ben, frames=3)
    grant, peer = ben.grant, ben.admitted.peer
    fresh = Credentials("fresh", "f" * 24)
    with pytest.raises(WrongVersion):
        stage.hall.patch(grant, peer, "another", fragment(fresh))
    with pytest.raises(SdpError):
        stage.hall.patch(grant, peer, ben.admitted.etag, "no fragment")
    same = Credentials(ben.own.fragment, ben.own.password)
    assert stage.hall.patch(grant, peer, ben.admitted.etag, fragment(same)) is None
    restarted = stage.hall.patch(grant, peer, ben.admitted.etag, fragment(fresh))
    assert restarted is not None
    assert restarted.etag != ben.admitted.etag
    with pytest.raises(WrongVersion):
        stage.hall.patch(grant, peer, ben.admitted.etag, fragment(fresh))
    await stage.speak(ana, ben, frames=3)  # media goes on meanwhile
    remote = sd.read(ben.admitted.answer)
    answered = sd.read(
        "m=audio 9 X\r\n" + restarted.answer + f"a=fingerprint:sha-256 {remote.fingerprint}\r\na=setup:passive\r\n"
    )
    assert answered.fragment != remote.fragment
    ben.own = replace(ben.own, fragment=fresh.fragment, password=fresh.password)
    ben._remote = replace(remote, fragment=answered.fragment, password=answered.password)
    ben.move(stage.datagrams())
    old = ben.peer.agent.nominated
    ben.consent()
    await until(lambda: ben.peer.agent.nominated != old, "the nomination")
    await stage.speak(ana, ben, frames=3)
    continuous(ben.packets)
    continuous(ana.packets)
    assert len(ben.packets) == len(ana.packets) == 9
    assert ben.peer.agent.fragments == (answered.fragment,)
    assert stage.hall.patch(grant, peer, "*", fragment(Credentials("again", "g" * 24))) is not None


async def test_only_its_user_touches_a_connection(stage: Stage) -> None:
    ana = await stage.join(1)
    for other in (stage.grant(1), stage.grant(1, user=ana.user, dojo=uuid4())):
        with pytest.raises(NoSuchPeer):
            stage.hall.leave(other, ana.admitted.peer)
        with pytest.raises(NoSuchPeer):
            stage.hall.patch(other, ana.admitted.peer, "*", fragment(Credentials("fresh", "f" * 24)))
    assert len(stage.hall.peers) == 1


# Ends


async def test_leaving_empties_the_room(stage: Stage) -> None:
    ana, ben = await stage.join(1), await stage.join(2)
    await stage.speak(ana, frames=3)
    stage.hall.leave(ana.grant, ana.admitted.peer)
    assert [person.number for person in stage.room.state().people] == [2]
    assert stage.emptied == []
    stage.hall.leave(ben.grant, ben.admitted.peer)
    assert stage.emptied == [stage.room_id]
    assert not stage.hall.rooms
    assert len(stage.hall.whereabouts) == 0
    with pytest.raises(NoSuchPeer):
        stage.hall.leave(ben.grant, ben.admitted.peer)


async def test_a_closed_page_is_gone_soon(stage: Stage) -> None:
    ana = await stage.join(1)
    ana.close()
    await stage.quiet()
    await stage.pass_time(0.6)
    assert stage.hall.counts.ended == {Ended.CLOSED: 1}


async def test_silent_peers_end(stage: Stage) -> None:
    ana, ben = await stage.join(1), await stage.join(2)
    await stage.pass_time(29.0)
    before = ben.peer.agent.last_heard
    ben.consent()
    await until(lambda: ben.peer.agent.last_heard > before, "the check")
    await stage.pass_time(2.0)
    assert stage.hall.counts.ended == {Ended.SILENT: 1}
    assert [person.number for person in stage.room.state().people] == [2]
    assert ana.admitted.peer not in stage.hall.peers


async def test_removal_stops_media_at_once(stage: Stage) -> None:
    ana, ben, eve = await stage.join(1), await stage.join(2), await stage.join(3)
    await stage.speak(ana, eve, frames=5)
    assert stage.hall.remove(stage.room_id, 3)
    assert not stage.hall.remove(stage.room_id, 3)
    heard, sent = len(eve.packets), len(ben.packets)
    await stage.speak(ana, eve, frames=5)
    assert len(eve.packets) == heard
    assert [packet.csrc for packet in ben.packets[sent:]] == [1] * 5


# Faults


async def test_a_fault_in_one_peer_ends_that_one_alone(stage: Stage) -> None:
    ana, ben, eve = await stage.join(1), await stage.join(2), await stage.join(3)
    faulty = eve.peer

    def fail(*_: object) -> None:
        raise RuntimeError("by design")

    await stage.speak(ana, eve, frames=3)
    faulty._uplink = type("Faulty", (), {"receive": fail, "missing": fail, "break_off": fail, "counts": None})()
    await stage.speak(ana, eve, frames=3)
    assert stage.udp.faults == 3
    assert len(ben.packets) == 9
    faulty.tick = fail  # type: ignore[assignment, method-assign]
    await stage.pass_time(0.6)
    assert stage.hall.counts.ended == {Ended.FAULT: 1}
    assert eve.admitted.peer not in stage.hall.peers
    await stage.speak(ana, frames=3)
    assert len(ben.packets) == 12
    assert stage.hall.counts.faults >= 1


async def test_a_fault_in_one_room_leaves_the_others_alone(stage: Stage) -> None:
    await stage.join(1, room=uuid4())
    ana, ben = await stage.join(2), await stage.join(3)
    faulty = next(room for room in stage.hall.rooms.values() if room is not stage.room)

    def fail(now: float) -> None:
        raise RuntimeError("by design")

    faulty.step = fail  # type: ignore[method-assign]
    await stage.speak(ana, frames=50)
    assert len(ben.packets) == 50
    assert stage.room.state().spoken["2"] > 0.5
    assert stage.hall.counts.faults == 50


async def test_a_listener_whose_path_faults_costs_the_others_nothing(stage: Stage) -> None:
    ana, ben, eve = await stage.join(1), await stage.join(2), await stage.join(3)
    assert ben.peer.leg is not None
    ben.peer.leg.path = None
    await stage.speak(ana, frames=4)
    assert len(eve.packets) == 4
    assert stage.forwarder.faults == 4
    assert stage.forwarder.forwarded == 4


# What is left


async def test_what_has_ended_is_gone_without_the_collector(stage: Stage) -> None:
    await stage.join(9)
    ana, ben, eve = await stage.join(1), await stage.join(2), stage.knock(3)
    await stage.speak(ana, ben, frames=5)
    gc.collect()
    gc.disable()
    try:
        peers = [weakref.ref(guest.peer) for guest in (ana, ben, eve)]
        stage.hall.leave(ana.grant, ana.admitted.peer)
        ben.close()
        await stage.quiet()
        await stage.pass_time(16.0)
        await until(lambda: all(peer() is None for peer in peers), "the end of all that holds a closed peer")
    finally:
        gc.enable()
    assert stage.hall.counts.ended == {Ended.LEFT: 1, Ended.CLOSED: 1, Ended.NEVER_CONNECTED: 1}


async def test_an_empty_room_and_a_closed_hall_are_gone_without_the_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        async with staged() as stage:
            ana, ben = await stage.join(1), await stage.join(2)
            await stage.speak(ana, ben, frames=5)
            room = weakref.ref(stage.room)
            stage.hall.leave(ana.grant, ana.admitted.peer)
            stage.hall.leave(ben.grant, ben.admitted.peer)
            await stage.pass_time(2 * FRAME)
            await until(lambda: room() is None, "the end of the room")
            hall = weakref.ref(stage.hall)
        del stage, ana, ben
        gc.collect()  # the test's own clients and sockets
        await until(lambda: hall() is None, "the end of the hall")
    finally:
        gc.enable()


async def test_the_process_counts_what_was_of_no_use(stage: Stage) -> None:
    ana = await stage.join(1)
    ana.address.send(b"\x80\x6f" + bytes(6) + ana.own.ssrc.to_bytes(4, "big") + bytes(40), stage.udp.address)
    await until(lambda: stage.hall.dropped()["forged"] == 1, "the forged packet")
    stage.hall.leave(ana.grant, ana.admitted.peer)
    assert stage.hall.dropped()["forged"] == 1
