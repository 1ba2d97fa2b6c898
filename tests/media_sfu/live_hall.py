"""A hall on a real UDP socket of loopback, by the real clock, and the page script of browsers that come in."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid4

from kernel.tokens.voice_grant import VoiceGrant
from media_sfu.answer import Advertised
from media_sfu.certificate import Certificate
from media_sfu.forwarder import Forwarder
from media_sfu.hall import STEP_SECONDS, Admitted, Hall
from media_sfu.limits import VoiceLimits
from media_sfu.peer import Peer
from media_sfu.udp import UdpSocket

POLL_SECONDS: Final = 0.01

SCRIPT: Final = """
window.talk = async ({iceServers = [], policy = 'all'}) => {
  const connection = new RTCPeerConnection({iceServers, iceTransportPolicy: policy, bundlePolicy: 'max-bundle'});
  window.connection = connection;
  const stream = await navigator.mediaDevices.getUserMedia({audio: true});
  connection.addTransceiver(stream.getAudioTracks()[0], {direction: 'sendonly', streams: [stream]});
  for (let slot = 0; slot < 3; slot++) connection.addTransceiver('audio', {direction: 'recvonly'});
  window.players = [];
  connection.ontrack = ({track}) => {
    const player = new Audio();
    player.srcObject = new MediaStream([track]);
    player.play();
    window.players.push(player);
  };
  await connection.setLocalDescription(await connection.createOffer());
  return connection.localDescription.sdp;
};
window.answered = sdp => connection.setRemoteDescription({type: 'answer', sdp});
window.restart = async () => {
  await connection.setLocalDescription(await connection.createOffer({iceRestart: true}));
  return connection.localDescription.sdp;
};
window.seen = async () => {
  const report = await connection.getStats();
  const all = [...report.values()];
  const of = type => all.filter(each => each.type === type);
  const pairs = of('candidate-pair').filter(pair => pair.nominated && pair.state === 'succeeded');
  return {
    state: connection.connectionState,
    sent: of('outbound-rtp').reduce((sum, each) => sum + each.packetsSent, 0),
    slots: connection.getTransceivers().filter(each => each.direction === 'recvonly').map(({mid, receiver}) => {
      const stream = of('inbound-rtp').find(each => each.mid === mid) || {};
      return {
        packets: stream.packetsReceived || 0,
        lost: stream.packetsLost || 0,
        energy: stream.totalAudioEnergy || 0,
        speakers: receiver.getContributingSources().map(({source}) => source),
      };
    }),
    ways: pairs.map(pair => report.get(pair.localCandidateId).candidateType),
  };
};
null;
"""
"""Leaves on `window`: `talk` (makes the connection, returns the offer), `answered`, `restart` (returns the offer of an
ICE restart), and `seen`. Ends with a value: a function would be called by who evaluates it."""


@dataclass(slots=True)
class LiveHall:
    """`hall` and the one room in it that everybody comes into."""

    hall: Hall
    udp: UdpSocket
    room: UUID = field(default_factory=uuid4)
    tenant: UUID = field(default_factory=uuid4)
    users: dict[int, UUID] = field(default_factory=dict)

    @property
    def address(self) -> tuple[str, int]:
        """Where media goes."""
        return self.udp.address

    def admit(self, number: int, offer: str) -> Admitted:
        return self.hall.admit(self.grant(number), offer)

    def peer(self, number: int) -> Peer:
        return self.hall.rooms[self.room].people[number]

    def grant(self, number: int) -> VoiceGrant:
        user = self.users.setdefault(number, uuid4())
        return VoiceGrant(
            tenant=self.tenant, dojo=self.room, room=self.room, user=user, number=number,
            may_speak=True, muted=False, preferred=False, iat=0, exp=60,
        )  # fmt: skip


@asynccontextmanager
async def running_hall() -> AsyncIterator[LiveHall]:
    """A hall without recordings. What raises in it fails the test that it runs in."""
    loop = asyncio.get_running_loop()
    udp = UdpSocket.bind("127.0.0.1", 0)
    hall = Hall(
        limits=VoiceLimits(),
        certificate=Certificate.new(),
        advertised=[Advertised(*udp.address)],
        forwarder=Forwarder(udp.batch, loop.call_soon),
        recorder=None,
        clock=time.monotonic,
        soon=loop.call_soon,
        tell=lambda _room: None,
    )
    udp.listen(hall.receive)
    stepping = loop.create_task(_steps(hall))
    try:
        yield LiveHall(hall, udp)
        assert not stepping.done(), "the clock of the hall stopped"
        assert udp.faults == 0, "a datagram made its receiver raise; the log has the first"
    finally:
        stepping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stepping
        hall.close()
        udp.batch.flush()
        udp.close()


async def _steps(hall: Hall) -> None:
    while True:
        await asyncio.sleep(STEP_SECONDS)
        hall.step(time.monotonic())


async def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for `condition`; after `seconds` fail with `what`, which should have come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(POLL_SECONDS)
