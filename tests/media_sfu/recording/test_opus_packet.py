from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_sfu.recording.ogg import OpusPages
from media_sfu.recording.opus_packet import LONGEST, QUANTUM, OpusPacketError, samples, silence, stereo
from tests.media_sfu.recording.sound import bursts, decode, tone


@pytest.mark.parametrize(
    ("config", "milliseconds"),
    [(0, 10), (3, 60), (4, 10), (11, 60), (12, 10), (13, 20), (15, 20), (16, 2.5), (19, 20), (28, 2.5), (30, 10)],
)
def test_the_first_byte_tells_the_duration(config: int, milliseconds: float) -> None:
    toc = config << 3
    assert samples(bytes([toc])) == milliseconds * 48
    assert samples(bytes([toc | 1]) + b"ab") == 2 * milliseconds * 48
    assert samples(bytes([toc | 2, 1]) + b"abc") == 2 * milliseconds * 48


@pytest.mark.parametrize(
    ("packet", "count"),
    [
        (b"\xfb\x03abcabc", 3),
        (b"\xfb\x00" + b"a", None),
        (b"\xfb\x07" + b"a" * 7, None),
        (b"\xfb\x06" + b"a" * 6, 6),
        (b"\xfb\x02aaa", None),
        (b"\xfb", None),
        (b"\xfb\x83\x01\x02abbc", 3),
        (b"\xfb\x82\x05abc", None),
        (b"\xfb\x42\x03aa\0\0\0", 2),
        (b"\xfb\x42\x04aa\0", None),
        (b"\xfb\x41\xff\x01" + b"a" + bytes(255), 1),
        (b"\xfb\x41\xff", None),
        (b"\xfa\xfc", None),
        (b"\xfa\xfc\x01" + b"a" * 256 + b"b", 2),
        (b"\xf9aab", None),
        (b"\xf8" + b"a" * 1_275, 1),
        (b"\xf8" + b"a" * 1_276, None),
        (b"", None),
    ],
)
def test_what_no_decoder_takes_is_refused(packet: bytes, count: int | None) -> None:
    if count is None:
        with pytest.raises(OpusPacketError):
            samples(packet)
    else:
        assert samples(packet) == count * 960


@given(st.binary(max_size=64))
def test_any_bytes_have_a_duration_or_are_refused(data: bytes) -> None:
    try:
        length = samples(data)
    except OpusPacketError:
        return
    assert 0 < length <= LONGEST
    assert length % QUANTUM == 0


@given(st.integers(0, 255), st.integers(0, 200_000))
def test_silence_takes_exactly_its_time_in_the_mode_of_what_came_before(toc: int, length: int) -> None:
    made = silence(toc, length)
    assert sum(part for _, part in made) == length - length % QUANTUM
    for packet, part in made:
        assert samples(packet) == part
        assert len(packet) <= 2
        assert stereo(packet) == bool(toc & 4)
        assert packet[0] >> 3 == toc >> 3 or part < LONGEST
    assert len(made) <= length // LONGEST + 6


def test_the_rest_of_a_hybrid_gap_stays_hybrid_as_long_as_it_can() -> None:
    assert silence(0b01111_0_00, 95 * 48) == [
        (bytes([0b01111_0_11, 4]), 80 * 48),
        (bytes([0b01110_0_00]), 10 * 48),
        (bytes([0b11101_0_00]), 5 * 48),
    ]


@pytest.mark.parametrize("decoder", ["opus", "libopus"])
@pytest.mark.parametrize("toc", [0x08, 0x38, 0x48, 0x58, 0x60, 0x78, 0x98, 0xF8, 0xE8, 0xFC])
def test_decoders_take_as_long_for_silence_as_it_says(decoder: str, toc: int) -> None:
    pages = OpusPages(1, channels=1, pre_skip=0)
    gap = silence(toc, 48_000 + 95 * 48)
    sound = [(opus, 960) for opus in tone(0.5)]
    made = pages.headers() + b"".join(pages.pages([*sound, *gap, *sound]))
    heard = decode(made, decoder)
    assert len(heard) == pages.granule
    first, second = bursts(heard)
    assert first[0] < 0.02
    assert abs(second[0] - (0.5 + 1.095)) < 0.02
