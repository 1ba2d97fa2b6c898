"""One participant's connection: where it is (ICE), its keys (DTLS), what it says, and the slots it hears others in."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from kernel.tokens.voice_grant import VoiceGrant
from media_sfu import answer, rtp
from media_sfu.answer import Advertised
from media_sfu.certificate import Certificate
from media_sfu.dtls import Dtls
from media_sfu.ice import Credentials, IceAgent
from media_sfu.leg import Leg
from media_sfu.limits import VoiceLimits
from media_sfu.offer import Offer
from media_sfu.reports import Reports
from media_sfu.rtp import RtpError
from media_sfu.slot import Slot
from media_sfu.source import Source
from media_sfu.srtp import Inbound, Outbound
from media_sfu.tap import Tap
from media_sfu.tcp import TcpPath
from media_sfu.uplink import Uplink

if TYPE_CHECKING:
    from media_sfu.room import Room


class Ended(StrEnum):
    """Why a connection is over."""

    LEFT = "left"
    REMOVED = "removed"
    REPLACED = "replaced by a newer connection"
    NEVER_CONNECTED = "never connected"
    SILENT = "silent"
    FAILED = "DTLS failed"
    CLOSED = "closed by the client"
    FAULT = "a fault of ours"
    STOPPED = "the process stops"


class Owner(Protocol):
    """Who is told of a peer's turns, and hands its handshake on when there is time for it."""

    def connected(self, peer: Peer) -> None: ...

    def hand_on(self, dtls: Dtls, data: bytes) -> None: ...


class Path(Protocol):
    """Where a peer is reached."""

    def __hash__(self) -> int: ...

    def send(self, data: bytes) -> None: ...

    @property
    def address(self) -> tuple[str, int]: ...


