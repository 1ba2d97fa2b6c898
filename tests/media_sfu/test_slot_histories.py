"""Whole histories of a slot, with switches, loss and NACKs: no number is used twice, and no timestamp goes back."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from media_sfu.frame import Frame
from media_sfu.slot import NEVER, Slot
from tests.media_sfu.slot_listener import OPUS, PACKET, RED, Listener, Packet, Speaker, again, new_slot, packet

laws = settings(derandomize=True, deadline=None, max_examples=200)


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
