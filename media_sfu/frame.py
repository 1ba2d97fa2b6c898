"""One piece of a speaker's sound on its way to the listeners, and what is said of it downwards."""

from __future__ import annotations

from typing import Final

import msgspec

CLOCK: Final = 48_000
"""Ticks of an Opus RTP clock per second, whatever the sound's own rate (RFC 7587, 4.1)."""
OPUS_PT: Final = 111
"""Payload type of Opus inside every RED payload sent downwards: one payload serves all listeners. It is libwebrtc's
(Chromium, Safari, Android, iOS). A listener that calls Opus otherwise gets no RED."""
PACKET_TICKS: Final = 960
"""Ticks of an ordinary packet: 20 ms. Least distance of two timestamps where two streams are spliced."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """What one packet of a source brings, independent of any listener.

    `number` counts the source's frames: +1 for each, never used twice. A number may be left out (it was lost and is
    asked for) and may come later than its followers. `timestamp` is in ticks, continuous and not wrapped: it rises
    with `number`, whatever the speaker's own clock does. `opus` is the sound. `red` is the same sound with earlier
    ones as an RFC 2198 payload, whose inner payload types are all `OPUS_PT`; None if it brings nothing earlier.
    `reach` says how many numbers back `red` goes (0 without it): a listener whose view of this source begins later
    than `number - reach` gets `opus` instead.
    """

    number: int
    timestamp: int
    marker: bool
    opus: bytes
    red: bytes | None = None
    reach: int = 0