class Peer:
    """Made of an offer and a grant. It is its room's as long as it lives; `room` and `number` change with a move."""

    def __init__(
        self,
        peer_id: str,
        grant: VoiceGrant,
        offer: Offer,
        room: Room,
        *,
        limits: VoiceLimits,
        certificate: Certificate,
        advertised: Sequence[Advertised],
        clock: Callable[[], float],
        owner: Owner,
    ) -> None:
        self.id = peer_id
        self.user = grant.user
        self.number = grant.number
        self.may_speak = grant.may_speak
        self.muted = grant.muted
        self.preferred = grant.preferred
        self.room = room
        self.mids = offer.mids
        self.now = clock
        self.remote = offer.credentials
        self.local = Credentials.new()
        self.agent = IceAgent(self.local, self.remote, now=clock())
        self.ice_version = -1
        """Of `agent.version`, when `settle` was called last."""
        self.paths: set[Any] = set()
        self.fragments: set[str] = set()
        self.source = Source(self.number)
        ssrcs: set[int] = set()
        slots: list[Slot] = []
        for media in offer.slots:
            assert media.opus is not None
            slots.append(Slot.new(opus=media.opus, red=media.red, taken=ssrcs))
            ssrcs.add(slots[-1].ssrc)
        self.slots = tuple(slots)
        self.assigned: list[int | None] = [None] * len(self.slots)
        """Whose voice is in each slot."""
        self.leg: Leg | None = None
        """None until media can flow."""
        self.early = 0
        """Packets of media before the keys were there, or from an address that is not proven."""
        self.foreign = 0
        """Packets of another stream than the one that was offered."""
        self.malformed = 0
        """Packets that were authentic and made no sense."""
        self._dtls: Dtls | None = Dtls(
            certificate,
            offer.fingerprint,
            self._send,
            self._ready,
            self._dtls_ended,
            handshake_seconds=limits.handshake_seconds,
        )
        self._dtls_dropped = 0
        self._owner = owner
        self._limits = limits
        self._certificate = certificate
        self._advertised = tuple(advertised)
        self._session = secrets.randbits(62)
        self._version = 1
        self._cname = secrets.token_hex(8)
        self._begun_at = clock()
        self._failed: Ended | None = None
        self._path: Path | None = None
        """Where it was nominated last. Outlives a connection that was lost, until there is another."""
        self._inbound: Inbound | None = None
        uplink = offer.uplink
        self._level_id = 0 if uplink is None else uplink.level_id or 0
        # Empty: the offer names none, then any may come.
        self._ssrcs = frozenset(() if uplink is None else (ssrc.to_bytes(4, "big") for ssrc in uplink.send_ssrcs))
        self._uplink = None if uplink is None else Uplink(uplink.opus or 0, uplink.red, uplink.nack)
        self._tap = Tap(limits, clock())
        self._reports = Reports(_ssrc(ssrcs), self._cname, self.slots, now=clock(), wall=time.time)

    @property
    def heard(self) -> bool:
        """Whether what it says is forwarded."""
        return self.may_speak and not self.muted

    @property
    def lost(self) -> float:
        """The share of what it was sent that it lost, as of its last report."""
        return self._reports.fraction_lost

    @property
    def etag(self) -> str:
        """Of its answer: another after each restart of ICE."""
        return f"{self._session:016x}-{self._version}"

    def answer(self, offer: Offer) -> str:
        """The answer, as SDP. The offer is not kept: it would be most of what is held of a listener."""
        return answer.build(
            offer,
            answer.Local(
                credentials=self.local,
                fingerprint=self._certificate.fingerprint,
                addresses=self._advertised,
                ssrcs=tuple(slot.ssrc for slot in self.slots),
                cname=self._cname,
                session=self._session,
                version=self._version,
            ),
        )

    def restart(self, remote: Credentials) -> None:
        """Begin a new generation of ICE. Keys, slots and numbers stay."""
        self.remote = remote
        self.local = Credentials.new()
        self._version += 1
        self.agent.restart(self.local, remote)

    def move(self, room: Room, number: int) -> None:
        """To another room of the dojo, in which it is called `number`."""
        self.room = room
        self.number = number
        self.source = Source(number)

    def close(self) -> None:
        """Nothing is sent or taken any more."""
        dtls, self._dtls = self._dtls, None
        leg, self.leg = self.leg, None
        inbound, self._inbound = self._inbound, None
        if leg is not None:
            leg.outbound.close()
        if inbound is not None:
            inbound.close()
        if dtls is not None:
            dtls.close()

    def dropped(self) -> Counter[str]:
        """What came from it and was of no use, by why; packets that could not be encrypted for it, too."""
        found = Counter(early=self.early, foreign=self.foreign, refused=self._tap.refused)
        found["malformed"] = self.malformed + self._reports.malformed
        found["dtls"] = self._dtls_dropped if self._dtls is None else self._dtls.dropped
        found["stun"] = sum(self.agent.counts.values())
        if self._inbound is not None:
            found["forged"] = self._inbound.failures
            found["replayed"] = self._inbound.replays
        if self.leg is not None:
            found["unsealed"] = self.leg.outbound.failures
        if self._uplink is not None:
            counts = self._uplink.counts
            found["foreign"] += counts.foreign
            found["malformed"] += counts.malformed
            found["useless"] = counts.old + counts.empty + counts.refused
        return +found

    # ICE and DTLS

    def receive_stun(self, data: bytes, path: Path) -> None:
        """A STUN message that names this peer, or came from one of its addresses."""
        for send in self.agent.receive(data, path, path.address, self.now()):
            send.path.send(send.data)  # type: ignore[attr-defined]  # the agent takes any path, ours all send

    def receive_dtls(self, data: bytes) -> None:
        """A datagram of DTLS. Who says goodbye, or hello again, is read when there is time."""
        if self._dtls is not None:
            self._owner.hand_on(self._dtls, data)

    def settle(self) -> None:
        """After the agent found something out: media goes where it was nominated to. Until something is, the handshake
        takes a path that is valid (RFC 8445, 12.1): browsers nominate with their second check, some 50 ms later."""
        self.ice_version = self.agent.version
        valid = [path for path in self.agent.paths if self.agent.valid(path)]
        for path in valid:
            if isinstance(path, TcpPath):
                path.validated()
        chosen = self.agent.nominated
        if chosen is None:
            if self.leg is not None or not valid or self._path in valid:
                return
            chosen = valid[0]
        if self._path is None and self._dtls is not None:
            self._dtls.start()
        self._path = chosen  # type: ignore[assignment]  # the agent takes any path, ours are all alike
        if self.leg is not None:
            self.leg.path = chosen

    def tick(self, now: float) -> None:
        """Checks that are due, and reports."""
        due = self.agent.due
        if due is not None and now >= due:
            for send in self.agent.tick(now):
                send.path.send(send.data)  # type: ignore[attr-defined]
        if self.leg is not None and self._reports.due(now):
            self._send_rtcp(self._reports.build(now, self.room.listeners_lost))

    def over(self, now: float) -> Ended | None:
        """Why this connection has to end now; None if it may go on."""
        if self._failed is not None:
            return self._failed
        if self.leg is None:
            return Ended.NEVER_CONNECTED if now - self._begun_at > self._limits.handshake_seconds else None
        return Ended.SILENT if now - self.agent.last_heard > self._limits.silent_seconds else None

    def _send(self, data: bytes) -> None:
        if self._path is not None:
            self._path.send(data)

    def _ready(self, outbound: Outbound, inbound: Inbound) -> None:
        self._inbound = inbound
        self.leg = Leg(outbound, self._path)
        self._owner.connected(self)

    def _dtls_ended(self, _why: str) -> None:
        self._failed = Ended.FAILED if self.leg is None else Ended.CLOSED

    # Media

    def receive_media(self, data: bytes, path: Path) -> None:
        """SRTP or SRTCP."""
        inbound = self._inbound
        if inbound is None or not self.agent.valid(path):
            self.early += 1
            return
        now = self.now()
        size = len(data)
        uplink = self._uplink
        if rtp.is_rtcp(data):
            if self._tap.takes(size, now):
                opened = inbound.open_rtcp(data)
                if opened is None:
                    self._tap.give_back(size)
                else:
                    self._receive_rtcp(opened, now)
            return
        if uplink is None or (self._ssrcs and data[8:12] not in self._ssrcs):
            self.foreign += 1  # without an uplink it said that it would only listen
            return
        if not self._tap.takes(size, now):
            return
        opened = inbound.open(data)
        if opened is None:
            self._tap.give_back(size)
            return
        try:
            packet = rtp.parse(opened, self._level_id)
        except RtpError:
            self.malformed += 1
            return
        self._reports.received(packet, now)
        if not self.heard:
            uplink.break_off()
            return
        frames = uplink.receive(packet, now)
        if frames:
            self.room.said(self, packet, frames, now)
        missing = uplink.missing(now)
        if missing:
            self._send_rtcp(self._reports.ask(packet.ssrc, missing))

    def _receive_rtcp(self, data: bytes, now: float) -> None:
        wanted = self._reports.receive(data, now)
        if self._uplink is not None and self._reports.round_trip is not None:
            self._uplink.round_trip = self._reports.round_trip
        leg = self.leg
        if leg is None:
            return
        for packet in wanted:
            sealed = leg.outbound.seal(packet)
            if sealed is not None:
                leg.path.send(sealed)

    def _send_rtcp(self, plain: bytes) -> None:
        leg = self.leg
        if leg is None:
            return
        sealed = leg.outbound.seal_rtcp(plain)
        if sealed is not None:
            leg.path.send(sealed)


def _ssrc(taken: set[int]) -> int:
    """Random, not 0, and none of `taken`."""
    while (ssrc := secrets.randbits(32)) == 0 or ssrc in taken:
        pass
    return ssrc
