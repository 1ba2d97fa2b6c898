from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from dojo.embedded.redis import EmbeddedRedis
from kernel.redis import COMMAND_SECONDS, POOL_CONNECTIONS, RedisAway, check, create_client, or_away

SLACK_SECONDS = 1.5
"""On top of a time limit, on a busy machine."""


async def test_it_answers_in_bytes(redis: Redis) -> None:
    await check(redis)
    with or_away():
        await redis.set("here", "ä")
        assert await redis.get("here") == "ä".encode()


async def test_more_commands_at_once_than_connections(redis: Redis) -> None:
    with or_away():
        counted = await asyncio.gather(*(redis.incr("counter") for _ in range(POOL_CONNECTIONS * 5)))
    assert sorted(counted) == list(range(1, POOL_CONNECTIONS * 5 + 1))


async def test_it_is_named_in_the_list_of_clients(redis_url: str, redis: Redis) -> None:
    client = create_client(redis_url, name="test-of-names")
    await check(client)
    assert "test-of-names" in [each["name"] for each in await redis.client_list()]
    await client.aclose()


async def test_nobody_listens(tmp_path: Path) -> None:
    for url in (f"unix://{tmp_path}/nothing.sock", "redis://127.0.0.1:1/0", "redis://redis.invalid/0"):
        client = create_client(url)
        with pytest.raises(RedisAway, match="Redis is away: "):
            await check(client)
        await client.aclose()


async def test_one_that_hangs_is_given_up_and_one_that_comes_back_is_used_again(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    await server.start()
    client = create_client(server.url())
    await check(client)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(RedisAway):
        await check(client)
    assert time.monotonic() - started < COMMAND_SECONDS + SLACK_SECONDS
    os.kill(server.pid, signal.SIGCONT)
    await check(client)
    os.kill(server.pid, signal.SIGKILL)
    await server.wait()
    with pytest.raises(RedisAway):
        await check(client)
    await server.start()
    await check(client)
    # The connection of before the restart is found dead before anything is sent on it.
    await server.stop()
    await server.start()
    await check(client)
    await client.aclose()
    await server.stop()


@pytest.mark.parametrize("connected", [True, False])
async def test_a_cancelled_command_ends_its_task_and_leaves_no_answer_for_the_next(
    redis: Redis, connected: bool
) -> None:
    await redis.set("kept", "value")

    async def ask_for_ever() -> None:
        while True:
            with or_away():
                await redis.echo("other")

    for steps in range(30):  # wherever it is on its way
        if not connected:
            await redis.connection_pool.disconnect()
        asking = asyncio.create_task(ask_for_ever())
        for _ in range(steps):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking], timeout=COMMAND_SECONDS + SLACK_SECONDS)
        assert asking.cancelled()
        assert await redis.get("kept") == b"value"


async def test_a_full_one_and_a_replica_count_as_away(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    await server.start()
    client = create_client(server.url())
    await client.config_set("maxmemory", 1)
    with pytest.raises(RedisAway), or_away():
        await client.set("a", "b")
    with pytest.raises(RedisAway), or_away():
        await client.eval("return redis.call('SET', 'a', 'b')", 0)
    await client.config_set("maxmemory", 0)
    await client.replicaof("127.0.0.1", "1")
    for _ in range(2):
        with pytest.raises(RedisAway), or_away():
            await client.set("a", "b")
        with pytest.raises(RedisAway), or_away():
            await client.eval("return redis.call('SET', 'a', 'b')", 0)
    await client.aclose()
    await server.stop()


async def test_an_error_in_the_command_is_no_outage(redis: Redis) -> None:
    await redis.set("text", "x")
    with pytest.raises(ResponseError), or_away():
        await redis.incr("text")


async def test_a_subscription_waits_longer_than_a_command(redis: Redis) -> None:
    async with redis.pubsub() as subscription:
        await subscription.subscribe("test-of-waiting")
        listening = aiter(subscription.listen())
        assert (await anext(listening))["type"] == "subscribe"
        waiting = asyncio.ensure_future(anext(listening))
        done, _ = await asyncio.wait([waiting], timeout=COMMAND_SECONDS * 2)
        assert not done
        await redis.publish("test-of-waiting", "ring")
        assert (await asyncio.wait_for(waiting, 5))["data"] == b"ring"


@pytest.mark.parametrize(
    "url",
    ["http://:hidden-word@x/", "", "redis.example.com", "redis://:hidden-word/#@x:1", "redis://:hidden-word:1@x:y"],
)
def test_an_address_that_makes_no_sense_is_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="cannot read the address of Redis") as refused:
        create_client(url)
    assert "hidden-word" not in str(refused.value)
    assert refused.value.__suppress_context__


async def test_a_password_is_shown_by_neither_client_nor_error() -> None:
    client = create_client("redis://somebody:hidden-word@127.0.0.1:1/0")
    with pytest.raises(RedisAway) as away:
        await check(client)
    assert "hidden-word" not in repr(client) + str(away.value) + repr(away.value.__cause__)
    await client.aclose()
