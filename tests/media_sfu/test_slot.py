"""A listener's slot: one stream that goes on exactly, whoever is in it and whatever is lost."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_sfu.frame import Frame
from media_sfu.history import History
from media_sfu.slot import (
    MOST_ELAPSED_TICKS,
    MOST_SPANS,
    NEVER,
    RESEND_BURST,
    RESENDS_PER_SECOND,
    OutsideSpan,
    Resend,
    Slot,
)

OPUS, RED = 111, 63
PACKET = 960
WRAP = 1 << 16

laws = settings(derandomize=True, deadline=None, max_examples=200)


class Speaker:
    """A source with numbers and timestamps of its own, as an uplink makes them."""

    def __init__(self, participant: int, number: int = 0, timestamp: int = 0) -> None:
        self.participant = participant
        self.history = History()
        self.number = number
        self.timestamp = timestamp

    def frame(self, number: int | None = None, reach: int = 0) -> Frame:
        at = self.number if number is None else number
        sound = b"%d:%d" % (self.participant, at)
        red = b"red " + sound if reach else None
        return Frame(at, self.timestamp + at * PACKET, at % 50 == 0, sound, red, reach)

    def say(self, now: float, reach: int = 0) -> Frame:
        frame = self.frame(reach=reach)
        self.history.add(frame, now)
        self.number += 1
        return frame


@dataclass
class Packet:
    """A packet as a listener gets it, but for the encryption."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    participant: int
    payload: bytes


def packet(slot: Slot, speaker: Speaker, frame: Frame) -> Packet:
    """As the forwarding loop makes it, from the slot's plain attributes."""
    as_red = frame.red is not None and frame.number - frame.reach >= slot.red_from
    payload = frame.red if as_red else frame.opus
    assert payload is not None
    payload_type = slot.red if as_red else slot.opus
    assert payload_type is not None
    return Packet(
        payload_type,
        frame.marker,
        (frame.number + slot.number_offset) & 0xFFFF,
        (frame.timestamp + slot.timestamp_offset) & 0xFFFFFFFF,
        slot.ssrc,
        speaker.participant,
        payload,
    )


def again(slot: Slot, resend: Resend) -> Packet:
    """The same from what `resend` gives."""
    payload = resend.frame.red if resend.as_red else resend.frame.opus
    assert payload is not None
    payload_type = slot.red if resend.as_red else slot.opus
    assert payload_type is not None
    return Packet(
        payload_type,
        resend.frame.marker,
        resend.sequence,
        resend.timestamp,
        slot.ssrc,
        resend.source.participant,
        payload,
    )


def new_slot(red: int | None = RED, first_sequence: int = 100, first_timestamp: int = 5_000) -> Slot:
    return Slot(1, opus=OPUS, red=red, first_sequence=first_sequence, first_timestamp=first_timestamp)


@dataclass
class Listener:
    """Sends through a slot and keeps what was sent, as a receiver and an attacker would."""

    slot: Slot
    sent: list[Packet] = field(default_factory=list)

    def hear(self, speaker: Speaker, now: float, *, reach: int = 0) -> Packet:
        if self.slot.source is not speaker:
            self.slot.attach(speaker)
        frame = speaker.say(now, reach)
        if self.slot.first_number == NEVER:
            self.slot.begin(frame, now)
        self.sent.append(packet(self.slot, speaker, frame))
        assert (self.sent[-1].sequence, self.sent[-1].timestamp) == self.slot.next(frame)
        assert (self.sent[-1].payload_type == self.slot.red) == self.slot.as_red(frame)
        return self.sent[-1]


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


# Sending again


