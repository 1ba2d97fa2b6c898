from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from dojo.embedded.redis import EmbeddedRedis
from kernel import buckets as module
from kernel.buckets import AWAY_JITTER, AWAY_SECONDS, KEY_PREFIX, LOCAL_BUCKETS, Bucket, Buckets, Draw, draw
from kernel.redis import COMMAND_SECONDS, create_client

SECOND = 1_000_000
SLOW = Bucket(capacity=3, per_second=0.01)
"""Refills by nothing that a test could notice."""
SLACK_SECONDS = 1.5
"""On top of a time limit, on a busy machine."""


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# The pure core


def test_a_full_bucket_gives_its_capacity_at_once_and_then_one_per_interval() -> None:
    bucket = Bucket(capacity=3, per_second=2)
    full_at: int | None = None
    for _ in range(3):
        full_at, wait = draw(full_at, 0, bucket.span, bucket.price(1))
        assert wait == 0
    assert full_at == 1.5 * SECOND
    assert draw(full_at, 0, bucket.span, bucket.price(1))[1] == 0.5 * SECOND
    assert draw(full_at, SECOND // 2 - 1, bucket.span, bucket.price(1))[1] == 1
    full_at, wait = draw(full_at, SECOND // 2, bucket.span, bucket.price(1))
    assert (full_at, wait) == (2 * SECOND, 0)


def test_an_unused_bucket_saves_up_no_more_than_its_capacity() -> None:
    bucket = Bucket(capacity=3, per_second=1)
    assert draw(5, 10_000 * SECOND, bucket.span, bucket.price(3)) == (10_003 * SECOND, 0)
    assert draw(5, 10_000 * SECOND, bucket.span, bucket.price(1)) == (10_001 * SECOND, 0)


def test_a_clock_that_was_set_back_locks_nobody_out() -> None:
    bucket = Bucket(capacity=3, per_second=1)
    assert draw(10_000 * SECOND, 0, bucket.span, bucket.price(1))[1] == SECOND


@given(st.integers(1, 10_000), st.floats(1e-4, 1e4))
def test_all_of_the_capacity_can_be_had_and_nothing_more(capacity: int, per_second: float) -> None:
    bucket = Bucket(capacity, per_second)
    price = bucket.price(1)
    full_at, wait = draw(None, 0, bucket.span, price * (capacity - 1) or 1)
    full_at, wait = draw(full_at if capacity > 1 else None, 0, bucket.span, price)
    assert wait == 0
    # Rounding gives away less than one token in a million.
    assert draw(full_at, 0, bucket.span, price)[1] > price * 0.9 - capacity - 1 or price < capacity


@given(
    st.integers(1, 20),
    st.floats(0.01, 100),
    st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 3)), max_size=60),
)
def test_over_any_time_no_more_is_taken_than_capacity_and_refill(
    capacity: int, per_second: float, takes: list[tuple[int, int]]
) -> None:
    bucket = Bucket(capacity, per_second)
    now, taken, full_at = 0, 0, None
    for pause, tokens in takes:
        now += pause
        if tokens > capacity:
            continue
        after, wait = draw(full_at, now, bucket.span, bucket.price(tokens))
        if wait == 0:
            full_at, taken = after, taken + tokens
        else:  # and what it says is neither too long nor too short
            assert draw(full_at, now + wait, bucket.span, bucket.price(tokens))[1] == 0
            assert draw(full_at, now + wait - 1, bucket.span, bucket.price(tokens))[1] == 1
        # Each price is rounded down by less than a microsecond, the span up.
        assert taken <= capacity + (now + len(takes) * 3 + 1) / SECOND * per_second + 1e-6


