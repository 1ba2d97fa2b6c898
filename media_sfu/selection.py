"""Who is heard: the loudest of a room, by the audio level of their packets (RFC 6464).

Loudness is in dB above silence: 127 minus the level on the wire. Each participant has a score: the loudness that two
packets in a row confirm, which decays slowly. One packet alone (a click) scores nothing, but it is enough to be taken
as speaking, and whoever speaks comes before whoever does not.

The choice is a list in order of preference. Somebody moves up past the one before only by a clear margin, and whoever
just moved up is safe for a moment, so that equals do not take turns within a word. Those who fall silent keep their
place until somebody speaks: nothing changes for listeners as long as nothing must.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final

SPEECH_SECONDS: Final = 0.8
"""After their last loud packet somebody counts as speaking for so long: pauses between sentences are mostly shorter."""
PAUSE_SECONDS: Final = 0.12
"""Whoever was not loud for so long gives way to whoever is, if all places are taken: the gap between two words is
mostly shorter, the one between two people's turns mostly longer."""
TURN_SECONDS: Final = 0.08
"""The same for whoever began only when the other one had just been heard last, which is how turns are taken. A stop
consonant is shorter; with the look and the packet that follow, the next one is heard within 120 ms."""
OVERLAP_SECONDS: Final = 0.1
"""Of two people's turns, at most: who began earlier talks at the same time as the other."""
HOLD_SECONDS: Final = 0.2
"""A score stays for so long before it decays: a stop consonant or a short word gap is no reason to lose a place."""
DECAY: Final = 10.0
"""dB per second: at the end of `SPEECH_SECONDS` it is `MARGIN` less: an equally loud speaker takes over then."""
MARGIN: Final = 6.0
"""dB a challenger must be above. Two people equally far from their microphones differ by less for most of the time."""
SAFE_SECONDS: Final = 0.2
"""For so long, a syllable, whoever just moved up is only overtaken by twice the margin."""
PREFERENCE: Final = 8.0
"""dB for pilot and sensei: at equal loudness it is more than `MARGIN`, so they get in; 14 dB louder gets in still."""

QUIETEST_SPEECH: Final = 62.0
"""-65 dBov. Speech after a browser's gain control is around -30, and what noise suppression leaves is below -75."""
LOUDEST_SPEECH: Final = 117.0
"""-10 dBov. A mean of speech is not above it without clipping; a level that says so gains nothing by it."""
ABOVE_FLOOR: Final = 10.0
"""dB above their own noise floor for a packet to be speech."""
FLOOR_RISE: Final = 6.0
"""dB per second. The floor falls at once to the quietest packet. Speech dips by 20 dB several times a second, a fan
does not: after some seconds it is not taken for speech any more."""
FIRST_FLOOR: Final = 40.0
"""-87 dBov: what is taken for the floor of somebody new, so that their first word is heard."""

STEADY_SECONDS: Final = 1.0
"""A level that has not moved by more than `STEADY_SPREAD` for so long is not speech: it is made up, or a tone."""
STEADY_SPREAD: Final = 1
NOT_STEADY: Final = -10
"""No level and no size, nor near one."""
STEADY_SIZE_SECONDS: Final = 5.0
"""The same for sizes: with a constant bit rate they are equal, but within this time a speaker pauses (DTX)."""
IMPLAUSIBLE_LEVEL: Final = 3
"""-3 dBov and louder is a square wave or a made-up level..."""
IMPLAUSIBLE_SECONDS: Final = 0.5
"""...if it stays for so long. Clipped speech comes down between syllables."""
DISTRUST_SECONDS: Final = 2.0
"""Nobody of whom the like was seen is preferred to others before it has not been seen for so long."""

SILENT_BYTES: Final = 8
"""An Opus packet up to this is DTX or comfort noise: speech at 6 kbit/s has 15."""
SIZE_LOUDNESS: Final = 77.0
"""-50 dBov: what a packet of somebody's mean size counts as without a level. In doubt a measured level wins."""
SIZE_SPAN: Final = 20.0
"""dB for a packet twice as large as the mean: variable bit rate gives loud syllables some 1.5 times of it. Nor does
any size count for more than this, up or down."""
SIZE_RISE: Final = 0.05
SIZE_FALL: Final = 0.002
"""Weights of a larger and of a smaller packet in the mean. It is to be that of speech, so what is sent between words,
at a third of the size, changes it only in some 10 s."""
STALE_SECONDS: Final = 0.15
"""A packet confirms the one before if it is not longer ago: the longest Opus packet (120 ms) and some jitter."""


