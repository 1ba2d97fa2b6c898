"""A listener who is sent packets through one slot, and speakers to be in it, as an uplink numbers them."""

from __future__ import annotations

from dataclasses import dataclass, field

from media_sfu.frame import Frame
from media_sfu.history import History
from media_sfu.slot import NEVER, Resend, Slot

OPUS, RED = 111, 63
PACKET = 960


class Speaker:
    """A source with numbers and timestamps of its own, as an uplink makes them."""

    def __init__(self, participant: int, number: int = 0, timestamp: int = 0) -> None:
        self.participant = participant
        self.history = History()
        self.number = number
        self.timestamp = timestamp

    def frame(self, number: int | None = None, reach: int = 0) -> Frame:
        at = self.number if number is None else number
        sound = b"%d:%d" % (self.participant, at)
        red = b"red " + sound if reach else None
        return Frame(at, self.timestamp + at * PACKET, at % 50 == 0, sound, red, reach)

    def say(self, now: float, reach: int = 0) -> Frame:
        frame = self.frame(reach=reach)
        self.history.add(frame, now)
        self.number += 1
        return frame


@dataclass
class Packet:
    """A packet as a listener gets it, but for the encryption."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    participant: int
    payload: bytes


def packet(slot: Slot, speaker: Speaker, frame: Frame) -> Packet:
    """As the forwarding loop makes it, from the slot's plain attributes."""
    as_red = frame.red is not None and frame.number - frame.reach >= slot.red_from
    payload = frame.red if as_red else frame.opus
    assert payload is not None
    payload_type = slot.red if as_red else slot.opus
    assert payload_type is not None
    return Packet(
        payload_type,
        frame.marker,
        (frame.number + slot.number_offset) & 0xFFFF,
        (frame.timestamp + slot.timestamp_offset) & 0xFFFFFFFF,
        slot.ssrc,
        speaker.participant,
        payload,
    )


def again(slot: Slot, resend: Resend) -> Packet:
    """The same from what `resend` gives."""
    payload = resend.frame.red if resend.as_red else resend.frame.opus
    assert payload is not None
    payload_type = slot.red if resend.as_red else slot.opus
    assert payload_type is not None
    return Packet(
        payload_type,
        resend.frame.marker,
        resend.sequence,
        resend.timestamp,
        slot.ssrc,
        resend.source.participant,
        payload,
    )


def new_slot(red: int | None = RED, first_sequence: int = 100, first_timestamp: int = 5_000) -> Slot:
    return Slot(1, opus=OPUS, red=red, first_sequence=first_sequence, first_timestamp=first_timestamp)


@dataclass
class Listener:
    """Sends through a slot and keeps what was sent, as a receiver and an attacker would."""

    slot: Slot
    sent: list[Packet] = field(default_factory=list)

    def hear(self, speaker: Speaker, now: float, *, reach: int = 0) -> Packet:
        if self.slot.source is not speaker:
            self.slot.attach(speaker)
        frame = speaker.say(now, reach)
        if self.slot.first_number == NEVER:
            self.slot.begin(frame, now)
        self.sent.append(packet(self.slot, speaker, frame))
        assert (self.sent[-1].sequence, self.sent[-1].timestamp) == self.slot.next(frame)
        assert (self.sent[-1].payload_type == self.slot.red) == self.slot.as_red(frame)
        return self.sent[-1]
