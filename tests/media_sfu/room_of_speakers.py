"""A room of synthetic speakers, whose selection is fed packet by packet."""

from __future__ import annotations

import random
from collections.abc import Callable

from media_sfu.selection import Selection

PACKET_SECONDS = 0.02

Sound = tuple[int | None, bool | None, int]
"""Level, voice flag, bytes; what a microphone sends at a time. None: no packet."""
Track = Callable[[float], Sound | None]

SILENCE: Sound = (127, False, 40)


def speech(loudness: int, seed: int, *, pauses: bool = True, floor: int = 85) -> Track:
    """Syllables of 60 to 250 ms, each some dB off, with short gaps and, now and then, a breath of 0.2 to 0.5 s.

    `loudness`: the level of an ordinary syllable's middle, in -dBov.
    """
    dice = random.Random(seed)
    state = {"until": 0.0, "level": 127.0}

    def track(now: float) -> Sound:
        if now >= state["until"]:
            if state["level"] < 100 and pauses and dice.random() < 0.4:
                long = dice.random() < 0.15
                state["until"] = now + (dice.uniform(0.2, 0.5) if long else dice.uniform(0.02, 0.1))
                state["level"] = 127.0
            else:
                state["until"] = now + dice.uniform(0.06, 0.25)
                state["level"] = loudness + dice.gauss(0, 2)
        if state["level"] >= 100:
            return max(0, min(127, round(floor + dice.gauss(0, 2)))), False, 30
        return max(0, min(126, round(state["level"] + dice.expovariate(1 / 4)))), True, 80

    return track


def noise(level: float, spread: float, seed: int) -> Track:
    dice = random.Random(seed)
    return lambda now: (max(0, min(126, round(dice.gauss(level, spread)))), True, 40)


def constant(level: int) -> Track:
    return lambda now: (level, True, 80)


def between(track: Track, start: float, end: float = 1e9, otherwise: Sound | None = SILENCE) -> Track:
    return lambda now: track(now) if start <= now < end else otherwise


def dtx(track: Track) -> Track:
    """Silence becomes a packet of 3 bytes every 400 ms, and nothing between."""
    state = {"at": -1.0}

    def quiet(now: float) -> Sound | None:
        sound = track(now)
        if sound is None or (sound[0] is not None and sound[0] < 75):
            return sound
        if now - state["at"] < 0.4:
            return None
        state["at"] = now
        return 127, False, 3

    return quiet


def without_level(track: Track, seed: int) -> Track:
    """Variable bit rate, as Opus does: louder syllables take more."""
    dice = random.Random(seed)

    def sized(now: float) -> Sound | None:
        sound = track(now)
        if sound is None or sound[0] is None or sound[2] <= 8:
            return None if sound is None else (None, None, sound[2])
        if sound[0] > 75:
            return None, None, round(dice.gauss(25, 3))
        return None, None, round(dice.gauss(110 - sound[0], 8))

    return sized


class Room:
    """Feeds tracks, each with a phase of its own within 20 ms, and steps every 20 ms as the process does."""

    def __init__(self, slots: int, tracks: dict[int, Track], *, at_once: bool = False) -> None:
        self.selection = Selection(slots)
        self.tracks = tracks
        self.now = 0.0
        self.changes: list[tuple[float, tuple[int, ...]]] = []
        self.heard_for: dict[int, float] = dict.fromkeys(tracks, 0.0)
        self.at_once = at_once
        dice = random.Random(99)
        self.phases = {number: dice.random() * PACKET_SECONDS for number in tracks}

    def run(self, until: float) -> None:
        selection = self.selection
        while self.now < until - 1e-9:
            self.now = round(self.now + PACKET_SECONDS, 6)
            for number, track in sorted(self.tracks.items(), key=lambda item: self.phases[item[0]]):
                sound = track(self.now)
                if sound is not None:
                    at = self.now - PACKET_SECONDS + self.phases[number]
                    if selection.heard(number, *sound, at) and self.at_once:
                        self._step(at)
            self._step(self.now)
            for number in selection.chosen[: selection._places - 1]:
                self.heard_for[number] += PACKET_SECONDS

    def _step(self, now: float) -> None:
        before = self.selection.chosen
        changed = self.selection.step(now)
        assert changed == (self.selection.chosen != before)
        if changed:
            self.changes.append((now, self.selection.chosen))

    def since(self, start: float, places: int) -> list[tuple[float, frozenset[int]]]:
        """Changes of who is in the first `places`, which is what listeners notice, from `start` on."""
        found: list[tuple[float, frozenset[int]]] = []
        before: frozenset[int] | None = None
        for at, chosen in self.changes:
            there = frozenset(chosen[:places])
            if there != before and at >= start:
                found.append((at, there))
            before = there
        return found

    def first(self, number: int, places: int, after: float) -> float:
        """When `number` was first among the first `places`."""
        return next(at for at, chosen in self.changes if at >= after and number in chosen[:places])