class _Voice:
    __slots__ = (
        "begun_at",
        "distrusted_until",
        "first_steady_at",
        "floor",
        "heard_at",
        "implausible_at",
        "loud_at",
        "loudness",
        "mean_size",
        "peak",
        "peak_at",
        "preferred",
        "safe_until",
        "steady",
        "voiced",
    )

    def __init__(self, now: float) -> None:
        self.heard_at = now
        """When the last packet came that was not silence."""
        self.loud_at = -SPEECH_SECONDS * 10
        self.begun_at = self.loud_at
        """When they were loud first, after a silence of `SPEECH_SECONDS`."""
        self.loudness = 0.0
        """Of the last packet, if it was speech; else 0."""
        self.floor = FIRST_FLOOR
        self.peak = 0.0
        self.peak_at = now
        self.mean_size = 0.0
        self.steady = NOT_STEADY
        self.first_steady_at = now
        self.implausible_at: float | None = None
        self.distrusted_until = -1.0
        self.preferred = 0.0
        self.safe_until = -1.0
        self.voiced = False
        """Whether its packets ever said that they are voice: only then it means something if they say they are not."""

    def standing(self, now: float) -> tuple[bool, float]:
        """Whether it speaks, and its score: 0 if nothing is confirmed."""
        score = 0.0
        if self.peak > 0:
            late = now - self.peak_at - HOLD_SECONDS
            score = max(0.0, (self.peak - late * DECAY if late > 0 else self.peak) + self.preferred)
        return now - self.loud_at <= SPEECH_SECONDS and now >= self.distrusted_until, score


