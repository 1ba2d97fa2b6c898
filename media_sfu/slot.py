"""One receive slot of a listener: a stream of its own that outlives the speakers put into it.

A listener must see one SSRC whose sequence numbers and timestamps go on whoever is heard. Numbers advance by what is
forwarded and nothing else: what a speaker's clock or counter does is settled before (`uplink`), so nothing hostile is
copied. And a number once used never carries other bytes: under SRTP it is part of the nonce.

While a source is in the slot, both are the source's own plus a constant (a span):

    sequence  = (frame.number + number_offset) mod 2^16
    timestamp = (frame.timestamp + timestamp_offset) mod 2^32

so the forwarding loop reads two attributes and writes none. How far a span has come is what its source's history has
seen last: a frame that was not sent for some reason has used up its number all the same.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Container
from typing import Final, NamedTuple, Protocol, Self

from media_sfu.budget import Budget
from media_sfu.frame import CLOCK, PACKET_TICKS, Frame
from media_sfu.history import History

MOST_FIRST_SEQUENCE: Final = 1 << 15
"""A first number below this keeps the first wrap away from the start, where a lost packet would leave a receiver with
another count of wraps than ours: it could decrypt nothing from there on (RFC 3711, 3.3.1)."""
SPAN_SECONDS: Final = 1.0
"""How long a span can be asked for after its end: as long as a history goes back."""
MOST_SPANS: Final = 8
"""Ended spans kept. The selection changes a slot at most some five times a second."""
MOST_ELAPSED_TICKS: Final = 1 << 30
"""6.2 hours. A longer silence counts as this: past 2^31 ticks a receiver would take the timestamp for an older one."""
RESENDS_PER_SECOND: Final = 50
"""As many as packets: a listener that loses more is not helped by more traffic."""
RESEND_BURST: Final = 25
"""Half a second of sound, the longest outage a jitter buffer could still use."""
NEVER: Final = sys.maxsize
"""A number no frame ever has."""


class Source(Protocol):
    """Who can be in a slot. `participant`: the number listeners are told as CSRC."""

    @property
    def history(self) -> History: ...

    @property
    def participant(self) -> int: ...


class OutsideSpan(ValueError):
    """The frame is from before this slot's span: it has no number here and must not be sent."""


class Resend(NamedTuple):
    """What was sent under `sequence`, to be sent again with the same bytes."""

    source: Source
    frame: Frame
    sequence: int
    timestamp: int
    as_red: bool


class _Span(NamedTuple):
    source: Source
    participant: int
    first_number: int
    last_number: int
    number_offset: int
    timestamp_offset: int
    ended_at: float
    """When its last frame was sent."""

    def number(self, sequence: int) -> int | None:
        """The source's number that was last sent under `sequence`; None if none was."""
        last = self.last_number + self.number_offset
        number = self.last_number - ((last - sequence) & 0xFFFF)
        return number if number >= self.first_number else None


