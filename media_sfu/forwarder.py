"""The loop that everything else stands around: one frame, copied, renumbered, encrypted and sent to each listener.

A packet costs some 5 us here, so this is written for the interpreter: no call but those that do the work, nothing
allocated per listener. What differs between listeners is 12 bytes of header and the key.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from typing import Final

from media_sfu.frame import Frame
from media_sfu.sendmmsg import Batch
from media_sfu.slot import Slot
from media_sfu.source import Source
from media_sfu.srtp import ffi, lib

FIRST_BYTE: Final = 0x81
"""Version 2, one CSRC (RFC 3550, 5.1)."""
MARKER: Final = 0x80
HEADER: Final = struct.Struct(">BBHII")
"""Version, payload type, sequence, timestamp, SSRC. The CSRC and the payload follow."""
_EMPTY_HEADER: Final = bytes(HEADER.size)

log = logging.getLogger(__name__)


class Forwarder:
    """`forward` puts packets into the batch, which is sent at the end of the event loop's turn."""

    def __init__(self, batch: Batch, soon: Callable[[Callable[[], None]], object]) -> None:
        """`soon` calls back at the end of the turn, as `AbstractEventLoop.call_soon` does."""
        self._batch = batch
        self._soon = soon
        self._flushing = False
        self.forwarded = 0
        self.refused = 0
        """Packets that could not be encrypted. They are not sent: their buffer still holds plain speech."""
        self.faults = 0
        """Packets whose sending raised. One listener's fault must not cost those after it theirs."""

    def forward(self, source: Source, frame: Frame, now: float) -> None:
        """Send `frame` to everyone in whose slots `source` is."""
        source.history.add(frame, now)
        if source.starting:
            source.begin(frame, now)
        number, timestamp = frame.number, frame.timestamp
        marker = MARKER if frame.marker else 0
        opus = image(source.participant, frame.opus)
        opus_length = len(opus)
        red = None if frame.red is None else image(source.participant, frame.red)
        red_length = 0 if red is None else len(red)
        octets = len(frame.opus)
        reach = frame.reach
        batch = self._batch
        pointers, views, lengths, commit = batch.pointers, batch.views, batch.lengths, batch.commit
        memmove, pack_into, protect = ffi.memmove, HEADER.pack_into, lib.srtp_protect
        left_out = 0
        for slot, leg in source.targets.items():
            if number < slot.first_number:
                left_out += 1  # said before this listener heard the speaker
                continue
            try:
                index = batch.count
                pointer, length = pointers[index], lengths[index]
                if red is not None and number - reach >= slot.red_from:
                    memmove(pointer, red, red_length)
                    length[0] = red_length
                    payload_type = slot.red or 0  # never 0: without RED, `red_from` is beyond any number
                else:
                    memmove(pointer, opus, opus_length)
                    length[0] = opus_length
                    payload_type = slot.opus
                pack_into(
                    views[index],
                    0,
                    FIRST_BYTE,
                    payload_type | marker,
                    (number + slot.number_offset) & 0xFFFF,
                    (timestamp + slot.timestamp_offset) & 0xFFFFFFFF,
                    slot.ssrc,
                )
                if protect(leg.outbound.session, pointer, length):
                    self.refused += 1
                    left_out += 1
                    continue
                commit(leg.path)
            except Exception:
                self._fault()
                left_out += 1
                continue
            slot.packets += 1
            slot.octets += octets
        self.forwarded += len(source.targets) - left_out
        if batch.count and not self._flushing:
            self._flushing = True
            self._soon(self._flush)

    def _fault(self) -> None:
        self.faults += 1
        if self.faults & (self.faults - 1) == 0:  # the log is for people: once, twice, four times
            log.exception("a packet could not be sent (%d so far)", self.faults)

    def _flush(self) -> None:
        self._flushing = False
        self._batch.flush()


def image(participant: int, payload: bytes) -> bytes:
    """A packet but for its header, whose place is kept: CSRC and payload."""
    return _EMPTY_HEADER + participant.to_bytes(4, "big") + payload


def packet(slot: Slot, participant: int, frame: Frame, sequence: int, timestamp: int, *, as_red: bool) -> bytes:
    """The bytes, not encrypted, that `forward` made of `frame` for `slot`: for sending them once more."""
    payload = frame.red if as_red and frame.red is not None else frame.opus
    payload_type = slot.red if as_red and slot.red is not None else slot.opus
    plain = bytearray(image(participant, payload))
    HEADER.pack_into(
        plain, 0, FIRST_BYTE, payload_type | (MARKER if frame.marker else 0), sequence, timestamp, slot.ssrc
    )
    return bytes(plain)
