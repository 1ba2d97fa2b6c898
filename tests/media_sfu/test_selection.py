"""Who is heard: rooms of synthetic speakers, packet by packet."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable

from media_sfu.selection import DISTRUST_SECONDS, SPEECH_SECONDS, Selection

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


# Fast attack


def test_the_first_loud_packet_gets_a_free_place() -> None:
    room = Room(3, {1: between(speech(30, 1), 1.0)}, at_once=True)
    room.run(2.0)
    assert room.selection.chosen == (1,)
    assert room.first(1, 1, 0.0) <= 1.0


def test_speech_from_silence_takes_a_silent_ones_place_at_once() -> None:
    tracks = {n: between(speech(30, n), 0.0, 3.0) for n in range(1, 5)}
    tracks[9] = between(speech(40, 9), 5.0)
    room = Room(3, tracks, at_once=True)
    room.run(6.0)
    assert room.first(9, 3, 4.0) <= 5.0


def test_a_clearly_louder_one_is_heard_within_60_to_120_ms() -> None:
    """15 dB above the quietest of a full room. It takes longer only where the first syllable is a weak one."""
    took = []
    for seed in range(100):
        tracks = {n: speech(50, 100 * seed + n) for n in range(1, 5)}
        tracks[9] = between(speech(35, seed), 3.0)
        room = Room(3, tracks, at_once=True)
        room.run(3.5)
        took.append(room.first(9, 3, 2.98) - 2.98)
    took.sort()
    assert took[50] <= 0.06
    assert took[95] <= 0.12
    assert took[-1] <= 0.3


def test_who_begins_as_another_one_ends_is_heard_within_120_ms() -> None:
    """All places are taken, and all are equally loud."""
    took = []
    for seed in range(100):
        tracks = {n: speech(32, 100 * seed + n) for n in (1, 2)}
        tracks[8] = between(speech(32, seed + 50), 0.0, 3.0)
        tracks[9] = between(speech(32, seed), 3.0)
        room = Room(3, tracks, at_once=True)
        room.run(4.5)
        took.append(room.first(9, 3, 2.98) - 2.98)
    took.sort()
    assert took[50] <= 0.085
    assert took[90] <= 0.12
    assert took[-1] <= 0.3


def test_a_clearly_louder_steady_voice_is_heard_within_60_ms() -> None:
    tracks = {n: speech(50, n) for n in range(1, 5)}
    tracks[9] = between(lambda now: (30 + round(now * 50) % 3, True, 80), 3.0)
    room = Room(3, tracks)
    room.run(3.5)
    assert room.first(9, 3, 2.98) - 2.98 <= 0.06


def test_a_click_displaces_nobody_who_speaks() -> None:
    tracks = {n: speech(35, n) for n in range(1, 5)}
    tracks[9] = lambda now: (12, True, 80) if round(now * 50) % 25 == 0 else SILENCE
    room = Room(3, tracks)
    room.run(0.5)
    room.changes.clear()
    room.run(10.0)
    # Only where somebody of the four was silent for most of a second could it get in.
    assert room.heard_for[9] <= 0.2
    assert 9 not in room.selection.speaking(room.now)


# Slow decay and hysteresis


def test_a_pause_loses_no_place_while_nobody_else_speaks() -> None:
    tracks = {n: between(speech(30, n), 0.0, 2.0) for n in range(1, 5)}
    room = Room(3, tracks)
    room.run(30.0)
    assert set(room.selection.chosen) == {1, 2, 3, 4}
    assert room.since(2.5, 4) == []


def test_speaking_ends_some_800_ms_after_the_last_word() -> None:
    room = Room(3, {1: between(speech(30, 1, pauses=False), 0.0, 2.0)})
    room.run(2.0 + SPEECH_SECONDS - 0.04)
    assert room.selection.speaking(room.now) == {1}
    room.run(2.0 + SPEECH_SECONDS + 0.06)
    assert room.selection.speaking(room.now) == frozenset()


def test_two_equal_speakers_do_not_take_turns() -> None:
    """One place for two people who speak without a stop for ten seconds."""
    for seed in range(10):
        room = Room(1, {1: speech(32, seed), 2: speech(32, 50 + seed)})
        room.run(10.0)
        assert len(room.since(0.5, 1)) <= 4, room.changes


def test_five_equal_speakers_for_three_places() -> None:
    for seed in range(5):
        room = Room(3, {n: speech(32, 10 * seed + n) for n in range(1, 6)})
        room.run(10.0)
        assert len(room.since(0.5, 3)) <= 12, room.changes


def test_who_begins_as_another_ends_is_heard_though_all_places_are_taken() -> None:
    """Nobody gives up a place in a word's gap, but between two people's turns."""
    took = []
    for seed in range(30):
        tracks = {n: between(speech(32, 100 * seed + n), 0.0, 2.0) for n in range(1, 4)}
        room = Room(2, {**tracks, 4: between(speech(32, 100 * seed + 4), 2.0, 4.0)})
        room.run(4.0)
        took.append(room.first(4, 2, 2.0) - 2.0)
    assert statistics.median(took) <= 0.22, took
    assert max(took) <= 0.6, took


def test_the_louder_of_two_has_the_place_nearly_all_the_time() -> None:
    room = Room(1, {1: speech(45, 1), 2: speech(30, 2)})
    room.run(20.0)
    assert room.heard_for[2] >= 18.5


def test_within_a_conversation_everyone_is_heard_in_their_turn() -> None:
    """Six people and three places; each speaks for two seconds, one after the other."""
    tracks = {n: between(speech(32, n), 2.0 * (n - 1), 2.0 * n) for n in range(1, 7)}
    room = Room(3, tracks, at_once=True)
    for n in range(1, 7):
        room.run(2.0 * n)
        assert n in room.selection.chosen[:3]
        assert room.first(n, 3, 0.0) - 2.0 * (n - 1) <= 0.1


# One more than there are slots


def test_one_more_than_slots_is_chosen_and_the_quietest_is_the_last() -> None:
    tracks = {n: speech(20 + 10 * n, n, pauses=False) for n in range(1, 7)}
    room = Room(3, tracks)
    room.run(3.0)
    assert room.selection.chosen == (1, 2, 3, 4)


def test_a_listener_with_one_slot_has_the_loudest() -> None:
    """The order holds for fewer slots, too: nobody is stuck behind three that are each a little louder."""
    tracks = {n: speech(60 - 4 * n, n, pauses=False) for n in range(1, 5)}
    room = Room(3, tracks)
    room.run(3.0)
    assert room.selection.chosen[0] in {3, 4}
    assert room.selection.chosen[3] in {1, 2}


# Preference


def test_a_preferred_one_wins_at_equal_loudness() -> None:
    for seed in range(5):
        room = Room(1, {1: speech(32, seed), 2: between(speech(32, 60 + seed), 2.0)})
        room.selection.prefer([2])
        room.run(3.0)
        assert room.selection.chosen[0] == 2
        room.run(10.0)
        assert room.heard_for[2] >= 7.5


def test_preference_may_pass_to_another_and_a_far_louder_one_gets_in_anyway() -> None:
    room = Room(1, {1: speech(50, 1), 2: between(speech(28, 2), 2.0)})
    room.selection.prefer([1])
    room.run(2.5)
    assert room.selection.chosen == (2, 1)
    for seed in range(10):
        other = Room(1, {1: speech(32, seed), 2: speech(32, 60 + seed)})
        other.selection.prefer([1])
        other.run(5.0)
        assert other.heard_for[1] >= 4.0
        other.selection.prefer([2])
        other.run(10.0)
        assert other.heard_for[2] >= 4.0


def test_somebody_preferred_before_their_first_packet_is_preferred() -> None:
    selection = Selection(1)
    selection.prefer({5})
    for n in range(15):
        selection.heard(4, 30 + n % 3, True, 80, n * 0.02)
        selection.heard(5, 30 + n % 3, True, 80, n * 0.02)
        selection.step(n * 0.02)
    assert selection.chosen == (5, 4)


# What is no speech


def test_steady_noise_does_not_keep_a_speaker_out() -> None:
    """Four fans, louder than the one who speaks."""
    tracks = {n: noise(45, 1.5, n) for n in range(1, 5)}
    tracks[9] = between(speech(55, 9), 12.0)
    room = Room(3, tracks, at_once=True)
    room.run(12.0)
    assert room.selection.speaking(room.now) == frozenset()
    room.run(20.0)
    assert room.first(9, 3, 11.9) <= 12.12
    assert room.heard_for[9] >= 7.8


def test_soft_noise_is_never_taken_for_speech() -> None:
    room = Room(3, {n: noise(75, 3, n) for n in range(1, 5)})
    for step in range(1, 100):
        room.run(step * 0.1)
        assert room.selection.speaking(room.now) == frozenset()


def test_a_made_up_constant_level_loses_to_speech() -> None:
    tracks: dict[int, Track] = {n: constant(10 + n) for n in range(1, 5)}
    tracks[9] = between(speech(40, 9), 3.0)
    room = Room(3, tracks, at_once=True)
    room.run(10.0)
    assert room.first(9, 3, 2.9) <= 3.12
    assert room.heard_for[9] >= 6.8
    assert room.selection.speaking(room.now) == {9}


def test_a_level_too_loud_for_too_long_loses_to_speech() -> None:
    """It varies, so it is not constant; but nobody speaks at -3 dBov without a syllable's end."""
    dice = random.Random(3)
    tracks: dict[int, Track] = {n: lambda now: (dice.randint(0, 3), True, 80) for n in range(1, 5)}
    tracks[9] = between(speech(40, 9), 2.0)
    room = Room(3, tracks, at_once=True)
    room.run(10.0)
    assert room.first(9, 3, 1.9) <= 2.12
    assert room.heard_for[9] >= 7.8


