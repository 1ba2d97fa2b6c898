"""What a process says about tokens without Postgres."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from dojo.embedded.postgres import OWNER, EmbeddedPostgres
from dojo.migrate import migrate
from kernel.database import create_pool
from kernel.tokens.access import verify_access
from kernel.tokens.authority import UNVERIFIABLE_SECONDS, Authority, AuthorityAway
from kernel.tokens.jws import PublicKeys, TokenRefused
from tests.kernel.tokens.processes import EFFECT_SECONDS, Processes, processes, refusal, until


async def test_without_postgres_tokens_are_taken_for_a_minute_and_then_nobody_can_tell(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    await server.start()
    try:
        await migrate(server.dsn(OWNER))
        async with processes(server.dsn("dojo_service")) as all_of:
            authority = await all_of.authority(keeps_up=True)
            ana, session, gone = uuid4(), uuid4(), uuid4()
            token = all_of.token(ana, session)
            await all_of.revoke(ana, gone, None)
            await authority.refresh()
            await server.stop()
            with pytest.raises(AuthorityAway):
                await authority.refresh()
            assert (await authority.access(token)).sub == ana
            all_of.clock.ahead = UNVERIFIABLE_SECONDS + 1
            assert await refusal(authority, token) == "unverifiable"
            assert authority.revoked((await _claims(all_of, ana, gone)).bearer), "what is known stays known"
            await server.start()

            async def back() -> bool:
                return authority.fresh

            await until(back, 2 * EFFECT_SECONDS)
            assert (await authority.access(token)).sub == ana
    finally:
        await server.stop()


async def _claims(all_of: Processes, user: UUID, session: UUID) -> Any:
    key = all_of.ring.key
    return verify_access(PublicKeys([key.public_jwk()]), all_of.token(user, session), all_of.clock.wall())


async def test_it_does_not_start_without_postgres() -> None:
    pool = await create_pool("postgresql://dojo_service@127.0.0.1:1/dojo", name="t", statement_seconds=1.0, max_size=1)
    authority = Authority(pool, None)
    with pytest.raises(AuthorityAway, match="cannot read revocations and keys"):
        await authority.start()
    with pytest.raises(TokenRefused):
        await authority.access("a.b.c")
    await authority.close()
    await pool.close()
