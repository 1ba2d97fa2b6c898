"""What a process offers the others of one room: the frames of its own loudest people."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from typing import Final

from media_sfu.frame import Frame
from media_sfu.relay.packet import MOST_SOUND, RelayPacket, build
from media_sfu.rtp import RtpPacket
from media_sfu.selection import Selection
from media_sfu.source import Source

_STREAM_BITS: Final = 32


class Offering:
    """Chosen among the people of this process alone: what arrived from another one is never offered."""

    def __init__(self, room: bytes, slots: int, send: Callable[[bytes], None]) -> None:
        """`slots`: how many the listeners of others have. `send` takes each packet, for all of them."""
        self.sent = 0
        self.too_large = 0
        """Frames left out: with more sound than a packet takes."""
        self._room = room
        self._send = send
        # Whoever listens elsewhere is none of ours: there is no one more for a speaker who does not hear itself.
        self._selection = Selection(slots - 1)
        self._preferred: frozenset[int] = frozenset()
        self._streams: dict[int, tuple[Source, int]] = {}

    @property
    def chosen(self) -> tuple[int, ...]:
        """Whose frames are sent."""
        return self._selection.chosen

    def said(self, source: Source, packet: RtpPacket, frames: Sequence[Frame], now: float) -> None:
        """Somebody of this process sent a packet, and what is to be forwarded of it: one frame at least."""
        number = source.participant
        if self._selection.heard(number, packet.level, packet.voice, len(frames[-1].opus), now):
            self._selection.step(now)  # the other process chooses too, and that takes time enough
        if number not in self._selection.chosen:
            return
        known = self._streams.get(number)
        if known is None or known[0] is not source:
            known = self._streams[number] = (source, secrets.randbits(_STREAM_BITS))
        for frame in frames:
            red = frame.red is not None and len(frame.red) <= MOST_SOUND
            sound = frame.red if red and frame.red is not None else frame.opus
            if len(sound) > MOST_SOUND:
                self.too_large += 1
                continue
            self.sent += 1
            self._send(
                build(
                    RelayPacket(
                        room=self._room,
                        participant=number,
                        stream=known[1],
                        level=packet.level,
                        voice=None if packet.level is None else packet.voice,
                        preferred=number in self._preferred,
                        marker=frame.marker,
                        red=red,
                        number=frame.number,
                        timestamp=frame.timestamp,
                        sound=sound,
                    )
                )
            )

    def gone(self, number: int) -> None:
        """They have left, or may not be heard any more: nothing of theirs is sent from now on."""
        self._selection.gone(number)
        self._streams.pop(number, None)

    def prefer(self, numbers: Collection[int]) -> None:
        """Pilot and sensei, those of this process."""
        self._preferred = frozenset(numbers)
        self._selection.prefer(self._preferred)

    def step(self, now: float) -> None:
        """Look who is loudest, every 20 ms."""
        self._selection.step(now)
