"""Postgres as all services use it: connections, the tenant a transaction speaks for, and proof of durability.

Every table carries a tenant and row-level security. A transaction names its tenant once, in `app.tenant`, and sees
and writes nothing of anybody else's; a transaction that names none sees nothing at all. What belongs to a person and
not to a tenant (a login) is kept apart the same way, by `app.identity`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final
from uuid import UUID

import asyncpg

FAILURES: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises when a statement was not carried out, or when nobody knows (`TimeoutError` is an `OSError`). A
connection that is cut at the wrong moment even breaks asyncpg's own state: that is its `InternalClientError`."""
CONNECT_SECONDS: Final = 5.0
POOL_CLOSE_SECONDS: Final = 2.0
POOL_IDLE_SECONDS: Final = 300.0
"""A pooled connection unused for this long is given back to the server."""


class NotDurable(Exception):
    """This Postgres would acknowledge a commit that a power cut can undo."""


async def connect(dsn: str, *, name: str, statement_seconds: float) -> Any:
    """One `asyncpg.Connection` of its own. `name` is what the server's views and logs call it.

    A statement is given up by the server after `statement_seconds`, and by the client a second later: the server
    cannot tell when it is the server that hangs. Raises what `asyncpg.connect` raises.
    """
    return await asyncpg.connect(dsn, timeout=CONNECT_SECONDS, **_options(name, statement_seconds))


async def create_pool(dsn: str, *, name: str, statement_seconds: float, max_size: int, min_size: int = 0) -> Any:
    """An `asyncpg.Pool`. Connections are made when first needed, so it can be had while the server is away.

    Statements are prepared and cached per connection: put no transaction pooler in between.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=min_size,
        max_size=max_size,
        timeout=CONNECT_SECONDS,
        max_inactive_connection_lifetime=POOL_IDLE_SECONDS,
        **_options(name, statement_seconds),
    )


async def close_pool(pool: Any) -> None:
    """Give back all connections; those that are still in use after `POOL_CLOSE_SECONDS` are cut off."""
    try:
        async with asyncio.timeout(POOL_CLOSE_SECONDS):
            await pool.close()
    except TimeoutError:
        pool.terminate()


@asynccontextmanager
async def scope(
    pool: Any, *, tenant: UUID | None = None, identity: UUID | None = None, acquire_seconds: float | None = None
) -> AsyncIterator[Any]:
    """A transaction that speaks for a tenant, for a person (the row of one identity and what hangs on it), for both or
    for nobody, on a connection of `pool`; committed at the end, undone on an error.

    Waits at most `acquire_seconds` for a connection (None: as long as it takes), then raises `TimeoutError`.
    """
    async with pool.acquire(timeout=acquire_seconds) as connection:
        transaction = connection.transaction()
        try:
            await transaction.start()
        except BaseException:
            connection.terminate()  # it may have begun: the next borrower must not find it so
            raise
        try:
            # set_config takes a parameter where SET takes none; `true` ends it with the transaction.
            await connection.execute(
                "SELECT set_config('app.tenant', $1, true), set_config('app.identity', $2, true)",
                _setting(tenant),
                _setting(identity),
            )
            yield connection
            await transaction.commit()
        except (TimeoutError, asyncio.CancelledError):
            # A statement is still under way, perhaps on a server that hangs: a ROLLBACK would wait behind it.
            connection.terminate()
            raise
        except BaseException:
            if not connection.is_closed():
                await transaction.rollback()
            raise


def tenant_scope(pool: Any, tenant: UUID, *, acquire_seconds: float | None = None) -> AbstractAsyncContextManager[Any]:
    """A transaction that speaks for `tenant` and for no person. See `scope`."""
    return scope(pool, tenant=tenant, acquire_seconds=acquire_seconds)


def identity_scope(
    pool: Any, identity: UUID, *, acquire_seconds: float | None = None
) -> AbstractAsyncContextManager[Any]:
    """A transaction that speaks for the person `identity` and for no tenant. See `scope`."""
    return scope(pool, identity=identity, acquire_seconds=acquire_seconds)


async def speak_for_tenant(connection: Any, tenant: UUID) -> None:
    """From here on the transaction under way speaks for `tenant`, for what is of one person and in many tenants and
    must happen in all or in none. The caller must know from the database that the person is there."""
    await connection.execute("SELECT set_config('app.tenant', $1, true)", str(tenant))


async def speak_for_identity(connection: Any, identity: UUID | None) -> None:
    """From here on the transaction under way speaks for the person `identity`, or for none, besides its tenant."""
    await connection.execute("SELECT set_config('app.identity', $1, true)", _setting(identity))


def _setting(id_: UUID | None) -> str:
    return "" if id_ is None else str(id_)


async def check_durability(connection: Any) -> None:
    """Raise `NotDurable` unless what `connection` commits is on disk when the commit returns."""
    row = await connection.fetchrow(
        "SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit,"
        " current_setting('full_page_writes') AS full_page_writes, current_user AS role"
    )
    # `local`, `remote_write` and `remote_apply` all wait for the server's own disk; only `off` does not.
    loose = [name for name in ("fsync", "synchronous_commit", "full_page_writes") if row[name] == "off"]
    if loose:
        raise NotDurable(
            f"Postgres has {', '.join(f'{name} = off' for name in loose)} for role {row['role']}: edits told to be"
            " saved could be lost. Set it to on (ALTER SYSTEM or ALTER ROLE) and start again"
        )


def _options(name: str, statement_seconds: float) -> dict[str, Any]:
    milliseconds = str(int(statement_seconds * 1000))
    return {
        "command_timeout": statement_seconds + 1.0,
        "server_settings": {
            "application_name": name,
            "statement_timeout": milliseconds,
            "lock_timeout": milliseconds,
            # A client that hangs in the middle of a transaction must not keep its locks.
            "idle_in_transaction_session_timeout": milliseconds,
            "jit": "off",
        },
    }
