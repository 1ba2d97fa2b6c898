from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_sfu.recording.ogg import (
    LAST,
    OggError,
    OpusPages,
    checksum,
    ended,
    mended,
    opus_head,
    opus_tags,
    packets_of,
    page,
    whole_pages,
)
from tests.media_sfu.recording.sound import PACKET, decode, tone

# The first two pages of a file that ffmpeg 5.1 muxed (libopus, mono, bit-exact).
FFMPEG_HEAD = bytes.fromhex(
    "4f6767530002000000000000000000000000000000000228b57201134f707573486561640101380180bb0000000000"
)
FFMPEG_TAGS = bytes.fromhex(
    "4f6767530000000000000000000000000000010000004995be54012e4f7075735461677306000000"
    "66666d7065670100000014000000656e636f6465723d4c617663206c69626f707573"
)


def test_pages_are_byte_for_byte_those_of_another_muxer() -> None:
    serial = int.from_bytes(FFMPEG_HEAD[14:18], "little")
    assert page([opus_head(1, 312)], granule=0, serial=serial, sequence=0, flags=2) == FFMPEG_HEAD
    assert page([opus_tags("ffmpeg", ["encoder=Lavc libopus"])], granule=0, serial=serial, sequence=1) == FFMPEG_TAGS


def test_a_page_says_what_is_in_it() -> None:
    made = page([b"ab", b"c" * 255], granule=0x0102030405, serial=7, sequence=3, flags=LAST)
    assert made[:22] == b"OggS\x00\x04" + bytes.fromhex("05040302010000000700000003000000")
    assert made[26:30] == b"\x03\x02\xff\x00"
    assert made[30:] == b"ab" + b"c" * 255


@given(st.binary(max_size=300))
def test_the_checksum_is_that_of_the_standards_long_division(data: bytes) -> None:
    register = 0
    for byte in data:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1 ^ 0x04C11DB7 if register & 0x80000000 else register << 1) & 0xFFFFFFFF
    assert checksum(data) == register


def test_a_page_takes_no_more_than_its_header_can_count() -> None:
    page([b""] * 255, granule=0, serial=0, sequence=0)
    with pytest.raises(OggError, match="256 lacing values"):
        page([b""] * 256, granule=0, serial=0, sequence=0)


def test_packets_come_back_as_they_went_in() -> None:
    packets = [bytes([n % 251]) * n for n in (1, 254, 255, 256, 510, 1_275)] * 20
    pages = OpusPages(9, channels=1, pre_skip=0)
    made = pages.headers() + b"".join(pages.pages((packet, PACKET) for packet in packets))
    assert packets_of(made)[2:] == packets
    assert [found.sequence for found in whole_pages(made)] == list(range(len(list(whole_pages(made)))))
    assert list(whole_pages(made))[-1].granule == len(packets) * PACKET


@given(st.binary(max_size=400))
def test_foreign_bytes_have_no_pages_or_are_no_opus(data: bytes) -> None:
    assert list(whole_pages(data)) == []
    assert mended(data) == (b"", 0)
    with pytest.raises(OggError):
        mended(page([data[:200]], granule=1, serial=1, sequence=0))


def test_every_torn_file_is_mended_to_what_was_whole() -> None:
    pages = OpusPages(1, channels=1, pre_skip=PACKET)
    sound = tone(1.0)
    parts = [pages.headers(), *pages.pages((opus, PACKET) for opus in sound[:20])]
    parts += pages.pages((opus, PACKET) for opus in sound[20:40])
    whole = b"".join(parts)
    for size in range(0, len(whole) + 1, 7):
        data, samples = mended(whole[:size])
        if size < len(parts[0]) + len(parts[1]):
            assert (data, samples) == (b"", 0)
            continue
        told = 39 if size == len(whole) else 19
        assert samples == told * PACKET
        assert list(whole_pages(data))[-1].flags == LAST
    data, samples = mended(whole[:-1])
    assert len(decode(data)) == samples
    assert mended(whole[:-30] + b"\x00" * 30)[1] == 19 * PACKET


def test_an_ended_stream_is_still_the_same_stream() -> None:
    pages = OpusPages(1, channels=1, pre_skip=0)
    head = pages.headers()
    body = pages.pages((opus, PACKET) for opus in tone(0.4))
    made = head + b"".join(body[:-1]) + ended(body[-1])
    assert packets_of(made)[2:] == list(tone(0.4))
    assert len(decode(made)) == len(tone(0.4)) * PACKET
