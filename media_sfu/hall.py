"""All that one voice process holds: its rooms and its peers, and what comes in for them.

Datagrams come in through `receive`, told apart by their first byte (RFC 7983). A datagram from an address nobody is
known at costs one look-up, unless it is a STUN request that names a peer.

A fault in what is done for one peer or one room must not cost the others anything: wherever there is a loop over them,
each is guarded, and a peer whose care fails is ended.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from kernel.tokens.voice_grant import VoiceGrant
from media_sfu import offer as offers
from media_sfu import sdpfrag
from media_sfu.answer import Advertised
from media_sfu.certificate import Certificate
from media_sfu.dtls import Dtls
from media_sfu.forwarder import Forwarder
from media_sfu.handshakes import Handshakes
from media_sfu.limits import VoiceLimits
from media_sfu.peer import Ended, Path, Peer
from media_sfu.recording.recorder import Recorder
from media_sfu.room import Room
from media_sfu.state import RoomState
from media_sfu.whereabouts import Whereabouts

STEP_SECONDS: Final = 0.02
"""Between two choices of who is heard: one Opus packet."""
ROUND_STEPS: Final = 25
"""Every connected peer is looked at once in so many steps, half a second: a few in each, so that the reports of a
thousand never go out in one piece."""

log = logging.getLogger(__name__)


class Full(Exception):
    """No more people here; the text says why."""


class TooManyPending(Exception):
    """This user has begun too many connections that were never finished."""


class NoSuchPeer(Exception):
    """It has ended, or never was this user's."""


class WrongVersion(Exception):
    """The fragment belongs to an answer that another one has replaced."""


class ForeignRoom(Exception):
    """The room is another dojo's."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The answer to an offer, or to the fragment of a restart."""

    peer: str
    answer: str
    etag: str


@dataclass(slots=True)
class Counts:
    """What came in and was of no use, and what ended."""

    unknown: int = 0
    """Datagrams but STUN from addresses nobody is known at."""
    malformed: int = 0
    """Of no kind that is spoken here."""
    faults: int = 0
    """Of ours, each at the cost of one peer or one step of one room."""
    ended: Counter[Ended] = field(default_factory=Counter)
    """Peers, by why."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Packets of peers that have ended, by why."""


