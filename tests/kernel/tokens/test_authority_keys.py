"""What a process knows about keys: a rotation, a flood of unknown ones, a broken row."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import uuid4

from kernel.tokens.access import ACCESS_SECONDS, mint_access
from kernel.tokens.authority import REFETCH_SECONDS
from kernel.tokens.keyring import PUBLISHED_AHEAD_SECONDS, RETIRED_SECONDS, SIGNS_SECONDS
from kernel.tokens.signing_key import SigningKey
from tests.conftest import Database
from tests.kernel.tokens.processes import TENANT, Processes


async def test_a_rotation_signs_nobody_out_not_even_at_a_verifier_that_lags(all_of: Processes) -> None:
    keen, lazy = await all_of.authority(), await all_of.authority()
    ana = uuid4()
    async with all_of.pool.acquire() as connection:
        all_of.clock.ahead = SIGNS_SECONDS
        old = all_of.ring.key
        await lazy.refresh()
        await all_of.ring.ensure(connection)
        await keen.refresh()
        assert all_of.ring.key.kid == old.kid
        assert len(keen.jwks()["keys"]) == 2
        before = all_of.token(ana, uuid4())
        # A lagging verifier that knows the revocations of the last minute meets a new key only if the signer's clock
        # is ahead as well.
        all_of.signer_ahead = 20.0
        all_of.clock.ahead += PUBLISHED_AHEAD_SECONDS - all_of.signer_ahead + 1
        assert all_of.ring.key.kid != old.kid, "by its own clock, without looking again"
        after = all_of.token(ana, uuid4())
        for authority in (keen, lazy):
            for token in (before, after):
                assert (await authority.access(token)).sub == ana
        await all_of.ring.ensure(connection)
        last = mint_access(
            old, tenant=TENANT, user=ana, session=uuid4(), version=1, role="host", name="", now=all_of.clock.wall()
        )
        all_of.clock.ahead += ACCESS_SECONDS - 1
        for authority in (keen, lazy):
            await authority.refresh()
            for token in (after, last):
                assert (await authority.access(token)).sub == ana
        all_of.clock.ahead += RETIRED_SECONDS
        await all_of.ring.ensure(connection)
        await keen.refresh()
        assert [key["kid"] for key in keen.jwks()["keys"]] == [all_of.ring.key.kid]


async def test_a_flood_of_unknown_keys_is_no_flood_of_queries(all_of: Processes, database: Database) -> None:
    authority = await all_of.authority()
    good = all_of.token(uuid4(), uuid4())
    stranger = SigningKey.generate()
    all_of.clock.ahead = REFETCH_SECONDS
    forged = [
        mint_access(
            stranger,
            tenant=TENANT,
            user=uuid4(),
            session=uuid4(),
            version=1,
            role="admin",
            name="Mallory",
            now=time.time(),
        )
    ] * 10_000
    reads = 0
    read = authority._read

    async def counted(seconds: float) -> tuple[list[Any], list[Any]]:
        nonlocal reads
        reads += 1
        return await read(seconds)

    authority._read = counted  # type: ignore[method-assign]
    started = time.monotonic()
    found = await asyncio.gather(*(authority.access(token) for token in forged), return_exceptions=True)
    seconds = time.monotonic() - started
    assert {str(refused) for refused in found} == {"unknown_key"}
    assert 1 <= reads <= 1 + seconds / REFETCH_SECONDS
    assert (await authority.access(good)).role == "member"


async def test_a_row_that_is_no_key_is_left_out(all_of: Processes) -> None:
    async with all_of.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO signing_keys (kid, public_jwk, sealed_private, active_from)"
            """ VALUES ('broken', '{"kty":"EC"}', '\\x00', now() - interval '1 day')"""
        )
    authority = await all_of.authority()
    assert [key["kid"] for key in authority.jwks()["keys"]] == [all_of.ring.key.kid]
    assert (await authority.access(all_of.token(uuid4(), uuid4()))).tid == TENANT
