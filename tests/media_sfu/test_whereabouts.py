"""Whose a datagram is: addresses nobody is known at, forged ones, and those that two claim."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator

import pytest

from loadtests.voice import session_description as sd
from loadtests.voice import stun as client_stun
from media_sfu import stun
from media_sfu.peer import Ended
from tests.media_sfu.stage import Guest, Stage, until


def request(guest: Guest, *, nominate: bool = True) -> bytes:
    """An authentic check of a guest."""
    remote = sd.read(guest.admitted.answer)
    name = f"{remote.fragment}:{guest.own.fragment}"
    return client_stun.binding_request(name, remote.password, os.urandom(8), nominate=nominate)[1]


class Stranger:
    """A socket of somebody who is nobody's peer."""

    def __init__(self, stage: Stage) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self._to = stage.udp.address
        self._stage = stage

    async def send(self, data: bytes) -> None:
        before = self._stage.received
        self._socket.sendto(data, self._to)
        await until(lambda: self._stage.received > before, "a stranger's datagram")

    def received(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self._socket.recv(2_000))
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
async def stranger(stage: Stage) -> AsyncIterator[Stranger]:
    made = Stranger(stage)
    yield made
    made.close()


async def test_unknown_addresses_leave_nothing(stage: Stage, stranger: Stranger) -> None:
    rubbish = [b"\x80\x6f" + bytes(30), b"\x16\xfe\xfd" + bytes(30), b"\x00" * 30, b"\xff" * 30, b"\x40", b"\x00"]
    for data in rubbish:
        await stranger.send(data)
    nobody = client_stun.binding_request("nobody:else", "password" * 3, os.urandom(8))[1]
    await stranger.send(nobody)
    await stage.quiet()
    assert stranger.received() == []
    assert len(stage.hall.whereabouts) == 0
    assert stage.hall.counts.unknown == 2
    assert stage.hall.counts.malformed == 2
    assert (stage.hall.whereabouts.unknown, stage.hall.whereabouts.malformed) == (1, 2)
    assert stage.udp._paths == {}


async def test_a_forged_address_gets_three_packets_and_never_media(stage: Stage, stranger: Stranger) -> None:
    ana, ben = await stage.join(1), await stage.join(2)
    nominating = request(ben)
    for _ in range(200):
        await stranger.send(nominating)
        await stage.speak(ana)
    got = stranger.received()
    assert 0 < len(got) <= 3
    assert all(stun.parse(data).method == stun.BINDING for data in got)
    assert len(ben.packets) == 200
    # Nor does what comes from there count as ben's.
    sent = ben.peer.early
    await stranger.send(b"\x80\x6f" + bytes(60))
    assert ben.peer.early == sent + 1
    await stage.pass_time(6.0)
    assert len(stage.hall.whereabouts) == 2


async def test_an_address_that_is_proven_is_not_taken_by_a_claim(stage: Stage, stranger: Stranger) -> None:
    ana, ben = await stage.join(1), await stage.join(2)
    path = next(path for path, peer in stage.hall.whereabouts.by_path.items() if peer is ana.peer)
    # As if the request had been sent with ana's address as its sender.
    stage.hall.receive(request(ben), path)
    assert stage.hall.whereabouts.by_path[path] is ana.peer
    await stage.speak(ana, frames=5)
    assert ben.heard == {1}
    assert ana.peer.early == ben.peer.early == 0


async def test_an_address_goes_to_who_proves_it_last(stage: Stage) -> None:
    ana = await stage.join(1)
    heir = stage.knock(2)
    heir.address = ana.address
    heir.address._datagrams._owners[ana.address.key] = heir  # the same port, by another program
    await stage.connect(heir)
    (path,) = heir.peer.paths
    assert heir.heard == set()
    assert stage.hall.whereabouts.by_path[path] is heir.peer
    stage.hall.end(ana.peer, Ended.LEFT)
    assert stage.hall.whereabouts.by_path[path] is heir.peer
