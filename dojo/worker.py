"""The worker: what nobody waits for. It sends the mails of the outbox, deletes what has expired, ends dojos that nobody
looks after, makes ready what looking back needs, erases companies that asked for it, and deletes recordings: of those
companies, of people who were removed, and when their time is over. Any number may run at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

import uvloop

from dojo.child import ChildStart
from dojo.data_directory import DataDirectory
from dojo.mailing import mailer_of
from dojo.master_keys import master_keys
from dojo.upkeep import Upkeep
from edge.identity.delivery import AT_ONCE, BATCH, Delivery
from kernel.blobs.folder import FolderBlobs
from kernel.database import FAILURES, connect, create_pool
from kernel.secrets import MasterKeyError
from kernel.settings import SettingsError
from kernel.telemetry import log_to

IDLE_SECONDS: Final = 1.0
"""Between two looks into an empty outbox: somebody waits for that mail."""
PRUNE_SECONDS: Final = 3600.0
MONTHS_SECONDS: Final = 6 * 3600.0
"""Months are made far ahead and dropped late: this is for a day on which it failed."""
ERASE_SECONDS: Final = 60.0
DOJOS_SECONDS: Final = 60.0
RECORDINGS_SECONDS: Final = 6 * 3600.0
"""Every file of every recording is looked at."""
FIRST_SECONDS: Final = 10.0
"""Before the first of all but mails: there is enough to do at the start itself."""
RETRY_SECONDS: Final = (0.5, 30.0)
"""First and longest pause while the database is away."""
MAIL_STATEMENT_SECONDS: Final = 10.0
UPKEEP_STATEMENT_SECONDS: Final = 900.0
"""Erasing a large company is one statement."""
STOP_SECONDS: Final = 5.0
"""For mails under way once a stop was asked for; those cut off are sent again."""

log = logging.getLogger(__name__)


class Loop:
    """Does `work` again and again until it is told to stop; a failure is logged and never ends it.

    `work` returns whether there is more to do at once.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[bool]], *, every: float, first: float = 0.0) -> None:
        """`every` and `first`: seconds between two runs, and before the first."""
        self._name = name
        self._work = work
        self._every = every
        self._first = first

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; what is under way then is finished."""
        pause, failures = self._first, 0
        while not await _set_within(stop, _jittered(pause)):
            try:
                pause = 0.0 if await self._work() else self._every
                failures = 0
            except Exception as error:  # whatever it is: the next run may do better
                failures += 1
                shortest, longest = RETRY_SECONDS
                pause = min(longest, shortest * 2.0 ** min(failures - 1, 20))
                if failures == 1 or pause == longest:
                    # The type alone: a text may quote a row.
                    log.error("%s failed, next try in %.1f s: %s", self._name, pause, type(error).__name__)


async def run(start: ChildStart) -> None:
    """Work until SIGTERM."""
    settings = start.settings
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    dsn = settings.database.worker
    if dsn is None:
        raise SettingsError("database.worker is not set: the worker has a role of its own")
    mailer, keys = mailer_of(settings.mail), master_keys(settings)
    pool = await create_pool(
        dsn, name="dojo-mail", statement_seconds=MAIL_STATEMENT_SECONDS, max_size=AT_ONCE + 1, min_size=1
    )
    delivery = Delivery(pool, keys, mailer)

    async def deliver() -> bool:
        return await delivery.deliver() == BATCH

    folder = DataDirectory(settings.data_dir).blobs
    if settings.voice.enabled and not folder.is_dir():
        log.info("%s is not there: either nothing was recorded yet, or it must be mounted here, too", folder)
    upkeep = Upkeep(settings, FolderBlobs(folder))

    def rarely(name: str, work: Callable[[Any], Awaitable[bool]], every: float) -> Loop:
        return Loop(name, lambda: _connected(dsn, work), every=every, first=FIRST_SECONDS)

    loops = (
        Loop("sending mail", deliver, every=IDLE_SECONDS),
        rarely("pruning", upkeep.prune, PRUNE_SECONDS),
        rarely("turning months", upkeep.turn_months, MONTHS_SECONDS),
        rarely("ending dojos", upkeep.end_dojos, DOJOS_SECONDS),
        rarely("making replays ready", upkeep.keep_ended, DOJOS_SECONDS),
        rarely("erasing", upkeep.erase, ERASE_SECONDS),
        rarely("erasing voices", upkeep.forget_voices, ERASE_SECONDS),
        rarely("deleting recordings", upkeep.sweep_recordings, RECORDINGS_SECONDS),
    )
    tasks = [asyncio.create_task(loop.run(stop)) for loop in loops]
    try:
        start.ready({})
        await stop.wait()
        await asyncio.wait(tasks, timeout=STOP_SECONDS)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        pool.terminate()


async def _connected(dsn: str, work: Callable[[Any], Awaitable[bool]]) -> bool:
    """`work` on a connection of its own: it is rare, and may take long."""
    connection = await connect(dsn, name="dojo-upkeep", statement_seconds=UPKEEP_STATEMENT_SECONDS)
    try:
        return await work(connection)
    finally:
        connection.terminate()  # nothing is under way any more, and a server that has died answers no farewell


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    """Whether `event` is set now or within so long."""
    if seconds > 0:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, hides nothing


def main() -> int:
    """The process; returns its exit code."""
    try:
        start = ChildStart.from_process()
        log_to(None, service="worker", level=start.settings.log_level)
        uvloop.run(run(start))
    except (SettingsError, MasterKeyError, OSError) as error:
        log.error("%s", error)
        return 1
    except FAILURES as error:
        log.error("the database does not let the worker in: %s", type(error).__name__)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
