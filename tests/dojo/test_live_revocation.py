"""A revocation reaches the open sockets of every live node, and whoever asks over HTTP, within seconds."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest

from collab_core.closes import CloseCode
from dojo.embedded.redis import EmbeddedRedis
from dojo.settings import RedisSettings
from kernel.database import create_pool
from kernel.redis import create_client
from kernel.tokens.authority import Authority
from kernel.tokens.jws import TokenRefused
from tests.collab_core.client import Client
from tests.collab_core.live import tenant_of, user_of
from tests.conftest import Database
from tests.dojo.test_live_node import Node, running, settings
from tests.kernel.tokens.issuing import Issuer, issuing

EFFECT_SECONDS = 5.0
TENANT, ANA, BEN = tenant_of("acme"), user_of("ana"), user_of("ben")


@asynccontextmanager
async def api(database: Database, url: str) -> AsyncIterator[Authority]:
    """What an API process checks its callers with."""
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=5.0, max_size=2)
    redis = create_client(url)
    authority = Authority(pool, redis)
    await authority.start()
    try:
        yield authority
    finally:
        await authority.close()
        await redis.aclose()
        await pool.close()


async def enter(node: Node, query: str, *, dojo: bool = True) -> Client:
    return await node.enter_with(f"/api/v1/rooms/room/sync?{query}", dojo=dojo)


async def inside(node: Node, issuer: Issuer, user: UUID, session: UUID, *, version: int = 1) -> Client:
    client = await enter(node, f"token={issuer.access(TENANT, user, session, version=version)}")
    await client.sync()
    return client


async def refused(authority: Authority, token: str) -> None:
    """Wait until the token is refused as revoked."""
    while True:
        try:
            await authority.access(token)
        except TokenRefused as error:
            if error.reason != "revoked":
                raise
            return
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("redis_is", ["there", "killed", "never there"])
async def test_revoked_means_gone_within_seconds_on_every_node_and_over_http(
    database: Database, tmp_path: Path, redis_is: str, capfd: pytest.CaptureFixture[str]
) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    url = server.url()
    chosen = msgspec.structs.replace(settings(database), redis=RedisSettings(url=url), log_level="debug")
    if redis_is != "never there":
        await server.start()
    try:
        async with (
            issuing(database.dsn("dojo_service")) as issuer,
            running(chosen) as one,
            running(chosen) as two,
            api(database, url) as authority,
        ):
            session, others = uuid4(), uuid4()
            ana, there = await inside(one, issuer, ANA, session), await inside(two, issuer, ANA, session)
            plain = await enter(two, f"ticket={issuer.ticket(TENANT, ANA, session)}", dojo=False)
            await plain.sync()
            ben, second = await inside(two, issuer, BEN, others), await inside(two, issuer, ANA, others)
            shown = issuer.access(TENANT, ANA, session)
            assert (await authority.access(shown)).sub == ANA
            if redis_is == "killed":
                await server.kill()
            started = time.monotonic()
            await issuer.revoke(TENANT, ANA, session)
            await authority.ring()
            async with asyncio.timeout(EFFECT_SECONDS):
                await refused(authority, shown)
                for gone in (ana, there, plain):
                    assert await gone.until_closed() == (CloseCode.UNAUTHENTICATED, "revoked")
            assert time.monotonic() - started < (EFFECT_SECONDS if redis_is != "there" else 2.0)
            again = await enter(one, f"token={shown}")
            assert await again.until_closed() == (CloseCode.UNAUTHENTICATED, "revoked")
            await ben.type("still here")
            await second.until_text("still here")

            # Ben is demoted: what says the old role ends, what says the new one goes on.
            await issuer.revoke(TENANT, BEN, None, 2)
            await authority.ring()
            async with asyncio.timeout(EFFECT_SECONDS):
                assert await ben.until_closed() == (CloseCode.UNAUTHENTICATED, "revoked")
            assert (await inside(two, issuer, BEN, others, version=2)).text == "still here"
            old = await enter(two, f"token={issuer.access(TENANT, BEN, others, version=1)}")
            assert (await old.until_closed()).code == CloseCode.UNAUTHENTICATED
            logged = capfd.readouterr().err
            assert not any(part in logged for part in shown.split(".")), "no log holds a token"
            assert "token=" not in logged
            if redis_is == "killed":
                assert "dojo:revocations is not heard" in logged, "but it says what matters"
    finally:
        with contextlib.suppress(ProcessLookupError):
            await server.stop()


async def test_a_ticket_opens_one_socket_of_all_nodes(database: Database, redis_url: str) -> None:
    chosen = msgspec.structs.replace(settings(database), redis=RedisSettings(url=redis_url))
    async with issuing(database.dsn("dojo_service")) as issuer, running(chosen) as one, running(chosen) as two:
        ticket = issuer.ticket(TENANT, ANA, uuid4())
        clients = await asyncio.gather(*(enter(node, f"ticket={ticket}") for node in (one, two) for _ in range(3)))

        async def came_in(client: Client) -> bool:
            await client.until(lambda: client.closed is not None or client.told_of("joined"))
            return client.closed is None

        assert sum(await asyncio.gather(*(came_in(client) for client in clients))) == 1
        refusals = {client.closed for client in clients if client.closed is not None}
        assert refusals == {(CloseCode.UNAUTHENTICATED, "token refused: used")}


async def test_a_renewed_token_may_be_of_another_session_and_its_role_counts(database: Database) -> None:
    async with issuing(database.dsn("dojo_service")) as issuer, running(settings(database)) as node:
        client = await enter(node, f"ticket={issuer.ticket(TENANT, ANA, uuid4())}")
        await client.sync()
        await client.tell({"type": "auth", "token": issuer.access(TENANT, ANA, uuid4(), role="guest")})
        await client.until(lambda: client.told_of("renewed"))
        assert client.told_of("renewed")[0]["canWrite"] is False
        await client.type("not mine to write any more")
        await client.until(lambda: client.told_of("reset"))
