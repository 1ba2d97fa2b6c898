"""A room's voice: who is in, who is loudest, and in whose slots they are."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from media_sfu.assignment import assign
from media_sfu.forwarder import Forwarder
from media_sfu.frame import Frame
from media_sfu.peer import Peer
from media_sfu.recording.recorder import Recorder
from media_sfu.rtp import RtpPacket
from media_sfu.selection import Selection
from media_sfu.source import Source
from media_sfu.state import PersonState, RoomChange, RoomState

if TYPE_CHECKING:
    from media_sfu.relay.relay import RoomRelay

PARTED_SECONDS: Final = 5.0
"""For so long it is told how long somebody had talked who left: in two or three states, since one may be missed."""
LOSSES_SECONDS: Final = 1.0
"""Between two looks at what listeners lose. They report every few seconds."""
MOST_TOLD_LOST: Final = 0.1
"""At 10% browsers add as much redundancy as they ever do."""
MOST_STEP_SECONDS: Final = 0.1
"""Talk time counted for one step: a process that was held up did not hear anybody meanwhile."""

_VERSIONS: Final = itertools.count(1)
"""Of the people of all rooms of this process: one that all have left and that is entered again begins no anew."""

_Change = tuple[list[int | None], list[tuple[int, Source | None, Source | None]]]
_Made = dict[tuple[int | None, ...], _Change]


class Room:
    """Participants by number. What peers say comes in through `said`; `step` is called every 20 ms."""

    def __init__(
        self, tenant: UUID, dojo: UUID, room: UUID, *, slots: int, forwarder: Forwarder, recorder: Recorder | None
    ) -> None:
        self.tenant = tenant
        self.dojo = dojo
        self.id = room
        self.people: dict[int, Peer] = {}
        self.recording = False
        self.changed = True
        """Whether there is something new to tell."""
        self.version = next(_VERSIONS)
        """Another one with each change of the people, but for who is speaking."""
        self.talked: set[int] = set()
        """Who has talked, by number, since whoever tells of this room emptied it."""
        self.relay: RoomRelay | None = None
        """While other processes have people of this room, too."""
        self._relayed: dict[int, bool] = {}
        """Those of them who are heard here, by number: whether they are preferred."""
        self._seats: list[int | None] = [None] * slots
        """Who is in the slots of whoever is not heard themselves."""
        self._forwarder = forwarder
        self._recorder = recorder
        self._sources: dict[int, Source] = {}
        self._selection = Selection(slots)
        self._speaking: frozenset[int] = frozenset()
        self._spoken: dict[int, float] = {}
        self._parted: dict[int, tuple[float, float]] = {}
        """Who left a moment ago: how long they had talked, and until when that is told."""
        self._stepped_at: float | None = None
        self._listeners_lost = 0.0
        self._losses_at = 0.0
        self._recorded: dict[int, tuple[str, int]] = {}
        """By number: the connection and SSRC that the recorder was told the frames come from."""

    # Who is in

    def enter(self, peer: Peer) -> Peer | None:
        """Returns the connection of the same participant that this one takes the place of."""
        before = self.people.get(peer.number)
        if before is not None:
            self.leave(before)
        self.unrelayed(peer.number)
        self.people[peer.number] = peer
        self._sources[peer.number] = peer.source
        self._spoken[peer.number] = self._parted.pop(peer.number, (0.0, 0.0))[0]
        if peer.preferred:
            self._prefer()
        if self.recording:
            self._introduce(peer, peer.now())
        self._people_changed()
        return before

    def leave(self, peer: Peer) -> None:
        """Nobody hears it any more, and it hears nobody. Does nothing if it is not in."""
        if self.people.get(peer.number) is not peer:
            return
        del self.people[peer.number]
        self.deafen(peer)
        self.silence(peer.number)
        del self._sources[peer.number]
        self._parted[peer.number] = (self._spoken.pop(peer.number), (self._stepped_at or 0.0) + PARTED_SECONDS)
        self._recorded.pop(peer.number, None)
        self.talked.discard(peer.number)
        if peer.preferred:
            self._prefer()
        self._people_changed()

    def join_in(self, peer: Peer) -> None:
        """Its media can flow now: it hears whoever is heard."""
        self._seat(peer, {})
        self._people_changed()

    def rights(self, peer: Peer, *, may_speak: bool, muted: bool, preferred: bool) -> None:
        """What it may do from now on."""
        was_heard, was_preferred = peer.heard, peer.preferred
        peer.may_speak, peer.muted, peer.preferred = may_speak, muted, preferred
        if not peer.heard:
            self.silence(peer.number)
        if preferred != was_preferred:
            self._prefer()
        if self._recorder is not None and self.recording and peer.heard != was_heard:
            self._recorder.muted(self.id, peer.number, not peer.heard, peer.now())
        self._people_changed()

    def mute(self, muted: bool, but: Collection[int]) -> None:
        """Everybody but those."""
        spared = frozenset(but)
        for peer in self.people.values():
            if peer.number not in spared and peer.muted != muted:
                self.rights(peer, may_speak=peer.may_speak, muted=muted, preferred=peer.preferred)

    def silence(self, number: int) -> None:
        """Nobody hears them until they speak again."""
        if self.relay is not None:
            self.relay.gone(number)
        self._selection.gone(number)
        self._seats = [None if seat == number else seat for seat in self._seats]
        source = self._sources.get(number)
        if source is None or not source.heard:
            return
        for other in self.people.values():
            for place, seated in enumerate(other.assigned):
                if seated == number:
                    source.detach(other.slots[place])
                    other.assigned[place] = None

    def deafen(self, peer: Peer) -> None:
        """It hears nobody any more."""
        for place, number in enumerate(peer.assigned):
            if number is not None:
                source = self._sources.get(number)
                if source is not None:
                    source.detach(peer.slots[place])
                peer.assigned[place] = None

    # What is said

    def said(self, peer: Peer, packet: RtpPacket, frames: Sequence[Frame], now: float) -> None:
        """A packet that came from `peer`, and what is to be forwarded because of it: one frame at least."""
        number = peer.number
        # Without what a packet repeats of earlier ones: their size says nothing of how loud it is now.
        if self._selection.heard(number, packet.level, packet.voice, len(frames[-1].opus), now):
            self._choose(now)  # so that not even the first packet of a word is lost
        source = peer.source
        self._forward(source, frames, now)
        if self.relay is not None:
            self.relay.said(source, packet, frames, now)
        if self.recording and self._recorder is not None:
            stream = (peer.id, packet.ssrc)
            if self._recorded.get(number) != stream:
                self._recorded[number] = stream
                self._recorder.source(self.id, number, packet.ssrc, now)
            for frame in frames:
                self._recorder.frame(self.id, number, frame, now)

    def relayed(self, number: int, packet: RtpPacket, frames: Sequence[Frame], now: float, *, preferred: bool) -> bool:
        """The same of somebody who is in this room on another process. They are known, recorded and muted there; and
        what came from there goes to nobody but listeners. False if they are here: that counts more."""
        if number in self.people:
            return False
        source = self._sources.get(number)
        if source is None:
            source = self._sources[number] = Source(number)
        if self._relayed.get(number) != preferred:
            self._relayed[number] = preferred
            self._prefer()
        if frames:
            if self._selection.heard(number, packet.level, packet.voice, len(frames[-1].opus), now):
                self._choose(now)
            self._forward(source, frames, now)
        return True

    def unrelayed(self, number: int) -> None:
        """Nothing comes of them any more. Does nothing if nothing did."""
        if self._relayed.pop(number, None) is not None:
            self.silence(number)
            del self._sources[number]
            self._prefer()
            self.changed = True

    def _forward(self, source: Source, frames: Sequence[Frame], now: float) -> None:
        if source.heard:
            for frame in frames:
                self._forwarder.forward(source, frame, now)
        else:
            for frame in frames:
                source.history.add(frame, now)

    def step(self, now: float) -> None:
        """Look who is loudest."""
        self._choose(now)
        self._look_at_losses(now)
        speaking = self._selection.speaking(now)
        if self._relayed:
            speaking = speaking.difference(self._relayed)  # what is told of them is told by their own process
        if self._stepped_at is not None and speaking:
            passed = min(now - self._stepped_at, MOST_STEP_SECONDS)
            for number in speaking:
                self._spoken[number] += passed
            self.talked |= speaking
        self._stepped_at = now
        if self._parted:
            self._parted = {number: parted for number, parted in self._parted.items() if parted[1] > now}
        if speaking != self._speaking:
            self._speaking = speaking
            self.changed = True

    @property
    def listeners_lost(self) -> float:
        """The share that the listener on the worst line loses, `MOST_TOLD_LOST` at most: one whose line is all but gone
        is helped by nobody's redundancy."""
        return self._listeners_lost

    def _look_at_losses(self, now: float) -> None:
        if now >= self._losses_at:
            self._losses_at = now + LOSSES_SECONDS
            worst = max((peer.lost for peer in self.people.values()), default=0.0)
            self._listeners_lost = min(worst, MOST_TOLD_LOST)

    def _choose(self, now: float) -> None:
        if self._selection.step(now):
            self._seat_all()
            self.changed = True

    # Who hears whom

    def _seat_all(self) -> None:
        self._seats = assign(self._seats, self._wanted(0, len(self._seats)), 0)
        # Nearly all listeners have the same in their slots: the choice is made once for each that differs.
        made: _Made = {}
        for peer in self.people.values():
            if peer.leg is not None:
                self._seat(peer, made)

    def _seat(self, peer: Peer, made: _Made) -> None:
        own = peer.number if peer.number in self._selection.chosen else 0
        before = peer.assigned
        key = (*before, own)
        if key not in made:
            made[key] = self._change(before, own)
        after, changes = made[key]
        if not changes:
            return
        leg, slots = peer.leg, peer.slots
        assert leg is not None
        for place, old, new in changes:
            slot = slots[place]
            if old is not None:
                old.detach(slot)
            if new is not None:
                new.attach(slot, leg)
        peer.assigned = list(after)

    def _change(self, before: Sequence[int | None], own: int) -> _Change:
        """What becomes of a listener's slots, and which of them change from whom to whom."""
        slots = len(before)
        current = before
        if not any(before):
            # A newcomer begins as the others are, so that they stay alike.
            current = [None if n == own else n for n in (*self._seats, *[None] * slots)[:slots]]
        after = assign(current, self._wanted(own, slots), own)
        sources = self._sources
        return after, [
            (place, None if old is None else sources[old], None if new is None else sources[new])
            for place, (old, new) in enumerate(zip(before, after, strict=True))
            if old != new
        ]

    def _wanted(self, own: int, slots: int) -> list[int]:
        chosen = self._selection.chosen
        return [number for number in chosen if number != own and number in self._sources][:slots]

    def _prefer(self) -> None:
        ours = self.preferred
        self._selection.prefer([*ours, *(number for number, preferred in self._relayed.items() if preferred)])
        if self.relay is not None:
            self.relay.prefer(ours)

    @property
    def preferred(self) -> list[int]:
        """Pilot and sensei, those of this process."""
        return [peer.number for peer in self.people.values() if peer.preferred]

    # What is told

    def _people_changed(self) -> None:
        self.changed = True
        self.version = next(_VERSIONS)

    def change(self) -> RoomChange:
        """Who speaks, and in which slots they are."""
        return RoomChange(
            room=self.id,
            version=self.version,
            speaking=sorted(self._speaking),
            slots=list(self._seats),
            own=self._own_slots(),
            recording=self.recording,
            recording_trouble=self._trouble,
            spoken={str(number): round(self._spoken[number], 2) for number in self.talked},
        )

    def _own_slots(self) -> dict[str, list[int | None]]:
        """Of those who have others than is usual."""
        usual = self._seats
        return {
            str(peer.number): list(peer.assigned)
            for peer in self.people.values()
            if peer.leg is not None and peer.assigned != usual[: len(peer.assigned)]
        }

    @property
    def _trouble(self) -> str | None:
        return None if self._recorder is None else self._recorder.trouble(self.id)

    def state(self) -> RoomState:
        """The same, and who is in."""
        spoken = {number: seconds for number, (seconds, _) in self._parted.items()} | self._spoken
        return RoomState(
            room=self.id,
            dojo=self.dojo,
            tenant=self.tenant,
            people=[
                PersonState(
                    number=peer.number,
                    user=peer.user,
                    muted=peer.muted,
                    may_speak=peer.may_speak,
                    preferred=peer.preferred,
                    speaking=peer.number in self._speaking,
                    connected=peer.leg is not None,
                )
                for peer in self.people.values()
            ],
            slots=list(self._seats),
            own=self._own_slots(),
            recording=self.recording,
            recording_trouble=self._trouble,
            spoken={str(number): round(seconds, 2) for number, seconds in spoken.items()},
            version=self.version,
        )

    # Recording

    def record(self, prefix: str | None) -> None:
        """Begin to record under `prefix`; None: end. Raises `BlobKeyRefused`."""
        if self._recorder is None or (prefix is not None) == self.recording:
            return
        if prefix is None:
            self._recorder.end(self.id)
            self._recorded.clear()
        else:
            self._recorder.begin(self.id, prefix)
        self.recording = prefix is not None
        if self.recording:
            for peer in self.people.values():
                self._introduce(peer, peer.now())
        self.changed = True

    def _introduce(self, peer: Peer, now: float) -> None:
        """Tell the recorder who somebody is."""
        assert self._recorder is not None
        self._recorder.joined(self.id, peer.number, peer.user, now)
        if not peer.heard:
            self._recorder.muted(self.id, peer.number, True, now)
