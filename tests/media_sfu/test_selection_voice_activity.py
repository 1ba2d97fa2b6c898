"""What is taken for speech, by level and by size: no noise, no made-up level, no microphone that is silent."""

from __future__ import annotations

import random

from media_sfu.selection import DISTRUST_SECONDS, Selection
from tests.media_sfu.room_of_speakers import Room, Track, between, constant, dtx, noise, speech, without_level

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
