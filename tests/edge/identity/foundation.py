"""What every API of these tests stands on, on a database of its own: accounts, keys, revocations, an HTTP server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis

from edge.identity.accounts import Accounts, AccountSettings
from edge.identity.passwords import PasswordHashing
from kernel.buckets import Buckets
from kernel.database import create_pool
from kernel.http.answering import answering
from kernel.http.authentication import TokenAuthenticator
from kernel.http.limits import HttpLimits
from kernel.http.operation import Operation
from kernel.http.router import Guard, Router
from kernel.secrets import MasterKeys
from kernel.tokens.authority import Authority
from kernel.tokens.keyring import KeyRing
from tests.conftest import Database

BASE_URL: Final = "https://dojo.example.com"


@dataclass(frozen=True, slots=True)
class Foundation:
    """`everything` is a superuser's pool of one connection, to see and to move time."""

    pool: Any
    everything: Any
    master: MasterKeys
    buckets: Buckets
    hashing: PasswordHashing
    keys: KeyRing
    authority: Authority
    accounts: Accounts

    @asynccontextmanager
    async def serving(
        self, operations: Sequence[Operation], *, origins: Iterable[str] = (), limits: HttpLimits | None = None
    ) -> AsyncIterator[aiohttp.ClientSession]:
        """A client of `operations` over HTTP. Cookies are told by each test: what a browser would add must be seen."""
        authenticator = TokenAuthenticator(self.authority)
        guard = Guard(authenticator, self.buckets, limits or HttpLimits(), frozenset(origins), trusted_proxies=1)
        app = web.Application(middlewares=[answering])
        Router(self.pool, guard, self.master).add(operations, app.router)
        async with (
            TestServer(app) as server,
            aiohttp.ClientSession(server.make_url("/"), cookie_jar=aiohttp.DummyCookieJar()) as session,
        ):
            yield session


@asynccontextmanager
async def foundation(
    database: Database, redis: Redis, settings: AccountSettings | None = None
) -> AsyncIterator[Foundation]:
    """All of it started, and ended in the opposite order."""
    async with AsyncExitStack() as ending:
        pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=5, max_size=8)
        ending.push_async_callback(pool.close)
        everything = await create_pool(database.dsn("postgres"), name="all", statement_seconds=5, max_size=1)
        ending.push_async_callback(everything.close)
        master, hashing, buckets = MasterKeys([bytes(32)]), PasswordHashing(), Buckets(redis)
        hashing.start()
        ending.push_async_callback(hashing.close)
        keys, authority = KeyRing(master), Authority(pool, redis)
        await keys.start(pool)
        ending.push_async_callback(keys.close)
        await authority.start()
        ending.push_async_callback(authority.close)
        accounts = Accounts(
            pool,
            buckets=buckets,
            hashing=hashing,
            master=master,
            keys=keys,
            authority=authority,
            settings=settings or AccountSettings(),
            base_url=BASE_URL,
        )
        accounts.start()
        ending.push_async_callback(accounts.close)
        yield Foundation(pool, everything, master, buckets, hashing, keys, authority, accounts)
