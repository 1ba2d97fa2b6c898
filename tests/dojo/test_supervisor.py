"""Supervision: order, restarts with back-off, and ends that stay ends. The services are real processes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dojo.process import Child, ChildFailed
from dojo.supervisor import Backoff, Running, Service, Supervisor
from tests.dojo.test_process import SETTINGS, gone, notes, program, until

QUICK = Backoff(first_seconds=0.02, most_seconds=0.1)


class Starts:
    """Starts stand-ins and remembers them."""

    def __init__(self, name: str = "a", log: list[str] | None = None) -> None:
        self.name = name
        self.log = log if log is not None else []
        self.pids: list[int] = []
        self.failures = 0

    async def __call__(self) -> Running:
        if self.failures:
            self.failures -= 1
            raise ChildFailed("not now")
        child = await Child.start(program("serve"), SETTINGS)
        self.pids.append(child.pid)
        self.log.append(f"+{self.name}")
        return Noted(child, self)


class Noted(Child):
    """A child that notes when it was asked to stop."""

    def __init__(self, child: Child, starts: Starts) -> None:
        self.__dict__.update(child.__dict__)
        self._starts = starts

    async def stop(self) -> None:
        self._starts.log.append(f"-{self._starts.name}")
        await super().stop()


async def test_services_start_and_stop_in_order() -> None:
    log: list[str] = []
    a, b, c = (Service(name, Starts(name, log)) for name in "abc")
    supervisor = Supervisor([[a], [b], [c]], stop_order=[[b], [c], [a]])
    await supervisor.start()
    pids = [service.pid for service in (a, b, c)]
    await supervisor.stop()
    assert log == ["+a", "+b", "+c", "-b", "-c", "-a"]
    assert all(pid is not None and gone(pid) for pid in pids)
    await supervisor.stop()
    assert len(log) == 6


async def test_when_one_does_not_start_those_before_it_are_stopped() -> None:
    log: list[str] = []
    broken = Starts("b", log)
    broken.failures = 1
    supervisor = Supervisor(
        [[Service("a", Starts("a", log))], [Service("b", broken)], [Service("c", Starts("c", log))]]
    )
    with pytest.raises(ChildFailed):
        await supervisor.start()
    assert log == ["+a", "-a"]


async def test_services_of_one_stage_start_together() -> None:
    both = asyncio.Barrier(2)

    def meeting(starts: Starts) -> Callable[[], Awaitable[Running]]:
        async def start() -> Running:
            await both.wait()  # passed only while the other one starts too
            return await starts()

        return start

    a, b = Starts("a"), Starts("b")
    supervisor = Supervisor([[Service("a", meeting(a)), Service("b", meeting(b))]])
    await asyncio.wait_for(supervisor.start(), 10)
    await supervisor.stop()
    assert gone(a.pids[0])
    assert gone(b.pids[0])


async def test_when_one_of_a_stage_does_not_start_nothing_of_it_is_left() -> None:
    started = asyncio.Event()
    a, slow = Starts("a"), asyncio.Event()

    async def start_a() -> Running:
        child = await a()
        started.set()
        return child

    async def break_after_a() -> Running:
        await started.wait()
        raise ChildFailed("not now")

    async def never() -> Running:
        try:
            await asyncio.Event().wait()
        finally:
            slow.set()
        raise AssertionError("nobody sets that event")

    supervisor = Supervisor([[Service("a", start_a), Service("b", break_after_a), Service("c", never)]])
    with pytest.raises(ChildFailed):
        await supervisor.start()
    assert slow.is_set()
    await until(lambda: gone(a.pids[0]))


async def test_a_service_that_dies_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    starts = Starts()
    service = Service("a", starts, QUICK)
    await service.start()
    for life in range(1, 4):
        os.kill(starts.pids[-1], signal.SIGKILL)
        await until(lambda life=life: service.restarts == life)  # type: ignore[misc]
    assert len(set(starts.pids)) == 4
    assert "a ended unexpectedly (killed by SIGKILL)" in caplog.text
    await service.stop()
    assert all(gone(pid) for pid in starts.pids)


async def test_a_restart_that_fails_is_tried_again() -> None:
    starts = Starts()
    service = Service("a", starts, QUICK)
    await service.start()
    starts.failures = 3
    os.kill(starts.pids[0], signal.SIGKILL)
    await until(lambda: service.restarts == 1)
    assert starts.failures == 0
    await service.stop()


async def test_a_stop_between_death_and_restart_is_final() -> None:
    starts = Starts()
    service = Service("a", starts, Backoff(first_seconds=30, most_seconds=30))
    await service.start()
    os.kill(starts.pids[0], signal.SIGKILL)
    await until(lambda: service.pid is None)
    await asyncio.wait_for(service.stop(), 5)
    assert service.restarts == 0
    assert len(starts.pids) == 1


async def test_killing_ends_all_at_once(tmp_path: Path) -> None:
    async def deaf() -> Running:
        return await Child.start(program("deaf", str(tmp_path / "notes")), SETTINGS)

    supervisor = Supervisor([[Service("a", deaf), Service("b", deaf)]])
    await supervisor.start()
    await asyncio.wait_for(supervisor.kill(), 5)
    assert all(gone(note["pid"]) for note in notes(tmp_path / "notes"))


def test_pauses_grow_up_to_a_bound_and_differ() -> None:
    backoff = Backoff(first_seconds=0.2, most_seconds=10)
    for failures, ceiling in ((1, 0.2), (2, 0.4), (4, 1.6), (7, 10), (1000, 10)):
        pauses = [backoff.pause(failures) for _ in range(50)]
        assert all(ceiling / 2 <= pause <= ceiling for pause in pauses)
        assert len(set(pauses)) > 40
