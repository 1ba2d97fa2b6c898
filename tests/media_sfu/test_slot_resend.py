"""What a slot sends again: the packets that were sent, as they were, and no more than a listener may ask for."""

from __future__ import annotations

from media_sfu.slot import MOST_SPANS, RESEND_BURST, RESENDS_PER_SECOND
from tests.media_sfu.slot_listener import Listener, Speaker, again, new_slot

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
