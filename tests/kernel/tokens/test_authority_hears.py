"""How soon a revocation takes effect in every process, with Redis and without it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from uuid import uuid4

from dojo.embedded.redis import EmbeddedRedis
from tests.kernel.tokens.processes import Processes, heard, takes_effect


async def test_with_redis_every_process_knows_in_no_time(all_of: Processes, redis_url: str) -> None:
    here, there = [await all_of.authority(redis_url, keeps_up=True) for _ in range(2)]
    await heard(here, there)
    ana, session = uuid4(), uuid4()
    token = all_of.token(ana, session)
    assert (await there.access(token)).sub == ana
    await all_of.revoke(ana, session, None)
    await here.ring()
    assert await takes_effect(there, token) < 1.0
    assert await takes_effect(here, token) < 1.0


async def test_with_redis_killed_it_still_takes_effect_and_hears_again_later(all_of: Processes, tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    await server.start()
    try:
        authority = await all_of.authority(server.url(), keeps_up=True)
        await heard(authority)
        await server.kill()
        await heard(authority, hears=False)
        ana, session = uuid4(), uuid4()
        await all_of.revoke(ana, session, None)
        await authority.ring()
        await takes_effect(authority, all_of.token(ana, session))
        second = uuid4()
        await all_of.revoke(ana, second, None)  # in a process that dies before it rings
        await takes_effect(authority, all_of.token(ana, second))
        await server.start()
        await heard(authority)
    finally:
        await server.stop()


async def test_with_a_redis_that_hangs_too(all_of: Processes, tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    await server.start()
    try:
        authority = await all_of.authority(server.url(), keeps_up=True)
        await heard(authority)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        ana, session = uuid4(), uuid4()
        await all_of.revoke(ana, session, None)
        await takes_effect(authority, all_of.token(ana, session))
        os.kill(server.pid, signal.SIGCONT)
    finally:
        await server.stop()
