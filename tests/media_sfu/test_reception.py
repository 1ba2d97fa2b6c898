"""What a receiver reports: loss, jitter and wraps, by RFC 3550's own rules."""

from __future__ import annotations

import random

import pytest

from media_sfu.reception import Reception
from media_sfu.rtcp import MOST_LOST, ReportBlock, ntp

PACKET = 960


def report(reception: Reception, now: float = 0.0) -> ReportBlock:
    block = reception.report(now)
    assert block is not None
    return block


def feed(reception: Reception, sequences: list[int], start: float = 0.0) -> None:
    for index, sequence in enumerate(sequences):
        reception.receive(sequence & 0xFFFF, (sequence * PACKET) & 0xFFFFFFFF, start + index * 0.02)


def test_nothing_is_said_of_a_stream_that_never_came() -> None:
    assert Reception(7).report(1.0) is None


def test_loss_is_counted_since_the_last_report_and_altogether() -> None:
    reception = Reception(7)
    feed(reception, [n for n in range(100) if n % 4 != 1])
    first = report(reception)
    assert (first.ssrc, first.lost, first.fraction, first.highest) == (7, 25, 64, 99)
    feed(reception, list(range(100, 200)))
    second = report(reception)
    assert (second.lost, second.fraction, second.highest) == (25, 0, 199)
    assert report(reception).fraction == 0


def test_the_highest_number_counts_the_wraps() -> None:
    reception = Reception(7)
    feed(reception, list(range(65_530, 65_530 + 70_000)))
    block = report(reception)
    assert block.highest == 65_530 + 69_999
    assert block.lost == 0


def test_late_packets_and_duplicates_are_no_wraps() -> None:
    reception = Reception(7)
    feed(reception, [10, 12, 11, 13, 13, 14])
    block = report(reception)
    assert (block.highest, block.lost, block.fraction) == (14, -1, 0)


def test_one_stray_packet_is_left_out_and_two_in_a_row_start_anew() -> None:
    reception = Reception(7)
    feed(reception, [10, 11, 40_000, 12])
    assert (report(reception).highest, reception.lost) == (12, 0)
    feed(reception, [40_000, 40_001, 40_002])
    assert (report(reception).highest, reception.lost) == (40_002, 0)


def test_loss_beyond_24_bits_stays_at_the_end_of_the_scale() -> None:
    reception = Reception(7)
    sequence = 0
    for _ in range(3_000):
        sequence += 2_999
        reception.receive(sequence & 0xFFFF, 0, 0.0)
    assert reception.lost > MOST_LOST
    assert report(reception).lost == MOST_LOST


def test_jitter_is_that_of_the_formula() -> None:
    """Against a plain reading of RFC 3550, A.8."""
    dice = random.Random(1)
    reception = Reception(7)
    jitter, before = 0.0, None
    base = 0xFFFFFFFF - 30 * PACKET
    for number in range(500):
        now = 100 + number * 0.02 + dice.uniform(0, 0.03)
        reception.receive(number, (base + number * PACKET) & 0xFFFFFFFF, now)
        transit = round(now * 48_000) - (base + number * PACKET)
        if before is not None:
            jitter += (abs(transit - before) - jitter) / 16
        before = transit
    assert report(reception).jitter == int(jitter)
    assert reception.jitter == pytest.approx(jitter / 48_000)
    assert 0.005 < reception.jitter < 0.02


def test_a_new_timestamp_base_is_no_jitter() -> None:
    reception = Reception(7)
    feed(reception, list(range(50)))
    reception.receive(50, 0x80000000, 1.0)
    reception.receive(51, 0x80000000 + PACKET, 1.02)
    assert report(reception).jitter == 0


def test_the_block_says_which_sender_report_came_last_and_when() -> None:
    reception = Reception(7)
    feed(reception, [1])
    assert (report(reception, 5.0).last_report, report(reception, 5.0).delay) == (0, 0)
    time = ntp(1_700_000_000.25)
    reception.sender_report(time, 48_000, 10.0)
    block = report(reception, 10.5)
    assert block.last_report == (time >> 16) & 0xFFFFFFFF
    assert block.delay == 32_768