class Hall:
    """Runs on the event loop; `step` is called by whoever owns the clock."""

    def __init__(
        self,
        *,
        limits: VoiceLimits,
        certificate: Certificate,
        advertised: Sequence[Advertised],
        forwarder: Forwarder,
        recorder: Recorder | None,
        clock: Callable[[], float],
        soon: Callable[[Callable[[], None]], object],
        tell: Callable[[Room], None],
    ) -> None:
        """`clock` is monotonic seconds. `soon` calls back in the next turn, as `AbstractEventLoop.call_soon` does.
        `tell` is called with each room that the last one has left; of the others `changed` says so."""
        self.rooms: dict[UUID, Room] = {}
        self.peers: dict[str, Peer] = {}
        self.counts = Counts()
        self.handshakes = Handshakes(soon)
        self.whereabouts = Whereabouts()
        self._by_path = self.whereabouts.by_path
        self._limits = limits
        self._certificate = certificate
        self._advertised = tuple(advertised)
        self._forwarder = forwarder
        self._recorder = recorder
        self._now = clock
        self._tell = tell
        self._pending: dict[str, Peer] = {}
        self._restless: dict[str, Peer] = {}
        """Those with checks of ours under way: looked at in each step, as the pending ones are."""
        self._round: Iterator[Peer] = iter(())

    # Coming and going

    def admit(self, grant: VoiceGrant, sdp: str) -> Admitted:
        """Answer an offer. Raises `sdp.SdpError`, `Full`, `TooManyPending`, `ForeignRoom`."""
        limits = self._limits
        room = self.rooms.get(grant.room)
        if room is not None and (room.dojo != grant.dojo or room.tenant != grant.tenant):
            raise ForeignRoom
        returns = room is not None and grant.number in room.people
        if len(self.peers) - returns >= limits.peers:
            raise Full("this voice server is full")
        if room is not None and len(room.people) - returns >= limits.peers_per_room:
            raise Full("this room is full")
        if sum(peer.user == grant.user for peer in self._pending.values()) >= limits.pending_per_user:
            raise TooManyPending
        offer = offers.read(sdp, limits.slots)
        if room is None:
            room = self._room(grant.tenant, grant.dojo, grant.room)
        peer = Peer(
            str(uuid4()),
            grant,
            offer,
            room,
            limits=limits,
            certificate=self._certificate,
            advertised=self._advertised,
            clock=self._now,
            owner=self,
        )
        answer = peer.answer(offer)
        # Nothing raises from here on.
        self.rooms[room.id] = room
        self.peers[peer.id] = self._pending[peer.id] = peer
        self._settle(peer)
        before = room.enter(peer)
        if before is not None:
            self.end(before, Ended.REPLACED)
        return Admitted(peer.id, answer, peer.etag)

    def patch(self, grant: VoiceGrant, peer_id: str, etag: str, text: str) -> Admitted | None:
        """A trickled candidate needs nothing: the peer's own checks tell its address. New credentials restart ICE; then
        there is an answer. `etag`: "*" fits any. Raises `sdp.SdpError`, `NoSuchPeer`, `WrongVersion`."""
        peer = self._peer(grant, peer_id)
        fragment = sdpfrag.read(text)
        if etag not in {"*", peer.etag}:
            raise WrongVersion
        if fragment.credentials is None or not fragment.restarts(peer.remote):
            return None
        peer.restart(fragment.credentials)
        self._settle(peer)
        return Admitted(peer.id, sdpfrag.answer(peer.local, self._advertised, peer.mids), peer.etag)

    def leave(self, grant: VoiceGrant, peer_id: str) -> None:
        """By its own wish. Raises `NoSuchPeer`."""
        self.end(self._peer(grant, peer_id), Ended.LEFT)

    def end(self, peer: Peer, why: Ended) -> None:
        """Stop its media and forget it. Does nothing the second time."""
        if self.peers.pop(peer.id, None) is None:
            return
        self._pending.pop(peer.id, None)
        self._restless.pop(peer.id, None)
        room = peer.room
        self.counts.ended[why] += 1
        parts = (
            partial(room.leave, peer),
            partial(self._remember, peer),
            peer.close,
            partial(self.whereabouts.forget, peer),
        )
        for part in parts:
            try:
                part()
            except Exception:
                self._fault("the end of a connection")
        log.info("a voice connection of room %s has ended: %s", room.id, why)
        self._close_if_empty(room)

    def _remember(self, peer: Peer) -> None:
        self.counts.dropped.update(peer.dropped())

    def close(self) -> None:
        """End everybody's connection."""
        for peer in list(self.peers.values()):
            self.end(peer, Ended.STOPPED)

    @property
    def media_flows(self) -> int:
        """Peers that have finished their handshake."""
        return len(self.peers) - len(self._pending)

    def dropped(self) -> Counter[str]:
        """Packets of all peers that were of no use, by why, since the process began."""
        return sum((peer.dropped() for peer in self.peers.values()), self.counts.dropped)

    # What peers tell

    def connected(self, peer: Peer) -> None:
        """Its media can flow."""
        self._pending.pop(peer.id, None)
        peer.room.join_in(peer)

    def hand_on(self, dtls: Dtls, data: bytes) -> None:
        """To a handshake, when it is its turn."""
        self.handshakes.put(dtls, data)

    def _peer(self, grant: VoiceGrant, peer_id: str) -> Peer:
        peer = self.peers.get(peer_id)
        if peer is None or peer.user != grant.user or peer.room.dojo != grant.dojo:
            raise NoSuchPeer
        return peer

    def _room(self, tenant: UUID, dojo: UUID, room: UUID) -> Room:
        return Room(
            tenant, dojo, room, slots=self._limits.slots, forwarder=self._forwarder, recorder=self._recorder
        )  # fmt: skip

    def _close_if_empty(self, room: Room) -> None:
        if not room.people and self.rooms.get(room.id) is room:
            del self.rooms[room.id]
            room.record(None)
            self._tell(room)

    # What the edge commands: each returns whether there is somebody to whom it applies

    def rights(
        self,
        room_id: UUID,
        number: int,
        *,
        may_speak: bool,
        muted: bool,
        preferred: bool,
        to_room: UUID | None,
        to_number: int | None,
    ) -> bool:
        """What somebody may do from now on, and where. Raises `ForeignRoom`."""
        room = self.rooms.get(room_id)
        peer = None if room is None else room.people.get(number)
        if room is None or peer is None:
            return False
        moves = to_room is not None and to_room != room_id
        if moves and to_room in self.rooms and self.rooms[to_room].dojo != room.dojo:
            raise ForeignRoom
        room.rights(peer, may_speak=may_speak, muted=muted, preferred=preferred)
        if to_room is not None and moves:
            self._move(peer, to_room, to_number or number)
        return True

    def _move(self, peer: Peer, to_room: UUID, number: int) -> None:
        """Its connection stays as it is: what its slots carry comes from other people now."""
        before = peer.room
        before.leave(peer)
        after = self.rooms.get(to_room)
        if after is None:
            after = self.rooms[to_room] = self._room(before.tenant, before.dojo, to_room)
        peer.move(after, number)
        replaced = after.enter(peer)
        if replaced is not None:
            self.end(replaced, Ended.REPLACED)
        if peer.leg is not None:
            after.join_in(peer)
        self._close_if_empty(before)

    def remove(self, room_id: UUID, number: int) -> bool:
        """Nothing of theirs is forwarded any more, from now on."""
        room = self.rooms.get(room_id)
        peer = None if room is None else room.people.get(number)
        if peer is not None:
            self.end(peer, Ended.REMOVED)
        return peer is not None

    def mute(self, room_id: UUID, muted: bool, but: Collection[int]) -> bool:
        """Everybody in the room but those."""
        room = self.rooms.get(room_id)
        if room is not None:
            room.mute(muted, but)
        return room is not None

    def record(self, room_id: UUID, prefix: str | None) -> bool:
        """Record the room under `prefix`; None: no more. Raises `BlobKeyRefused`."""
        room = self.rooms.get(room_id)
        if room is not None:
            room.record(prefix)
        return room is not None

    def state(self, room_id: UUID) -> RoomState | None:
        """What is told of a room; None if nobody is in."""
        room = self.rooms.get(room_id)
        return None if room is None else room.state()

    # Datagrams

    def receive(self, data: bytes, path: Path) -> None:
        """One datagram, or one frame of a TCP connection."""
        if not data:
            return
        first = data[0]
        if first <= 3:
            for peer in self.whereabouts.asked(data, path):
                peer.receive_stun(data, path)
                if peer.ice_version != peer.agent.version:
                    self._settle(peer)
            return
        known = self._by_path.get(path)
        if 128 <= first <= 191:
            if known is not None:
                known.receive_media(data, path)
                return
        elif 20 <= first <= 63:
            if known is not None:
                known.receive_dtls(data)
                return
        else:
            self.counts.malformed += 1
            return
        self.counts.unknown += 1

    def gone(self, path: Path) -> None:
        """A TCP connection was closed."""
        peer = self._by_path.get(path)
        if peer is not None:
            peer.agent.lost(path)
            self._settle(peer)

    def _settle(self, peer: Peer) -> None:
        """ICE found something out: which addresses are the peer's, and by which names it may be called."""
        self.whereabouts.settle(peer)
        peer.settle()
        if peer.agent.due is not None:
            self._restless[peer.id] = peer

    # The clock

    def step(self, now: float) -> None:
        """Every `STEP_SECONDS`: who is heard, and what waits for an answer."""
        for room in self.rooms.values():
            try:
                room.step(now)
            except Exception:
                self._fault("the choice of who is heard")
        for peer in list((self._pending | self._restless).values()):
            self._care(peer, now)
        for _ in range(len(self.peers) // ROUND_STEPS + 1):
            following = next(self._round, None)
            if following is None:
                self._round = iter([peer for peer in self.peers.values() if peer.leg is not None])
                break
            if following.id in self.peers:
                self._care(following, now)

    def _care(self, peer: Peer, now: float) -> None:
        try:
            peer.tick(now)
            if peer.ice_version != peer.agent.version:
                self._settle(peer)
            elif peer.agent.due is None:
                self._restless.pop(peer.id, None)
            why = peer.over(now)
        except Exception:
            self._fault("the care of a connection")
            why = Ended.FAULT
        if why is not None:
            self.end(peer, why)

    def _fault(self, what: str) -> None:
        self.counts.faults += 1
        if self.counts.faults & (self.counts.faults - 1) == 0:  # the log is for people: once, twice, four times
            log.exception("%s failed (%d faults so far)", what, self.counts.faults)
