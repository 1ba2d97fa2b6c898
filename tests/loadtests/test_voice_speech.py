"""Payloads of synthetic speakers, alone and in RED."""

from __future__ import annotations

import pytest

from loadtests.voice import speech
from loadtests.voice.speech import SpeechSpoilt, Spoken

SPOKEN = Spoken(speaker=7, number=1_234, at=1_795_000_000_123_456_789)


def test_what_was_said_is_heard() -> None:
    payload = speech.speech(SPOKEN)

    assert len(payload) == speech.SPEECH_BYTES
    assert speech.heard(payload) == SPOKEN


def test_silence_says_nothing() -> None:
    assert len(speech.silence()) == speech.DTX_BYTES
    assert speech.heard(speech.silence()) is None


@pytest.mark.parametrize("at", [0, 5, 40, 79])
def test_one_changed_byte_is_noticed(at: int) -> None:
    payload = bytearray(speech.speech(SPOKEN))
    payload[at] ^= 1

    with pytest.raises(SpeechSpoilt):
        speech.heard(bytes(payload))


def test_the_primary_of_red_is_the_last_block() -> None:
    before, now = speech.speech(Spoken(7, 1_233, 1)), speech.speech(SPOKEN)

    payload = speech.redundant(before, speech.FRAME_SAMPLES, now)

    # RFC 2198: 1 bit, payload type, 14 bits of offset, 10 bits of length; then the primary's header.
    assert payload[:5] == bytes([0x80 | 111, 960 >> 6, (960 & 0x3F) << 2, 80, 111])
    assert speech.primary(payload) == now
    assert speech.primary(bytes([111]) + now) == now


def test_red_without_a_primary_is_spoilt() -> None:
    with pytest.raises(SpeechSpoilt):
        speech.primary(b"\xef\x00\x00\x00")