class Selection:
    """The `slots` loudest of a room and one more, since a speaker does not hear itself."""

    def __init__(self, slots: int) -> None:
        self.chosen: tuple[int, ...] = ()
        """Participant numbers in order of preference, at most `slots` + 1."""
        self._places = slots + 1
        self._voices: dict[int, _Voice] = {}
        self._lately: dict[int, _Voice] = {}
        """Who made any sound within `SPEECH_SECONDS`: a room's hundreds of silent ones are not looked at."""
        self._preferred: frozenset[int] = frozenset()
        self._changed = False

    def heard(self, participant: int, level: int | None, voice: bool | None, size: int, now: float) -> bool:
        """A packet of somebody who may be heard: its level (0 loudest to 127; None without the extension), its voice
        flag, the bytes of its Opus payload.

        True if it is the first loud one of somebody not chosen: a `step` at once has it heard from this packet on.
        """
        voices = self._voices
        if participant in voices:
            this = voices[participant]
        else:
            this = voices[participant] = _Voice(now)
            this.preferred = PREFERENCE if participant in self._preferred else 0.0
        if size <= SILENT_BYTES or level == 127:
            this.loudness = 0.0
            this.floor = FIRST_FLOOR
            this.implausible_at = None
            this.steady = NOT_STEADY
            return False
        since = now - this.heard_at
        this.heard_at = now
        if level is None:
            loudness = self._by_size(this, size, now)
        else:
            loudness = 127.0 - level
            if level <= IMPLAUSIBLE_LEVEL:
                if this.implausible_at is None:
                    this.implausible_at = now
                elif now - this.implausible_at > IMPLAUSIBLE_SECONDS:
                    this.distrusted_until = now + DISTRUST_SECONDS
            else:
                this.implausible_at = None
            if not -STEADY_SPREAD <= level - this.steady <= STEADY_SPREAD:
                this.steady = level
                this.first_steady_at = now
            elif now - this.first_steady_at > STEADY_SECONDS:
                this.distrusted_until = now + DISTRUST_SECONDS
            loudness = min(loudness, LOUDEST_SPEECH)
        self._lately[participant] = this

        floor = this.floor + (since if since < 1.0 else 1.0) * FLOOR_RISE
        if voice:
            this.voiced = True
        if loudness < floor:
            this.floor = loudness
            speech = False
        else:
            this.floor = floor
            speech = (
                loudness >= floor + ABOVE_FLOOR
                and loudness >= QUIETEST_SPEECH
                and (voice is not False or not this.voiced)
            )
        if not speech:
            this.loudness = 0.0
            return False

        before = this.loudness if since <= STALE_SECONDS else 0.0
        this.loudness = loudness
        began = now - this.loud_at > SPEECH_SECONDS
        if began:
            this.begun_at = now
            this.peak = 0.0
        this.loud_at = now
        confirmed = before if before < loudness else loudness
        if confirmed > 0:
            late = now - this.peak_at - HOLD_SECONDS
            if confirmed >= (this.peak - late * DECAY if late > 0 else this.peak):
                this.peak = confirmed
                this.peak_at = now
        return began and participant not in self.chosen

    def gone(self, participant: int) -> None:
        """They have left, or may not be heard any more. They are not in `chosen` from now on."""
        self._voices.pop(participant, None)
        self._lately.pop(participant, None)
        if participant in self.chosen:
            self.chosen = tuple(number for number in self.chosen if number != participant)
            self._changed = True

    def prefer(self, participants: Collection[int]) -> None:
        """Pilot and sensei: these and no others are preferred at equal loudness."""
        self._preferred = frozenset(participants)
        for number, voice in self._voices.items():
            voice.preferred = PREFERENCE if number in self._preferred else 0.0

    def step(self, now: float) -> bool:
        """Look again who is loudest, every 20 ms. True if `chosen` is not what it was after the step before."""
        lately, voices = self._lately, self._voices
        for number in [number for number, voice in lately.items() if now - voice.heard_at > SPEECH_SECONDS]:
            del lately[number]
        order = list(self.chosen)
        standing = {number: voices[number].standing(now) for number in (*order, *lately)}
        challengers = [number for number in lately if number not in self.chosen]
        challengers.sort(key=standing.__getitem__, reverse=True)
        for number in challengers:
            if len(order) < self._places:
                order.append(number)
            elif not standing[number][0]:
                break  # nor do those after it speak
            else:
                beaten = self._beaten_by(number, order, standing, now)
                if beaten is None:
                    continue
                order.remove(beaten)
                order.append(number)
            voices[number].safe_until = now + SAFE_SECONDS
        # A listener with fewer slots has the first of them. So at each place the same holds as for all: whoever comes
        # later and beats somebody before that place changes with them.
        for place in range(1, len(order)):
            strongest = max(order[place:], key=standing.__getitem__)
            beaten = self._beaten_by(strongest, order[:place], standing, now)
            if beaten is not None:
                there, here = order.index(beaten), order.index(strongest)
                order[there], order[here] = strongest, beaten
                voices[strongest].safe_until = now + SAFE_SECONDS
        after = tuple(order)
        changed = self._changed or after != self.chosen
        self._changed = False
        self.chosen = after
        return changed

    def speaking(self, now: float) -> frozenset[int]:
        """Everyone who speaks, chosen or not. A single click does not count, nor what is no plausible speech."""
        standings = {number: voice.standing(now) for number, voice in self._lately.items()}
        return frozenset(number for number, (speaks, score) in standings.items() if speaks and score > 0)

    def _beaten_by(
        self, one: int, holders: Collection[int], standing: dict[int, tuple[bool, float]], now: float
    ) -> int | None:
        """Which of `holders`, who come before `one` so far, `one` comes before: the weakest, or whose turn is over."""
        weakest = min(holders, key=standing.__getitem__)
        if self._beats(one, weakest, standing, now):
            return weakest
        speaks, score = standing[one]
        if not speaks or not self._is_heard(one, score, now):
            return None
        voices = self._voices
        silent = min(holders, key=lambda number: voices[number].loud_at)
        loud_at = voices[silent].loud_at
        takes_turn = now - loud_at > TURN_SECONDS and voices[one].begun_at >= loud_at - OVERLAP_SECONDS
        return silent if takes_turn and score >= standing[silent][1] - MARGIN else None

    def _beats(self, one: int, other: int, standing: dict[int, tuple[bool, float]], now: float) -> bool:
        """Whether `one` comes before `other`, which is before it so far."""
        speaks, score = standing[one]
        other_speaks, other_score = standing[other]
        if not speaks or not other_speaks:
            return speaks
        holder = self._voices[other]
        if now - holder.loud_at > PAUSE_SECONDS:
            # Pausing: whoever speaks at this moment and is not quieter comes before.
            return self._is_heard(one, score, now) and score >= other_score
        safe = other_score > 0 and now < holder.safe_until
        return score >= other_score + (2 * MARGIN if safe else MARGIN)

    def _is_heard(self, one: int, score: float, now: float) -> bool:
        """Whether `one` says something at this moment, and not by a single click."""
        return score > 0 and now - self._voices[one].loud_at <= STALE_SECONDS

    def _by_size(self, this: _Voice, size: int, now: float) -> float:
        if this.mean_size == 0:
            this.mean_size = float(size)
        off = math.log2(size / this.mean_size) * SIZE_SPAN
        this.mean_size += (size - this.mean_size) * (SIZE_RISE if size > this.mean_size else SIZE_FALL)
        if size != this.steady:
            this.steady = size
            this.first_steady_at = now
        elif now - this.first_steady_at > STEADY_SIZE_SECONDS:
            this.distrusted_until = now + DISTRUST_SECONDS
        return SIZE_LOUDNESS + max(-SIZE_SPAN, min(SIZE_SPAN, off))