def test_a_made_up_level_that_varies_is_noise_in_the_end() -> None:
    """Plausible in loudness and never the same, but it never comes down as speech does."""
    dice = random.Random(3)
    tracks: dict[int, Track] = {n: lambda now: (dice.randint(4, 12), True, 80) for n in range(1, 5)}
    tracks[9] = between(speech(32, 9), 14.0)
    room = Room(3, tracks, at_once=True)
    room.run(20.0)
    assert room.first(9, 3, 13.9) <= 14.12
    assert room.heard_for[9] >= 5.8


def test_clipped_speech_is_speech() -> None:
    """A microphone set far too loud: at its end within syllables, but not between them."""
    tracks = {n: speech(40, n) for n in range(1, 5)}
    tracks[9] = between(speech(2, 9), 2.0)
    room = Room(3, tracks, at_once=True)
    room.run(12.0)
    assert room.first(9, 3, 1.9) <= 2.12
    assert room.heard_for[9] >= 8.5


def test_trust_comes_back_after_a_while() -> None:
    room = Room(3, {1: lambda now: constant(10)(now) if now < 3 else speech(35, 1)(now)})
    room.run(3.0)
    assert room.selection.speaking(room.now) == frozenset()
    loud = between(constant(10), 0.0, 3.0)
    talk = speech(35, 1)
    room = Room(3, {1: lambda now: loud(now) if now < 3 else talk(now)})
    room.run(3.0 + DISTRUST_SECONDS - 0.1)
    assert room.selection.speaking(room.now) == frozenset()
    room.run(3.0 + DISTRUST_SECONDS + 0.5)
    assert room.selection.speaking(room.now) == {1}


