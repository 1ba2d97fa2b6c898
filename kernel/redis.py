"""Redis as all services use it: a client that gives up soon, and one exception for every way in which it is not there.

Nothing in Redis is the truth about anything: whoever asks it has another answer ready for when it is away (the
process' own memory, Postgres). So a command is answered within a fraction of a second or counts as not answered, and
is never sent a second time: a lost reply does not tell whether the command was carried out.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ClusterDownError, MasterDownError, OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import TimeoutError as NotAnswered
from redis.maint_notifications import MaintNotificationsConfig

CONNECT_SECONDS: Final = 1.0
COMMAND_SECONDS: Final = 0.5
"""For writing a command, and again for each read of its answer. Redis itself needs some 50 us."""
POOL_WAIT_SECONDS: Final = 0.5
"""For a free connection of the pool."""
POOL_CONNECTIONS: Final = 16
"""Commands under way at once per process. A subscription takes one of them for as long as it lasts."""
IDLE_CHECK_SECONDS: Final = 15.0
"""A connection unused for this long is tried with a PING first: a firewall may have dropped it silently."""

_CANNOT_SERVE: Final = re.compile(r"(?:^|-)(?:OOM|READONLY|MISCONF|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY) ")
"""Codes of answers that say what Redis cannot do now. Those without an exception class of their own begin with it;
met inside a script of Redis 6 they stand, behind a dash, in the text of the script's error."""


class RedisAway(Exception):
    """Redis could not be reached, did not answer in time or could not serve. The command may have been carried out."""


def create_client(url: str, *, name: str = "dojo") -> Redis:
    """A client for `redis://`, `rediss://` (TLS) or `unix://`; answers are bytes. Close it with `aclose`.

    It connects when first needed, so it can be had while Redis is away. `name` (no spaces) is what Redis' own list of
    clients shows. Raises `ValueError` for an address it cannot read; its text never shows the address, which may hold
    a password.
    """
    try:
        pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
            url,
            max_connections=POOL_CONNECTIONS,
            timeout=POOL_WAIT_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=COMMAND_SECONDS,
            health_check_interval=IDLE_CHECK_SECONDS,
            retry=Retry(NoBackoff(), 0),
            client_name=name,
            driver_info=None,
            # A vendor's extension that would stretch the time limits above, and that trusts a connection on which
            # something unread is waiting.
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
    except ValueError:
        raise ValueError(
            "cannot read the address of Redis: it begins with redis://, rediss:// or unix://, and what is special in"
            " its password is percent-encoded"
        ) from None
    return Redis.from_pool(pool)


@contextmanager
def or_away() -> Iterator[None]:
    """Around commands: every way in which Redis does not serve them is raised as `RedisAway`.

    That includes one that is full and a replica that takes no writes. An error in the command itself stays what it is.
    """
    task = asyncio.current_task()
    cancelled_before = task.cancelling() if task is not None else 0
    try:
        yield
    except (NotConnected, NotAnswered, OSError) as error:
        raise RedisAway(_what(error)) from error
    except ResponseError as error:
        known = isinstance(error, (OutOfMemoryError, ReadOnlyError, MasterDownError, ClusterDownError))
        if not known and _CANNOT_SERVE.search(str(error)) is None:
            raise
        raise RedisAway(_what(error)) from error
    finally:
        # The client writes under `asyncio.wait_for`, which before Python 3.12 loses a cancellation that comes when the
        # write is done: whoever cancels a task once and waits for it would wait for ever.
        if task is not None and task.cancelling() > cancelled_before:
            raise asyncio.CancelledError


async def check(client: Redis) -> None:
    """For health checks. Raises `RedisAway` unless Redis answers."""
    with or_away():
        await client.ping()


def _what(error: Exception) -> str:
    return f"Redis is away: {type(error).__name__}: {error}"