def test_over_a_switch_both_speakers_packets_are_sent_again_as_they_were() -> None:
    listener = Listener(new_slot())
    ada, ben = Speaker(1), Speaker(2, number=500)
    for n in range(10):
        listener.hear(ada, n * 0.02, reach=1)
    for n in range(10, 20):
        listener.hear(ben, n * 0.02, reach=2)
    for each in listener.sent:
        found = listener.slot.resend(each.sequence, 0.4)
        assert found is not None
        assert again(listener.slot, found) == each
    assert listener.slot.resend(listener.sent[-1].sequence + 1, 0.4) is None
    assert listener.slot.resend(listener.sent[0].sequence - 1, 0.4) is None
    assert listener.slot.resent == 20


def test_after_a_second_nothing_is_sent_again_and_nobody_is_kept() -> None:
    listener = Listener(new_slot())
    ada = Speaker(1)
    old = listener.hear(ada, 0.0)
    listener.hear(Speaker(2), 0.02)
    assert listener.slot.resend(old.sequence, 1.0) is not None
    assert listener.slot.resend(old.sequence, 1.01) is None
    assert not listener.slot._spans
    listener.slot.detach()
    listener.slot.expire(1.03)
    assert not listener.slot._spans


def test_spans_are_bounded() -> None:
    listener = Listener(new_slot())
    for n in range(100):
        listener.hear(Speaker(n), n * 0.001)
    assert len(listener.slot._spans) == MOST_SPANS
    assert [each.sequence for each in listener.sent] == list(range(100, 200))
    assert sum(listener.slot.resend(each.sequence, 0.1) is not None for each in listener.sent) == MOST_SPANS + 1


def test_a_speaker_told_under_another_number_is_not_sent_again() -> None:
    """The CSRC is authenticated with the packet: the bytes would be others than those sent."""
    listener = Listener(new_slot())
    ada = Speaker(1)
    sent = listener.hear(ada, 0.0)
    ada.participant = 77
    assert listener.slot.resend(sent.sequence, 0.02) is None


def test_a_number_left_out_is_never_offered() -> None:
    listener = Listener(new_slot())
    ada = Speaker(1)
    listener.hear(ada, 0.0)
    ada.number = 2
    listener.hear(ada, 0.04)
    assert listener.slot.resend(101, 0.05) is None
    assert listener.slot.withheld == 0


def test_a_listener_is_sent_so_much_again_and_no_more() -> None:
    listener = Listener(new_slot())
    ada = Speaker(1)
    for n in range(50):
        listener.hear(ada, n * 0.02)
    last = listener.sent[-1].sequence
    assert sum(listener.slot.resend(last, 1.0) is not None for _ in range(100)) == RESEND_BURST
    assert listener.slot.withheld == 75
    # One more for each 20 ms, exactly, and the burst again after half a second of rest.
    times = [1.0 + n / 1_000 for n in range(1, 901)]
    assert sum(listener.slot.resend(last, now) is not None for now in times) == 0.9 * RESENDS_PER_SECOND
    listener.hear(ada, 2.0)
    assert sum(listener.slot.resend(last + 1, 2.4) is not None for _ in range(100)) == RESEND_BURST


# All of it together