def test_packets_that_say_they_are_no_voice_are_not_if_others_said_they_are() -> None:
    selection = Selection(3)
    for n in range(100):
        selection.heard(1, 30 + n % 3, False, 80, n * 0.02)  # never sets the flag: it means nothing
        selection.heard(2, 30 + n % 3, n < 5, 80, n * 0.02)
        selection.step(n * 0.02)
    assert selection.speaking(2.0) == {1}


# DTX, and no level


def test_discontinuous_transmission_is_silence() -> None:
    tracks = {n: dtx(between(speech(32, n), 0.0, 2.0)) for n in range(1, 5)}
    tracks[9] = dtx(between(speech(45, 9), 4.0))
    room = Room(3, tracks, at_once=True)
    room.run(3.5)
    assert room.selection.speaking(room.now) == frozenset()
    room.run(6.0)
    assert room.first(9, 3, 3.9) <= 4.1
    assert room.selection.speaking(room.now) == {9}


def test_without_the_extension_packet_size_decides() -> None:
    tracks = {n: without_level(between(speech(32, n), 0.0, 3.0, (90, False, 25)), n) for n in range(1, 5)}
    tracks[9] = without_level(between(speech(32, 9), 10.0, otherwise=(127, False, 3)), 9)
    room = Room(3, tracks, at_once=True)
    room.run(10.0)
    assert room.selection.speaking(room.now) == frozenset()
    room.run(14.0)
    assert room.first(9, 3, 9.9) <= 10.15
    assert room.heard_for[9] >= 3.8


