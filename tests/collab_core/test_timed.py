"""A coroutine whose steps are timed behaves as it would without."""

from __future__ import annotations

import asyncio
import time

import pytest

from collab_core.timed import Timed
from tests.collab_core.live import on_each_loop

WORK_SECONDS = 0.02


def work() -> None:
    ends = time.thread_time() + WORK_SECONDS
    while time.thread_time() < ends:
        pass


@on_each_loop
async def test_steps_count_and_waiting_does_not() -> None:
    spent: list[float] = []

    async def two_steps() -> None:
        work()
        await asyncio.sleep(0.05)
        work()

    await asyncio.get_running_loop().create_task(Timed(two_steps(), spent.append))
    assert len(spent) == 2
    assert 2 * WORK_SECONDS <= sum(spent) < 2 * WORK_SECONDS + 0.02


@on_each_loop
async def test_it_can_be_cancelled_and_may_fail() -> None:
    spent: list[float] = []
    seen: list[str] = []

    async def waits() -> None:
        try:
            async with asyncio.timeout(60):
                await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def fails() -> None:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(60)

    task = asyncio.get_running_loop().create_task(Timed(waits(), spent.append))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert seen == ["cancelled"]
    with pytest.raises(TimeoutError):
        await asyncio.get_running_loop().create_task(Timed(fails(), spent.append))
    assert spent


async def test_it_can_be_awaited_and_closed() -> None:
    spent: list[float] = []

    async def nothing() -> None:
        await asyncio.sleep(0)

    await Timed(nothing(), spent.append)
    Timed(nothing(), spent.append).close()
    assert spent == []