def test_seventy_thousand_packets_over_the_wrap_with_switches_loss_and_nacks() -> None:
    dice = random.Random(6)
    slot = Slot(9, opus=OPUS, red=RED, first_sequence=30_000, first_timestamp=0xFFFF0000)
    speakers = [Speaker(n + 1, dice.randrange(1 << 40), dice.randrange(1 << 50)) for n in range(4)]
    inside = speakers[0]
    kept: list[tuple[float, Speaker, int]] = []
    """Numbers left free that come later."""
    sent: dict[int, Packet] = {}
    """By number without wraps: what a nonce is made of."""
    highest = 29_999
    asked = resent = switches = late = 0
    now = 0.0

    def send(speaker: Speaker, frame: Frame) -> None:
        nonlocal highest
        made = packet(slot, speaker, frame)
        index = highest - ((highest - made.sequence) & 0xFFFF)
        if (made.sequence - highest) & 0xFFFF < 1_000:
            index = highest + ((made.sequence - highest) & 0xFFFF)
        assert index not in sent, "a number was used twice"
        sent[index] = made
        highest = max(highest, index)

    slot.attach(inside)
    while highest < 30_000 + 70_000:
        now += 0.02 + (dice.random() * 2 if dice.random() < 0.002 else 0)
        if dice.random() < 0.03:
            switches += 1
            if dice.random() < 0.3:
                slot.detach()
                now += dice.random()
            inside = dice.choice([speaker for speaker in speakers if speaker is not inside])
            slot.attach(inside)
        for speaker in speakers:
            if dice.random() < 0.02:
                # One to three packets are missing; some of them come later.
                for _ in range(dice.randint(1, 3)):
                    if dice.random() < 0.7:
                        kept.append((now + 0.1, speaker, speaker.number))
                    speaker.number += 1
            frame = speaker.say(now, reach=dice.choice([0, 1, 2, 2]))
            if speaker is inside:
                if slot.first_number == NEVER:
                    slot.begin(frame, now)
                send(speaker, frame)
        while kept and kept[0][0] <= now:
            _, speaker, number = kept.pop(0)
            frame = speaker.frame(number, reach=0)
            speaker.history.add(frame, now)
            if speaker is inside and slot.first_number <= number:
                late += 1
                send(speaker, frame)
        if dice.random() < 0.3:
            # The listener lost some of the last 45 packets, or thinks so.
            for index in dice.sample(range(highest - 45, highest + 5), 3):
                asked += 1
                found = slot.resend(index & 0xFFFF, now)
                if found is None:
                    continue
                resent += 1
                if index in sent:
                    assert again(slot, found) == sent[index]
                else:
                    # It came after its speaker had left the slot: sent for the first time, under its own number.
                    sent[index] = again(slot, found)

    indexes = sorted(sent)
    assert indexes[0] == 30_000
    assert indexes[-1] >= 100_000
    behind = 0
    for before, after in pairwise(indexes):
        assert sent[after].sequence == after & 0xFFFF
        step = (sent[after].timestamp - sent[before].timestamp) & 0xFFFFFFFF
        assert PACKET <= step < 1 << 31, "a timestamp went back"
        if sent[after].participant != sent[before].participant:
            behind += after != before + 1
    assert (switches > 1_500, late > 500, resent > 10_000) == (True, True, True), (switches, late, resent, asked)
    assert behind == 0, "a switch left a gap"


@laws
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["say", "skip", "late", "detach"]), st.floats(0, 2)), max_size=80
    )
)
def test_whatever_happens_no_number_is_used_twice_and_no_timestamp_goes_back(
    steps: list[tuple[int, str, float]],
) -> None:
    speakers = [Speaker(n + 1, number=n * 1_000, timestamp=n * 10**12) for n in range(4)]
    listener = Listener(new_slot())
    slot, now = listener.slot, 0.0
    sent: dict[int, Packet] = {}
    said: set[tuple[int, int]] = set()
    for who, what, passed in steps:
        speaker = speakers[who]
        now += passed / 20
        if what == "detach":
            slot.detach()
            continue
        if what == "skip":
            speaker.number += 1
            continue
        if what == "late":
            number = speaker.number - 2
            if (who, number) in said or number < 0:
                continue
            frame = speaker.frame(number)
            speaker.history.add(frame, now)
        else:
            number = speaker.number
            frame = speaker.say(now)
        said.add((who, number))
        slot.attach(speaker)
        if slot.first_number == NEVER:
            slot.begin(frame, now)
        if frame.number < slot.first_number:
            continue
        made = packet(slot, speaker, frame)
        assert made.sequence not in sent
        sent[made.sequence] = made
    ordered = [sent[sequence] for sequence in sorted(sent)]
    for before, after in pairwise(ordered):
        assert after.timestamp - before.timestamp >= PACKET
    for each in ordered[-20:]:
        found = slot.resend(each.sequence, now)
        if found is not None:
            assert again(slot, found) == each