def test_a_measured_level_wins_over_sizes_in_doubt() -> None:
    tracks = {n: without_level(speech(32, n), n) for n in range(1, 5)}
    tracks[9] = between(speech(32, 9), 3.0)
    room = Room(3, tracks, at_once=True)
    room.run(6.0)
    assert room.first(9, 3, 2.9) <= 3.12


def test_a_constant_bit_rate_says_nothing_and_loses_to_speech() -> None:
    tracks: dict[int, Track] = {n: lambda now: (None, None, 80) for n in range(1, 5)}
    tracks[9] = between(speech(60, 9), 8.0)
    room = Room(3, tracks, at_once=True)
    room.run(7.0)
    assert set(room.selection.chosen) == {1, 2, 3, 4}
    room.run(12.0)
    assert room.heard_for[9] >= 3.7


def test_in_a_small_room_everyone_is_heard_however_soft() -> None:
    """There is place for all: nobody depends on what their level says."""
    tracks: dict[int, Track] = {1: noise(100, 2, 1), 2: constant(5), 3: lambda now: (None, None, 80), 4: speech(30, 4)}
    room = Room(3, tracks)
    room.run(1.0)
    assert set(room.selection.chosen) == {1, 2, 3, 4}
    assert room.since(0.2, 4) == []


# Coming and going


def test_whoever_is_gone_is_out_at_once_and_the_next_gets_the_place() -> None:
    tracks = {n: speech(20 + 8 * n, n) for n in range(1, 6)}
    room = Room(3, tracks)
    room.run(3.0)
    del room.tracks[1]
    room.selection.gone(1)
    assert 1 not in room.selection.chosen
    assert room.selection.step(room.now)
    assert set(room.selection.chosen) == {2, 3, 4, 5}
    assert not room.selection.step(room.now)
    assert 1 not in room.selection.speaking(room.now)
    room.selection.gone(1)
    room.selection.gone(77)
    assert not room.selection.step(room.now)


def test_whoever_comes_back_begins_anew() -> None:
    room = Room(3, {1: between(constant(5), 0.0, 3.0)})
    room.run(3.0)
    room.selection.gone(1)
    room.tracks = {1: speech(30, 1)}
    room.run(3.2)
    assert room.selection.speaking(room.now) == {1}


# Cost


def test_it_costs_little() -> None:
    """A packet some 0.5 us, 2 at most; a step in a room of 800, of whom 50 have an open microphone, some 60 us.

    Measured by the thread's own time, the better of many, with room for a machine that is busy.
    """
    selection = Selection(3)
    open_mics = [noise(60, 4, n) for n in range(50)]
    sounds = [[track(n * 0.02) or SILENCE for n in range(50)] for track in open_mics]
    for number in range(51, 801):
        selection.heard(number, 127, False, 3, 0.0)
    packets, steps = [], []
    for n in range(50):
        now = n * 0.02
        began = time.thread_time()
        for number in range(50):
            level, voice, size = sounds[number][n]
            selection.heard(number + 1, level, voice, size, now)
        packets.append((time.thread_time() - began) / 50)
        began = time.thread_time()
        selection.step(now)
        selection.speaking(now)
        steps.append(time.thread_time() - began)
    assert sorted(packets)[10] < 2e-6
    assert sorted(steps)[10] < 600e-6
