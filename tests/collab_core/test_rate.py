"""The token bucket: what a member may send."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from collab_core.rate import TokenBucket


def test_a_burst_and_then_the_rate() -> None:
    bucket = TokenBucket(rate=2.0, burst=3.0, now=10.0)
    assert [bucket.take(10.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(10.25)
    assert bucket.take(10.5)
    assert not bucket.take(10.5)


def test_tokens_are_saved_up_only_to_the_burst() -> None:
    bucket = TokenBucket(rate=2.0, burst=3.0, now=0.0)
    assert [bucket.take(1_000_000.0) for _ in range(4)] == [True, True, True, False]


def test_a_refusal_takes_nothing() -> None:
    bucket = TokenBucket(rate=1.0, burst=10.0, now=0.0)
    assert not bucket.take(0.0, tokens=11.0)
    assert bucket.take(0.0, tokens=10.0)
    assert not bucket.take(0.0)


def test_asking_often_does_not_lose_what_trickles_in() -> None:
    bucket = TokenBucket(rate=1.0, burst=1.0, now=0.0)
    assert bucket.take(0.0)
    taken = [bucket.take(eighth / 8) for eighth in range(1, 33)]
    assert taken.count(True) == 4


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 16), st.integers(1, 5)), max_size=60))
def test_no_more_is_taken_than_burst_and_rate_allow(asked: list[tuple[int, int]]) -> None:
    """Sixteenths of a second and whole tokens: exact in floats."""
    bucket = TokenBucket(rate=4.0, burst=8.0, now=0.0)
    now, available = 0.0, 8.0
    for sixteenths, tokens in asked:
        now += sixteenths / 16
        available = min(8.0, available + sixteenths / 4)
        taken = bucket.take(now, tokens)
        assert taken == (tokens <= available)
        available -= tokens if taken else 0