@pytest.mark.parametrize(
    ("capacity", "per_second"), [(0, 1), (1, 0), (-1, 1), (1, -1), (float("inf"), 1), (1, float("nan"))]
)
def test_a_bucket_without_sense_is_refused(capacity: float, per_second: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Bucket(capacity, per_second)


@pytest.mark.parametrize("tokens", [0, -1, 3.5, float("nan")])
def test_what_can_never_be_taken_is_refused(tokens: float) -> None:
    with pytest.raises(ValueError, match="can never be taken"):
        SLOW.price(tokens)


def test_the_id_is_not_shown() -> None:
    assert "somebody@example.com" not in repr(Draw("login", "somebody@example.com", SLOW))


# In Redis


async def test_takes_and_says_how_long_to_wait(redis: Redis) -> None:
    buckets = Buckets(redis)
    for _ in range(3):
        assert await buckets.take(Draw("login", "a", SLOW)) == 0
    assert 99 < await buckets.take(Draw("login", "a", SLOW)) <= 100
    assert 199 < await buckets.take(Draw("login", "a", SLOW, tokens=2)) <= 200
    assert await buckets.take(Draw("login", "b", SLOW)) == 0
    assert await buckets.take(Draw("reset", "a", SLOW)) == 0


async def test_it_refills(redis: Redis) -> None:
    buckets = Buckets(redis)
    quick = Draw("quick", "a", Bucket(capacity=1, per_second=10))
    assert await buckets.take(quick) == 0
    wait = await buckets.take(quick)
    assert 0 < wait <= 0.1
    await asyncio.sleep(wait)  # it is the promise under test that nothing else needs to be waited for
    assert await buckets.take(quick) == 0


async def test_all_or_nothing_and_the_emptiest_decides(redis: Redis) -> None:
    buckets = Buckets(redis)
    network = Draw("network", "203.0.113.7/32", Bucket(capacity=10, per_second=0.1))
    user = Draw("user", "u", Bucket(capacity=1, per_second=0.02))
    tenant = Draw("tenant", "t", Bucket(capacity=2, per_second=0.01))
    assert await buckets.take(network, user, tenant) == 0
    for _ in range(5):
        assert 49 < await buckets.take(network, user, tenant) <= 50
    assert await buckets.take(tenant) == 0
    assert 99 < await buckets.take(tenant, user, network) <= 100
    for _ in range(9):  # the refused ones cost nothing
        assert await buckets.take(network) == 0
    assert await buckets.take(network) > 9


async def test_concurrent_takers_get_no_more_than_there_is(redis: Redis, redis_url: str) -> None:
    other = create_client(redis_url)
    bucket = Bucket(capacity=50, per_second=0.01)
    ours, theirs = Buckets(redis), Buckets(other)
    waits = await asyncio.gather(
        *(
            each.take(Draw("shared", "x", bucket), Draw(f"own {each is ours}", "x", bucket))
            for each in [ours, theirs] * 60
        )
    )
    assert waits.count(0) == 50
    await other.aclose()


async def test_nothing_personal_is_stored_and_nothing_stays(redis: Redis) -> None:
    buckets = Buckets(redis)
    await buckets.take(Draw("login", "somebody@example.com", Bucket(capacity=100, per_second=2)))
    [key] = await redis.keys("*")
    assert isinstance(key, bytes)
    assert re.fullmatch(f"{KEY_PREFIX}login:[0-9a-f]{{32}}", key.decode())
    assert 0 < await redis.pttl(key) <= 500  # full again half a second after one of two a second was taken
    await Buckets(redis, key=b"secret").take(Draw("login", "somebody@example.com", SLOW))
    assert len(set(await redis.keys("*")) - {key}) == 1


async def test_scripts_that_redis_forgot_are_sent_again(redis: Redis) -> None:
    buckets = Buckets(redis)
    assert await buckets.take(Draw("login", "a", SLOW)) == 0
    await redis.script_flush()
    assert await buckets.take(Draw("login", "a", SLOW)) == 0
    assert await buckets.take(Draw("login", "a", SLOW, tokens=2)) > 0


@pytest.mark.parametrize("draws", [[], [Draw("a", "b", SLOW)] * 2, [Draw("a", str(n), SLOW) for n in range(9)]])
async def test_only_a_few_different_buckets_at_once(redis: Redis, draws: list[Draw]) -> None:
    with pytest.raises(ValueError, match="different buckets"):
        await Buckets(redis).take(*draws)


async def test_the_script_does_what_the_core_does(redis: Redis) -> None:
    """On the same instants: those that Redis' clock shows, down to the microsecond."""
    take = module._TAKE.replace(module._CLOCK, "{ARGV[#ARGV - 1], ARGV[#ARGV]}")
    # Nothing may end on Redis' own clock in the middle of this, and what is full again in 1 us is kept for 1 ms.
    lasting = take.replace(", 'PX', math.ceil((ends[i] - now) / 1000))", ")")
    assert "'PX'" not in lasting
    script = redis.register_script(lasting)
    begin = 1_999_999_999_999_999
    for number, bucket in enumerate([Bucket(3, 2), Bucket(7, 1 / 3), Bucket(1, 900_000), Bucket(20, 0.00001)]):
        full_at: int | None = None
        for step, tokens in enumerate([1, 1, 0.5, 1, 1, 0.25, 1, 1] * 4):
            now = begin + step * bucket.span // 9 - (bucket.span * 5 if step == 20 else 0)
            price = bucket.price(tokens)
            after, wait = draw(full_at, now, bucket.span, price)
            args = [bucket.span, price, now // SECOND, now % SECOND]
            assert await script(keys=[f"bucket {number}"], args=args) == wait
            if wait == 0:
                full_at = after
                assert await redis.get(f"bucket {number}") == str(full_at).encode()


# While Redis is away


async def test_without_redis_each_process_counts_for_itself() -> None:
    clock = Clock()
    buckets = Buckets(None, clock=clock)
    three, one = Draw("a", "x", SLOW), Draw("b", "x", Bucket(capacity=1, per_second=0.5))
    assert await buckets.take(three, one) == 0
    assert await buckets.take(three, one) == 2
    clock.now += 1.5
    assert await buckets.take(three, one) == 0.5
    clock.now += 0.5
    assert await buckets.take(three, one) == 0
    assert await buckets.take(three) == 0
    assert await buckets.take(three) == pytest.approx(98, abs=0.01)


async def test_local_buckets_are_bounded_and_those_in_use_stay() -> None:
    buckets = Buckets(None, clock=Clock())
    kept = Draw("a", "kept", Bucket(capacity=1, per_second=0.01))
    assert await buckets.take(kept) == 0
    for number in range(LOCAL_BUCKETS + 100):
        assert await buckets.take(Draw("a", str(number), SLOW)) == 0
        if number % 1000 == 0:
            assert await buckets.take(kept) == 100
    assert len(buckets._local) == LOCAL_BUCKETS


async def test_redis_goes_and_comes_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "kernel.buckets")
    server, clock = EmbeddedRedis(tmp_path / "redis"), Clock()
    await server.start()
    client = create_client(server.url())
    buckets = Buckets(client, clock=clock)
    draws = [Draw("a", "x", SLOW), Draw("b", "x", SLOW)]
    assert await buckets.take(*draws) == 0
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.wait()
    # Half of them at the same time as the failure is found out.
    waits = await asyncio.gather(*(buckets.take(*draws) for _ in range(3)))
    waits += [await buckets.take(*draws) for _ in range(3)]
    assert waits[:3] == [0, 0, 0]
    assert all(99 < wait <= 100 for wait in waits[3:])
    await server.start()
    clock.now += AWAY_SECONDS * (1 - AWAY_JITTER) - 0.001
    assert await buckets.take(*draws) > 0  # not asked yet
    clock.now += AWAY_SECONDS * AWAY_JITTER * 2 + 0.002
    assert [await buckets.take(*draws) for _ in range(3)] == [0, 0, 0]
    assert len(await client.keys("*")) == 2
    assert await buckets.take(*draws) > 0
    away, back = [record.message for record in caplog.records]
    assert away.startswith("limits are counted per process until Redis is back (")
    assert back == "limits are counted in Redis again"
    await client.aclose()
    await server.stop()


async def test_one_that_hangs_delays_one_request_and_not_the_next(tmp_path: Path) -> None:
    server, clock = EmbeddedRedis(tmp_path / "redis"), Clock()
    await server.start()
    client = create_client(server.url())
    buckets = Buckets(client, clock=clock)
    plenty = Draw("a", "x", Bucket(capacity=1000, per_second=1))
    assert await buckets.take(plenty) == 0
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    assert await buckets.take(plenty) == 0
    started = time.monotonic()
    assert [await buckets.take(plenty) for _ in range(100)] == [0] * 100
    assert time.monotonic() - started < COMMAND_SECONDS
    clock.now += AWAY_SECONDS * (1 + AWAY_JITTER) + 0.001
    probing = asyncio.create_task(buckets.take(plenty))
    await asyncio.sleep(0)
    started = time.monotonic()
    assert [await buckets.take(plenty) for _ in range(100)] == [0] * 100
    assert time.monotonic() - started < COMMAND_SECONDS
    assert not probing.done()
    assert await asyncio.wait_for(probing, COMMAND_SECONDS * 2 + SLACK_SECONDS) == 0
    os.kill(server.pid, signal.SIGCONT)
    clock.now += AWAY_SECONDS * (1 + AWAY_JITTER) + 0.001
    assert await buckets.take(plenty) == 0
    assert not buckets._away
    await client.aclose()
    await server.stop()


async def test_a_full_redis_is_one_that_is_away(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    await server.start()
    client = create_client(server.url())
    await client.config_set("maxmemory", 1)
    buckets = Buckets(client)
    assert [await buckets.take(Draw("a", "x", SLOW)) for _ in range(3)] == [0, 0, 0]
    assert await buckets.take(Draw("a", "x", SLOW)) > 0
    await client.aclose()
    await server.stop()
