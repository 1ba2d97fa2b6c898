"""What comes from other processes for one room: each speaker there as a gapless stream, as `Uplink` makes one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from media_sfu.frame import OPUS_PT, Frame
from media_sfu.relay.packet import RelayPacket
from media_sfu.rtp import RtpPacket
from media_sfu.uplink import Uplink

END_SECONDS: Final = 1.5
"""A speaker of whom nothing came for so long is no source any more. Silence of Opus has a packet every 0.4 s; whoever
was lost with their process, muted, or is not among the loudest there has none."""
MOVE_SECONDS: Final = 0.5
"""Somebody who comes from another process than before is taken from there after so long: they have moved. Two that
send the same one at once are not heard in turns."""
MOST_SPEAKERS: Final = 64
"""Of other processes at once: eight slots of eight processes."""

_RED_PT: Final = 63
"""Between a packet and its `Uplink` only."""


class Listening(Protocol):
    """The room that hears them."""

    def relayed(self, number: int, packet: RtpPacket, frames: Sequence[Frame], now: float, *, preferred: bool) -> bool:
        """A packet of somebody who is in the room on another process, and what is to be forwarded of it. False if they
        are here: that counts more."""

    def unrelayed(self, number: int) -> None:
        """Nothing comes of them any more."""


@dataclass(slots=True)
class _Speaker:
    sender: str
    uplink: Uplink
    heard_at: float


class Arrivals:
    """Counters: `taken`; `doubled`, dropped because the same participant comes from elsewhere; `surplus`, of more
    speakers than there can be."""

    def __init__(self, room: Listening) -> None:
        self.taken = 0
        self.doubled = 0
        self.surplus = 0
        self._room = room
        self._speakers: dict[int, _Speaker] = {}

    @property
    def speakers(self) -> dict[int, str]:
        """From which process each comes, by participant number."""
        return {number: speaker.sender for number, speaker in self._speakers.items()}

    def take(self, sender: str, packet: RelayPacket, now: float) -> None:
        """A packet that is authentic, for this room."""
        number = packet.participant
        speaker = self._speakers.get(number)
        if speaker is None:
            if len(self._speakers) >= MOST_SPEAKERS:
                self.surplus += 1
                return
            # It keeps a number free as the origin did, by the same rules, so that what came late there comes here too.
            speaker = self._speakers[number] = _Speaker(sender, Uplink(OPUS_PT, _RED_PT, nack=True), now)
        elif speaker.sender != sender:
            if now - speaker.heard_at < MOVE_SECONDS:
                self.doubled += 1
                return
            speaker.sender = sender
        speaker.heard_at = now
        rtp = RtpPacket(
            marker=packet.marker,
            payload_type=_RED_PT if packet.red else OPUS_PT,
            sequence=packet.number & 0xFFFF,
            timestamp=packet.timestamp & 0xFFFFFFFF,
            ssrc=packet.stream,
            level=packet.level,
            voice=packet.voice,
            payload=packet.sound,
        )
        frames = speaker.uplink.receive(rtp, now)
        if self._room.relayed(number, rtp, frames, now, preferred=packet.preferred):
            self.taken += 1
        else:
            del self._speakers[number]
            self.doubled += 1

    def step(self, now: float) -> None:
        """End those who are silent for good, several times a second."""
        for number in [n for n, speaker in self._speakers.items() if now - speaker.heard_at > END_SECONDS]:
            self._end(number)

    def close(self) -> None:
        """Nobody comes from anywhere any more."""
        for number in list(self._speakers):
            self._end(number)

    def _end(self, number: int) -> None:
        del self._speakers[number]
        self._room.unrelayed(number)
