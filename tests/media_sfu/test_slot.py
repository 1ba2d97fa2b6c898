"""A listener's slot: one stream that goes on exactly, whoever is in it and whatever is lost."""

from __future__ import annotations

import pytest

from media_sfu.slot import MOST_ELAPSED_TICKS, NEVER, OutsideSpan, Slot
from tests.media_sfu.slot_listener import OPUS, PACKET, RED, Listener, Speaker, again, new_slot

# Continuity


def test_the_stream_begins_where_it_was_told_to_and_advances_by_what_is_forwarded() -> None:
    listener = Listener(new_slot())
    ada = Speaker(1, number=7_000_000_000, timestamp=1 << 40)
    sent = [listener.hear(ada, n * 0.02) for n in range(5)]
    assert [each.sequence for each in sent] == [100, 101, 102, 103, 104]
    assert [each.timestamp for each in sent] == [5_000 + n * PACKET for n in range(5)]


def test_a_new_slot_is_random_within_its_bounds() -> None:
    slots = [Slot.new(opus=OPUS, red=None) for _ in range(300)]
    assert len({slot.ssrc for slot in slots}) == 300
    assert 0 not in {slot.ssrc for slot in slots}
    first = []
    for slot in slots:
        listener = Listener(slot)
        first.append(listener.hear(Speaker(1), 0.0))
    assert all(each.sequence < 1 << 15 for each in first)
    assert len({each.sequence >> 10 for each in first}) == 32
    assert max(each.timestamp for each in first) > 3 << 30


def test_an_ssrc_that_is_taken_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([0, 5, 6, 7])
    monkeypatch.setattr("media_sfu.slot.secrets.randbits", lambda bits: next(draws))
    assert Slot.new(opus=OPUS, red=None, taken={5}).ssrc == 6


@pytest.mark.parametrize(("ssrc", "first"), [(0, 0), (1 << 32, 0), (1, 1 << 15), (1, -1)])
def test_a_slot_out_of_bounds_is_refused(ssrc: int, first: int) -> None:
    with pytest.raises(ValueError, match=r"SSRC|first sequence"):
        Slot(ssrc, opus=OPUS, red=None, first_sequence=first)


@pytest.mark.parametrize(
    ("passed", "ticks"),
    [(0.0, 960), (-5.0, 960), (0.02, 960), (0.1, 4_800), (30.0, 1_440_000), (1e6, MOST_ELAPSED_TICKS)],
)
def test_a_new_speaker_goes_on_right_after_the_last_one(passed: float, ticks: int) -> None:
    listener = Listener(new_slot())
    ada = Speaker(1, number=50, timestamp=10**9)
    last = [listener.hear(ada, 10 + n * 0.02) for n in range(3)][-1]
    first = listener.hear(Speaker(2, number=9_999, timestamp=3), 10.04 + passed)
    assert first.sequence == last.sequence + 1
    assert first.timestamp - last.timestamp == ticks


def test_between_attach_and_the_first_frame_nothing_is_the_slots() -> None:
    listener = Listener(new_slot())
    ada, ben = Speaker(1), Speaker(2)
    last = listener.hear(ada, 0.0)
    slot = listener.slot
    slot.attach(ben)
    assert slot.first_number == NEVER
    assert slot.last_sequence == last.sequence
    ada.say(0.02)  # goes to others only
    assert slot.resend(last.sequence + 1, 0.02) is None
    found = slot.resend(last.sequence, 0.02)
    assert found is not None
    assert again(slot, found) == last
    assert listener.hear(ben, 0.04).sequence == last.sequence + 1


def test_a_slot_that_nobody_is_in_cannot_begin() -> None:
    slot = new_slot()
    with pytest.raises(OutsideSpan):
        slot.begin(Speaker(1).frame(), 0.0)
    slot.attach(Speaker(1))
    with pytest.raises(OutsideSpan):
        slot.next(Speaker(1).frame())


def test_attaching_whoever_is_there_already_changes_nothing() -> None:
    listener = Listener(new_slot())
    ada = Speaker(1)
    listener.hear(ada, 0.0)
    listener.slot.attach(ada)
    assert listener.hear(ada, 0.02).sequence == 101