class Slot:
    """`attach` a source, `begin` with a frame of it; from there every frame of that source is this slot's too.

    Read by the forwarding loop:
    `ssrc`, `opus` (payload type), `red` (payload type; None: the listener took no RED),
    `number_offset`, `timestamp_offset`: see above,
    `first_number`: frames below it are not this slot's; `NEVER` as long as nothing has begun,
    `red_from`: a frame goes as RED if `frame.number - frame.reach` is not below it. Sound from before the span would
    be mistaken for sound of the speaker before. `NEVER` without RED.
    Written by it: `packets`, `octets` (for sender reports).
    """

    __slots__ = (
        "_at",
        "_participant",
        "_resends",
        "_sequence",
        "_spans",
        "_timestamp",
        "first_number",
        "number_offset",
        "octets",
        "opus",
        "packets",
        "red",
        "red_from",
        "resent",
        "source",
        "ssrc",
        "timestamp_offset",
        "withheld",
    )

    def __init__(self, ssrc: int, *, opus: int, red: int | None, first_sequence: int, first_timestamp: int = 0) -> None:
        """`first_sequence` < 2^15; `first_timestamp` any 32 bits. `Slot.new` draws them."""
        if not 0 < ssrc < 1 << 32:
            raise ValueError("An SSRC has 32 bits and is not 0")
        if not 0 <= first_sequence < MOST_FIRST_SEQUENCE:
            raise ValueError("The first sequence number of a slot is below 2^15")
        self.ssrc = ssrc
        self.opus = opus
        self.red = red
        self.source: Source | None = None
        self.number_offset = 0
        self.timestamp_offset = 0
        self.first_number = NEVER
        self.red_from = NEVER
        self.packets = 0
        self.octets = 0
        self.resent = 0
        self.withheld = 0
        """Packets asked for, at hand, and not sent again because of the rate."""
        self._participant = 0
        # What ended spans have used up, not wrapped.
        self._sequence = first_sequence - 1
        self._timestamp = first_timestamp - PACKET_TICKS
        self._at: float | None = None
        self._spans: tuple[_Span, ...] = ()
        self._resends = Budget(RESENDS_PER_SECOND, RESEND_BURST)

    @classmethod
    def new(cls, *, opus: int, red: int | None, taken: Container[int] = ()) -> Self:
        """A slot with random SSRC (none of `taken`), first number and timestamp (RFC 3550, 5.1)."""
        ssrc = 0
        while ssrc == 0 or ssrc in taken:
            ssrc = secrets.randbits(32)
        return cls(
            ssrc,
            opus=opus,
            red=red,
            first_sequence=secrets.randbelow(MOST_FIRST_SEQUENCE),
            first_timestamp=secrets.randbits(32),
        )

    # Who is in it

    def attach(self, source: Source) -> None:
        """`source` is heard here from its next frame on (`begin`); who was in it, no longer from now on."""
        if source is not self.source:
            self.detach()
            self.source = source

    def detach(self) -> None:
        """Nobody is in it. Called at the moment the source's frames stop being sent here, or numbers are left out."""
        self._end()
        self.source = None

    def begin(self, frame: Frame, now: float) -> None:
        """`frame` is the first of the attached source; it, or whatever else comes first, goes right after what was
        sent last, and its time after that by what has passed, never less than a packet.

        If `frame` is one that comes late, the span begins behind the newest there is.
        """
        source = self.source
        if source is None:
            raise OutsideSpan("Nobody is in this slot: attach a source before it begins")
        self._end()
        first, timestamp = frame.number, frame.timestamp
        newest = source.history.newest
        if newest is not None and newest.number > first:
            # Any frame that still comes and is not late has a later timestamp than the newest has.
            first, timestamp = newest.number + 1, newest.timestamp
        self.number_offset = self._sequence + 1 - first
        self.timestamp_offset = self._timestamp + self._elapsed(now) - timestamp
        self.first_number = first
        self.red_from = NEVER if self.red is None else first
        self._participant = source.participant

    # What is sent

    @property
    def last_number(self) -> int:
        """The source's number sent last in this span; `first_number - 1` if none was. Only while one has begun."""
        assert self.source is not None
        newest = self.source.history.newest
        return self.first_number - 1 if newest is None else max(newest.number, self.first_number - 1)

    @property
    def last_sequence(self) -> int:
        """The highest sequence number used up, wrapped."""
        return (self._sequence if self.first_number == NEVER else self.last_number + self.number_offset) & 0xFFFF

    def next(self, frame: Frame) -> tuple[int, int]:
        """Sequence and timestamp, wrapped, of a frame of the source that is in it. The forwarding loop has it inline.

        Raises `OutsideSpan` for one from before.
        """
        if frame.number < self.first_number:
            raise OutsideSpan("The frame is from before this slot's span: it has no number here")
        return (frame.number + self.number_offset) & 0xFFFF, (frame.timestamp + self.timestamp_offset) & 0xFFFFFFFF

    def as_red(self, frame: Frame) -> bool:
        """Whether a frame of the source that is in it goes as RED here. The forwarding loop has it inline."""
        return frame.red is not None and frame.number - frame.reach >= self.red_from

    def sent(self, octets: int) -> None:
        """Count a packet of `octets` of payload."""
        self.packets += 1
        self.octets += octets

    def clock(self, now: float) -> int:
        """The timestamp of sound sent at `now`, wrapped: for sender reports."""
        timestamp, at = self._timestamp, self._at
        if self.source is not None and self.first_number != NEVER:
            newest = self.source.history.newest
            if newest is not None and newest.number >= self.first_number:
                timestamp, at = newest.timestamp + self.timestamp_offset, self.source.history.newest_at
        ticks = 0 if at is None else max(0, round((now - at) * CLOCK))
        return (timestamp + ticks) & 0xFFFFFFFF

    # What is sent again

    def resend(self, sequence: int, now: float) -> Resend | None:
        """What went out under `sequence` within the last second; None if nothing did, the SFU never had it, or this
        listener has been sent too much again already."""
        if self._spans:
            self.expire(now)
        span = self._current()
        spans = self._spans if span is None else (*self._spans, span)
        for span in reversed(spans):
            number = span.number(sequence)
            if number is None:
                continue
            frame = span.source.history.get(number, now)
            # With another participant number the bytes would be other ones than those sent.
            if frame is None or span.source.participant != span.participant:
                return None
            if not self._resends.take(now):
                self.withheld += 1
                return None
            self.resent += 1
            as_red = self.red is not None and frame.red is not None and number - frame.reach >= span.first_number
            timestamp = (frame.timestamp + span.timestamp_offset) & 0xFFFFFFFF
            return Resend(span.source, frame, sequence, timestamp, as_red)
        return None

    def expire(self, now: float) -> None:
        """Let go of spans that nobody can ask for any more, and with them of their sources."""
        if self._spans and now - self._spans[0].ended_at > SPAN_SECONDS:
            self._spans = tuple(span for span in self._spans if now - span.ended_at <= SPAN_SECONDS)

    # Within

    def _current(self) -> _Span | None:
        if self.source is None or self.first_number == NEVER:
            return None
        last = self.last_number
        if last < self.first_number:
            return None
        return _Span(
            self.source,
            self._participant,
            self.first_number,
            last,
            self.number_offset,
            self.timestamp_offset,
            self.source.history.newest_at,
        )

    def _end(self) -> None:
        span = self._current()
        if span is not None:
            newest = span.source.history.newest
            assert newest is not None
            self._sequence = span.last_number + span.number_offset
            self._timestamp = newest.timestamp + span.timestamp_offset
            self._at = span.ended_at
            self.expire(span.ended_at)
            self._spans = (*self._spans, span)[-MOST_SPANS:]
        self.first_number = self.red_from = NEVER

    def _elapsed(self, now: float) -> int:
        if self._at is None:
            return PACKET_TICKS
        return min(max(PACKET_TICKS, round((now - self._at) * CLOCK)), MOST_ELAPSED_TICKS)
