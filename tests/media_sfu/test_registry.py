"""The lease of a voice process, in a real Redis."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis

from dojo.embedded.redis import EmbeddedRedis
from kernel.redis import create_client
from media_sfu.registry import (
    BEAT_SECONDS,
    KEY,
    LEASE_MILLISECONDS,
    NAMES,
    STUCK_SECONDS,
    Registered,
    Registry,
    decode,
    new_name,
)

LEASE = KEY.format(name="sfu-1")


def registry(url: str, name: str = "sfu-1", load: Callable[[], float] = lambda: 0.25) -> Registry:
    return Registry(url, name, "http://127.0.0.1:8083", load=load, wall=lambda: 1_700_000_000.0)


async def names(redis: Redis) -> set[bytes | str]:
    return set(await redis.smembers(NAMES))


async def lease(redis: Redis) -> Registered | None:
    told = await redis.get(LEASE)
    assert not isinstance(told, str)
    return decode(told)


async def test_a_process_is_there_from_start_to_close(redis: Redis, redis_url: str) -> None:
    one, other = registry(redis_url), registry(redis_url, "sfu-2")
    await one.start()
    await other.start()
    assert await lease(redis) == Registered("http://127.0.0.1:8083", 0.25, 1_700_000_000.0)
    assert await names(redis) == {b"sfu-1", b"sfu-2"}
    await one.close()
    assert await redis.get(LEASE) is None
    assert await names(redis) == {b"sfu-2"}
    await other.close()


async def test_the_lease_is_renewed_with_the_load_of_now(redis: Redis, redis_url: str) -> None:
    load = 0.25
    one = registry(redis_url, load=lambda: load)
    await one.start()
    assert 0 < await redis.pttl(LEASE) <= LEASE_MILLISECONDS
    await redis.pexpire(LEASE, 60_000)
    load = 0.5
    deadline = time.monotonic() + 10 * BEAT_SECONDS
    while (told := await lease(redis)) is None or told.load != 0.5 or await redis.pttl(LEASE) > LEASE_MILLISECONDS:
        assert time.monotonic() < deadline, "the lease was not renewed"
        await asyncio.sleep(0.02)
    await one.close()


async def test_names_that_were_left_behind_are_forgotten(redis: Redis, redis_url: str) -> None:
    await redis.sadd(NAMES, "killed")
    one = registry(redis_url)
    await one.start()
    assert await names(redis) == {b"sfu-1"}
    await one.close()


async def test_without_redis_it_starts_says_so_once_and_registers_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = EmbeddedRedis(tmp_path)
    await server.start()
    url = server.url()
    await server.stop()
    with caplog.at_level(logging.WARNING):
        one = registry(url)
        await one.start()
        await asyncio.sleep(3 * BEAT_SECONDS)  # beats that find nothing, of which nothing is to be seen
        await server.start()
        client = create_client(url)
        deadline = time.monotonic() + 20 * BEAT_SECONDS
        while await lease(client) is None:
            assert time.monotonic() < deadline, "it never registered"
            await asyncio.sleep(0.02)
        assert caplog.text.count("cannot be registered") == 1
    await one.close()
    assert await client.get(LEASE) is None
    await client.aclose()
    await server.stop()


def test_what_cannot_be_read_is_nobody() -> None:
    assert decode(None) is decode(b"") is decode(b"\xff") is decode(b"{}") is None
    one = Registered("http://h", 0.5, 1.0, "127.0.0.1:9", "secret")
    assert decode(msgspec.json.encode(one)) == one
    assert "secret" not in repr(one)


def test_no_two_processes_have_one_name() -> None:
    assert len({new_name("host", 8082) for _ in range(100)}) == 100


HELD_UP = LEASE_MILLISECONDS / 1000 + 0.3


async def test_a_lease_outlasts_a_loop_that_is_busy(redis: Redis, redis_url: str) -> None:
    one = registry(redis_url)
    await one.start()
    time.sleep(HELD_UP)  # noqa: ASYNC251 - the loop itself is held up
    assert await lease(redis) is not None
    await one.close()


async def test_a_loop_that_is_stuck_loses_its_lease(redis: Redis, redis_url: str) -> None:
    one = Registry(redis_url, "sfu-1", "http://127.0.0.1:8083", load=lambda: 0.0, stuck_seconds=0.3)
    assert STUCK_SECONDS > LEASE_MILLISECONDS / 1000
    await one.start()
    time.sleep(0.5 + HELD_UP)  # noqa: ASYNC251
    assert await lease(redis) is None
    await asyncio.sleep(2 * BEAT_SECONDS)
    assert await lease(redis) is not None, "it turns again"
    await one.close()