def test_a_speaker_who_left_a_slot_and_comes_back_leaves_no_gap() -> None:
    listener = Listener(new_slot())
    ada = Speaker(1)
    listener.hear(ada, 0.0)
    listener.slot.detach()
    for n in range(10):
        ada.say(0.02 + n * 0.02)
    back = listener.hear(ada, 0.22)
    assert (back.sequence, back.timestamp) == (101, 5_000 + round(0.22 * 48_000))


def test_a_switch_before_anything_was_sent_uses_up_no_number() -> None:
    listener = Listener(new_slot())
    for number in range(20):
        speaker = Speaker(number)
        listener.slot.attach(speaker)
        listener.slot.begin(speaker.frame(), 0.1)
    assert listener.hear(Speaker(99), 0.5).sequence == 100


def test_a_switch_right_after_a_beginning_that_was_not_sent_uses_up_no_number() -> None:
    listener = Listener(new_slot())
    ada = Speaker(1)
    ada.say(0.0)
    ada.number = 40  # lost, and not asked for
    listener.slot.attach(ada)
    listener.slot.begin(ada.frame(), 0.1)  # its history does not have it yet
    assert listener.slot.last_sequence == 99
    assert listener.slot.resend(99, 0.1) is None
    assert listener.hear(Speaker(2), 0.2).sequence == 100


def test_the_timestamp_of_now_runs_on_from_the_last_packet() -> None:
    listener = Listener(new_slot())
    slot = listener.slot
    assert slot.clock(3.0) == 5_000 - PACKET
    last = listener.hear(Speaker(1), 10.0)
    assert slot.clock(10.5) == last.timestamp + 24_000
    slot.detach()
    assert slot.clock(11.0) == last.timestamp + 48_000
    assert slot.clock(9.0) == last.timestamp


def test_what_was_sent_is_counted() -> None:
    slot = new_slot()
    slot.sent(80)
    slot.sent(70)
    assert (slot.packets, slot.octets) == (2, 150)


# Frames that come late


def test_a_late_frame_gets_the_number_kept_for_it() -> None:
    listener = Listener(new_slot())
    ada = Speaker(1)
    listener.hear(ada, 0.0)
    ada.number = 2  # 1 is asked for
    assert listener.hear(ada, 0.04).sequence == 102
    late = ada.frame(1)
    ada.history.add(late, 0.06)
    assert listener.slot.next(late) == (101, 5_000 + PACKET)
    assert listener.hear(ada, 0.06).sequence == 103
    found = listener.slot.resend(101, 0.08)
    assert found is not None
    assert found.frame is late


def test_a_late_frame_from_before_the_span_is_not_the_slots() -> None:
    listener = Listener(new_slot())
    ada = Speaker(1, number=10)
    listener.hear(ada, 0.0)
    late = ada.frame(8)
    ada.history.add(late, 0.02)
    assert late.number < listener.slot.first_number
    with pytest.raises(OutsideSpan):
        listener.slot.next(late)


def test_a_span_that_begins_with_a_late_frame_begins_behind_the_newest() -> None:
    listener = Listener(new_slot())
    last = listener.hear(Speaker(2), 0.0)
    ada = Speaker(1)
    ada.number = 10
    ada.say(0.0)
    late = ada.frame(8)
    ada.history.add(late, 0.02)
    listener.slot.attach(ada)
    listener.slot.begin(late, 0.02)
    assert late.number < listener.slot.first_number
    following = listener.hear(ada, 0.04)
    assert following.sequence == last.sequence + 1
    assert following.timestamp >= last.timestamp + PACKET


# RED


def test_sound_from_before_the_span_is_left_out() -> None:
    """Redundancy that reaches back behind a speaker switch would be taken for sound of the speaker before."""
    listener = Listener(new_slot())
    ada = Speaker(1, number=10)
    types = [listener.hear(ada, n * 0.02, reach=reach).payload_type for n, reach in enumerate([1, 2, 2, 4, 2, 5])]
    assert types == [OPUS, OPUS, RED, OPUS, RED, RED]


def test_without_red_the_primary_goes() -> None:
    listener = Listener(new_slot(red=None))
    ada = Speaker(1)
    sent = [listener.hear(ada, n * 0.02, reach=1) for n in range(4)]
    assert {each.payload_type for each in sent} == {OPUS}
    found = listener.slot.resend(sent[2].sequence, 0.08)
    assert found is not None
    assert again(listener.slot, found) == sent[2]
